"""A table's rows, found by place or by name, and turned into JSON: what every comparison is."""

from __future__ import annotations

import abc
import json
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NamedRows"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


RowT = TypeVar("RowT", bound=_Named)


class NamedRows(abc.ABC, Generic[RowT]):
    """Rows with names, in the order given.

    Attributes
    ----------
    rows : tuple
        The rows.
    """

    rows: tuple[RowT, ...]

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[RowT]:
        return iter(self.rows)

    def __getitem__(self, key: int | str) -> RowT:
        """Give a row by its place or its tokenizer's name."""
        if not isinstance(key, str):
            return self.rows[key]
        for row in self.rows:
            if row.name == key:
                return row
        raise KeyError(key)

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return everything as JSON.

        Parameters
        ----------
        indent : int or None, default 2
            Spaces a level is indented by; None: all on one line.

        Returns
        -------
        str
            What has no value, such as the fertility of a text without words, is null.
        """
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
