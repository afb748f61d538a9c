"""Memory for arrays that come and go in every step, used again instead of asked of the system anew.

A fresh large array costs a page fault for every 4 KB; in a training step that is a sizeable part of the time. So a
thread keeps the buffers it has made, and `empty` hands out one that **nobody refers to any more**. That is read off
the interpreter's reference count, which counts every view: no call has to give a buffer back, none can give it back
too early, and a result handed to a caller stays the caller's for as long as it is held.

Buffers that two steps in a row did not use are let go, so the memory is bounded by what the latest steps needed.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
"""An array of floats (float32 in use, float64 in tests); shapes are in the docstrings."""

# Smaller arrays are as quickly made by NumPy itself.
_MIN_BYTES = 1 << 15
# Sizes are rounded up to an eighth of their power of two: batches of varying length share buffers.
_STEPS = 8
# What getrefcount says of a buffer that only a list holds, asked just as `Workspace.empty` asks.
_FREE = next(sys.getrefcount(held[index]) for held in [[np.empty(0)]] for index in range(1))


class Workspace:
    """The buffers of one thread."""

    def __init__(self) -> None:
        self._buffers: dict[int, list[Array]] = {}
        self._last_used: dict[int, int] = {}
        self._step = 0

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return an array of undefined content that nobody else refers to."""
        kind = np.dtype(dtype)
        n_bytes = math.prod(shape) * kind.itemsize
        if n_bytes < _MIN_BYTES:
            return np.empty(shape, kind)
        size = _round_up(n_bytes)
        self._last_used[size] = self._step
        buffers = self._buffers.setdefault(size, [])
        for index in range(len(buffers)):
            if sys.getrefcount(buffers[index]) == _FREE:
                return _view(buffers[index], n_bytes, kind, shape)
        buffer = np.empty(size, np.uint8)
        buffers.append(buffer)
        return _view(buffer, n_bytes, kind, shape)

    def end_step(self) -> None:
        """Count a step, and let go of the sizes that this step and the one before did not ask for."""
        for size in [size for size, step in self._last_used.items() if step < self._step - 1]:
            del self._buffers[size], self._last_used[size]
        self._step += 1

    @property
    def n_bytes(self) -> int:
        """Bytes of all buffers, in use or free."""
        return sum(size * len(buffers) for size, buffers in self._buffers.items())


def _round_up(n_bytes: int) -> int:
    step = 1 << max(n_bytes.bit_length() - 1 - _STEPS.bit_length() + 1, 6)
    return (n_bytes + step - 1) // step * step


def _view(buffer: Array, n_bytes: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    return buffer[:n_bytes].view(dtype).reshape(shape)


_LOCAL = threading.local()


def workspace() -> Workspace:
    """Return the workspace of the calling thread."""
    found = getattr(_LOCAL, "workspace", None)
    if not isinstance(found, Workspace):
        found = _LOCAL.workspace = Workspace()
    return found


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Return an array of undefined content from the calling thread's workspace."""
    return workspace().empty(shape, dtype)


def empty_like(array: Array) -> Array:
    """Return a contiguous array of undefined content, of the shape and dtype of ``array``."""
    return workspace().empty(array.shape, array.dtype)
