"""The cache of an incremental forward pass: keys and values of the tokens seen so far, in arrays made once.

A decoder's token depends on earlier ones through their keys and values alone. So `model.step` computes those of the new
tokens, writes them behind the old ones, and attends to all; the encoder's output enters once, at the first step.

Rows of unequal prompts are padded on the left, with a mask: slots are common to all rows, positions count real tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.layers import three
from merganser.transformer.tape import Value
from merganser.transformer.workspace import Array


class LayerCache:
    """Keys and values of one layer: (B, H, max_length, K) arrays, so that each head's are contiguous."""

    def __init__(self, n_rows: int, max_length: int, n_heads: int, d_head: int) -> None:
        shape = (n_rows, n_heads, max_length, d_head)
        self.keys, self.values = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self.length = 0
        self.memory: tuple[Value, Value] | None = None

    def extend(self, parts: Value | tuple[Value, Value, Value]) -> tuple[Value, Value, Value]:
        """Write the new keys and values behind the old; return the new queries with all keys and values."""
        q, k, v = three(parts)
        stop = self.length + q.shape[1]
        for store, new in ((self.keys, k), (self.values, v)):
            heads = new.reshape(*new.shape[:2], store.shape[1], store.shape[3])
            store[:, :, self.length : stop] = heads.transpose(0, 2, 1, 3)
        self.length = stop
        return Value(q), Value(_columns(self.keys, stop)), Value(_columns(self.values, stop))

    def reorder(self, rows: NDArray[np.integer[Any]], *, has_same_memory: bool) -> None:
        """Replace each row by the one that ``rows`` names."""
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old if len(rows) == len(old) else np.empty((len(rows), *old.shape[1:]), old.dtype)
            new[:, :, : self.length] = old[rows, :, : self.length]
            setattr(self, name, new)
        if self.memory is not None and not has_same_memory:
            self.memory = (Value(self.memory[0].data[rows]), Value(self.memory[1].data[rows]))


class Cache:
    """What `model.start_cache` returns and `model.step` advances.

    Attributes
    ----------
    length : int
        Slots filled so far, padding included.
    max_length : int
        Slots in all.
    """

    def __init__(
        self,
        layers: list[LayerCache],
        n_rows: int,
        max_length: int,
        *,
        memory: Array | None = None,
        memory_mask: NDArray[np.bool_] | None = None,
    ) -> None:
        self.layers = layers
        self.length = 0
        self.max_length = max_length
        self.memory = memory
        self.memory_mask = memory_mask
        self._mask = np.ones((n_rows, max_length), np.bool_)
        self._has_padding = False
        self._n_tokens = np.zeros(n_rows, np.int64)
        self._source = _number_sources(n_rows, memory, memory_mask)

    @property
    def n_rows(self) -> int:
        """Number of rows B."""
        return len(self._n_tokens)

    @property
    def key_mask(self) -> NDArray[np.bool_] | None:
        """False at slots that hold padding, shape (B, length); None where none does."""
        return self._mask[:, : self.length] if self._has_padding else None

    def check_rows(self, n_rows: int) -> None:
        """Raise ConfigError unless as many rows come as the cache has."""
        if n_rows != self.n_rows:
            raise ConfigError(f"ids must have the {self.n_rows} rows of the cache, got {n_rows}")

    def advance(self, n_columns: int, mask: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Take ``n_columns`` slots for new tokens; return their positions, shape (B, n_columns)."""
        if self.length + n_columns > self.max_length:
            msg = f"the cache holds {self.max_length} tokens a row, got {self.length} + {n_columns}"
            raise ConfigError(msg)
        new = slice(self.length, self.length + n_columns)
        if mask is not None:
            self._mask[:, new] = mask
            self._has_padding = self._has_padding or not bool(mask.all())
        positions = self._n_tokens[:, None] + np.cumsum(self._mask[:, new], axis=1) - 1
        self._n_tokens = positions[:, -1] + 1
        self.length = new.stop
        return np.maximum(positions, 0)

    def reorder(self, rows: NDArray[np.integer[Any]]) -> None:
        """Replace each row by the one that ``rows`` names, as beam search does; there may be more or fewer rows.

        Parameters
        ----------
        rows : ndarray of int, shape (new_n_rows,)
        """
        if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= self.n_rows:
            raise ConfigError(f"rows must name rows from 0 to {self.n_rows - 1}, got {rows.tolist()}")
        sources = self._source[rows]
        has_same_memory = np.array_equal(sources, self._source)
        for layer in self.layers:
            layer.reorder(rows, has_same_memory=has_same_memory)
        if not has_same_memory:
            self.memory = None if self.memory is None else self.memory[rows]
            self.memory_mask = None if self.memory_mask is None else self.memory_mask[rows]
        self._mask, self._n_tokens, self._source = self._mask[rows], self._n_tokens[rows], sources


def _number_sources(
    n_rows: int, memory: Array | None, memory_mask: NDArray[np.bool_] | None
) -> NDArray[np.integer[Any]]:
    """Give each row a number that it shares with neighbours of the same memory, as the beams of one source are."""
    is_new = np.ones(n_rows, np.bool_)
    if memory is not None:
        for row in range(1, n_rows):
            has_same_mask = memory_mask is None or np.array_equal(memory_mask[row], memory_mask[row - 1])
            is_new[row] = not (has_same_mask and np.array_equal(memory[row], memory[row - 1]))
    numbers: NDArray[np.integer[Any]] = np.cumsum(is_new) - 1
    return numbers


def _columns(store: Array, n_columns: int) -> Array:
    """View (B, H, L, K) as (B, n_columns, H, K)."""
    return store[:, :, :n_columns].transpose(0, 2, 1, 3)
