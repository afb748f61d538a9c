"""`Truncation` and `Padding`: how long finished sequences may be, and to what length they are filled up."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from merganser.errors import ConfigError

__all__ = ["Padding", "Side", "Strategy", "Truncation", "check_setting"]

Side: TypeAlias = Literal["left", "right"]
"""A side of a sequence."""

Strategy: TypeAlias = Literal["longest_first", "only_first", "only_second"]
"""Which sequence of a pair is cut."""


@dataclass(frozen=True)
class Truncation:
    """How sequences are cut to a length.

    Parameters
    ----------
    max_length : int
        Ids that a finished sequence may have at the most, those that the post-processor adds counted.
    strategy : {"longest_first", "only_first", "only_second"}, default "longest_first"
        Which sequence of a pair is cut: the longer one until both are equally long, then both; or always the same one.
    stride : int, default 0
        Ids that each overflowing stretch repeats of the one before.
    side : {"left", "right"}, default "right"
        The side that is cut off.

    Raises
    ------
    ConfigError
        If a value is none of these.

    Examples
    --------
    >>> Truncation(8, stride=2)
    Truncation(max_length=8, strategy='longest_first', stride=2, side='right')
    """

    max_length: int
    strategy: Strategy = "longest_first"
    stride: int = 0
    side: Side = "right"

    def __post_init__(self) -> None:
        check_count(self.max_length, "max_length")
        check_count(self.stride, "stride")
        check_choice(self.strategy, ("longest_first", "only_first", "only_second"), "strategy")
        check_choice(self.side, ("left", "right"), "side")

    @property
    def fields(self) -> tuple[int, str, int, str]:
        """What the core takes."""
        return (self.max_length, self.strategy, self.stride, self.side)


@dataclass(frozen=True)
class Padding:
    """How sequences are filled up to a length.

    Parameters
    ----------
    length : int, optional
        The length; by default that of the longest sequence of the batch.
    side : {"left", "right"}, default "right"
        The side that is filled.
    multiple_of : int, optional
        The length is rounded up to a multiple of this.
    id : int, default 0
        The id that fills.
    type_id : int, default 0
        Its type id.
    token : str, default "[PAD]"
        Its text.

    Raises
    ------
    ConfigError
        If a value is none of these.

    Examples
    --------
    >>> Padding(multiple_of=8, id=1, token="<pad>")
    Padding(length=None, side='right', multiple_of=8, id=1, type_id=0, token='<pad>')
    """

    length: int | None = None
    side: Side = "right"
    multiple_of: int | None = None
    id: int = 0
    type_id: int = 0
    token: str = "[PAD]"  # noqa: S105 - a token of a vocabulary

    def __post_init__(self) -> None:
        if self.length is not None:
            check_count(self.length, "length")
        if self.multiple_of is not None:
            check_count(self.multiple_of, "multiple_of", start=1)
        check_choice(self.side, ("left", "right"), "side")
        check_count(self.id, "id", 1 << 32)
        check_count(self.type_id, "type_id", 1 << 32)

    @property
    def fields(self) -> tuple[int | None, str, int | None, int, int, str]:
        """What the core takes."""
        return (self.length, self.side, self.multiple_of, self.id, self.type_id, self.token)


def check_count(value: int, name: str, end: int = 1 << 63, *, start: int = 0) -> None:
    """Refuse what is no number from `start` to below `end`."""
    if not start <= operator.index(value) < end:
        msg = f"{name} must be from {start} to {end - 1}, got {value}"
        raise ConfigError(msg)


def check_choice(value: str, choices: tuple[str, ...], name: str) -> None:
    """Refuse what is none of `choices`."""
    if value not in choices:
        listed = ", ".join(f'"{choice}"' for choice in choices[:-1])
        msg = f'{name} must be {listed} or "{choices[-1]}", got {value!r}'
        raise ConfigError(msg)


def check_setting(setting: object, kind: type[Truncation | Padding], name: str) -> None:
    """Refuse what is neither None nor a setting of its kind."""
    if setting is not None and not isinstance(setting, kind):
        msg = f"{name} must be a merganser.{kind.__name__} or None, got {type(setting).__name__}"
        raise TypeError(msg)
