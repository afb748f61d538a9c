"""What is asked of arguments by more than one part of the transformer."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sized

from merganser.errors import ConfigError


def whole_number(name: str, value: object, least: int | None = None) -> int:
    """Return an integer of any type as int; raise ConfigError for anything else, and for one below ``least``."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ConfigError(f"{name} must be a whole number, got {value!r}") from None
    if least is not None and number < least:
        raise ConfigError(f"{name} must be at least {least}, got {number}")
    return number


def check_nested(name: str, sequences: object) -> None:
    """Raise ConfigError unless there are sequences in a sequence: one alone is easily given without its outer list."""
    wanted = f"{name} must be a list of lists of ids, such as [[1, 2], [3]]"
    if not isinstance(sequences, Sized) or not isinstance(sequences, Iterable):
        msg = f"{wanted}, got {type(sequences).__name__}"
        raise ConfigError(msg)
    for place, sequence in enumerate(sequences):
        if not isinstance(sequence, Sized):
            msg = f"{wanted}, got {type(sequence).__name__} at {place}"
            raise ConfigError(msg)
