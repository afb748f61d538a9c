"""`Ragged`: sequences of ids of different lengths, as one array and offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ragged"]


class Ragged(Sequence[NDArray[Any]]):
    """Sequences of ids, one after the other: what every batch call returns.

    Sequence ``i`` is ``ids[offsets[i]:offsets[i + 1]]``; indexing gives that view without a copy.

    Parameters
    ----------
    ids : ndarray of uint16 or uint32, shape (n_tokens,)
        All ids.
    offsets : ndarray of int64, shape (n_sequences + 1,)
        Where each sequence starts, and the end: from 0 to ``len(ids)``, never falling.

    Raises
    ------
    ConfigError
        If the two arrays do not fit together.

    Examples
    --------
    >>> batch = Ragged.from_lists([[5, 6], [], [7]])
    >>> len(batch), batch[0].tolist(), batch.offsets.tolist()
    (3, [5, 6], [0, 2, 2, 3])
    """

    __slots__ = ("ids", "offsets")

    def __init__(self, ids: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        if ids.dtype.kind not in "iu" or offsets.dtype.kind not in "iu":
            msg = f"ids and offsets must be integers, got {ids.dtype} and {offsets.dtype}"
            raise ConfigError(msg)
        if ids.ndim != 1 or offsets.ndim != 1 or len(offsets) == 0:
            msg = f"ids and offsets must have one axis, got shapes {ids.shape} and {offsets.shape}"
            raise ConfigError(msg)
        if offsets[0] != 0 or offsets[-1] != len(ids) or bool(np.any(offsets[1:] < offsets[:-1])):
            msg = f"offsets must rise from 0 to the number of ids, {len(ids)}"
            raise ConfigError(msg)
        self.ids = ids
        self.offsets = offsets

    @classmethod
    def from_lists(cls, lists: Iterable[Sequence[int]], *, dtype: Any = np.uint32) -> Ragged:
        """Build from lists of ids.

        Parameters
        ----------
        lists : iterable of sequences of int
            The sequences.
        dtype : dtype, default uint32
            Of the ids.

        Returns
        -------
        Ragged
            A copy of the ids.

        Raises
        ------
        ConfigError
            If an id is no integer, or does not fit `dtype`.
        """
        arrays = [_exactly(ids, np.dtype(dtype)) for ids in lists]
        offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
        np.cumsum([len(ids) for ids in arrays], out=offsets[1:])
        return cls(np.concatenate([np.empty(0, dtype), *arrays]), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """Sequence ``index`` as a view; for a slice, a `Ragged` of views."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                msg = f"a slice of a Ragged must have step 1, got {step}"
                raise ConfigError(msg)
            stop = max(start, stop)
            offsets = self.offsets[start : stop + 1]
            return Ragged(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])
        place = range(len(self))[index]
        return self.ids[self.offsets[place] : self.offsets[place + 1]]

    def __contains__(self, sequence: object) -> bool:
        return any(np.array_equal(ids, sequence) for ids in self)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.ids[start:end] for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ragged):
            return NotImplemented
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.offsets, other.offsets)

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __repr__(self) -> str:
        return f"Ragged({len(self)} sequences, {len(self.ids)} ids of {self.ids.dtype})"

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many ids each sequence has.

        Returns
        -------
        ndarray of int64, shape (n_sequences,)
        """
        return np.diff(self.offsets)

    def to_list(self) -> list[list[int]]:
        """Return the sequences as lists of `int`.

        Returns
        -------
        list of list of int
        """
        return [ids.tolist() for ids in self]

    def to_arrow(self) -> pa.LargeListArray:
        """Return the sequences as an Arrow array that shares this memory.

        Returns
        -------
        pyarrow.LargeListArray

        Raises
        ------
        MissingDependencyError
            If pyarrow is not installed.
        """
        try:
            import pyarrow as pa
        except ImportError as error:
            msg = "pyarrow is missing; install it with: pip install 'merganser[corpus]'"
            raise MissingDependencyError(msg) from error
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.ids))


def _exactly(ids: Sequence[int] | NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Ids as an array of a type that holds each of them; `asarray` alone would round and wrap."""
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, dtype)
    limits = np.iinfo(dtype)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < limits.min or array.max() > limits.max:
        msg = f"ids must be integers from {limits.min} to {limits.max}, one list a sequence, got {ids!r:.60}"
        raise ConfigError(msg)
    return array.astype(dtype, copy=False)
