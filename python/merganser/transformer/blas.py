"""The number of threads that NumPy's BLAS uses, set for a while.

Shards of a batch run in threads of their own and want BLAS single-threaded: its threads wait for each other at every
small product, and wait long where the machine is shared. NumPy has no call for it, so the OpenBLAS that its wheels
carry is asked through its own interface; with any other BLAS nothing is changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

_NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads",
)


class _Setting:
    """Who may set the number, and what it was before."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # The number before any block that is open.
        self.outside: int | None = None


_setting = _Setting()


@contextlib.contextmanager
def blas_threads(n_threads: int) -> Iterator[None]:
    """Let BLAS use ``n_threads`` threads within the block; afterwards as many as before.

    The number is one for the whole process, so blocks of several threads follow one another.
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    read, write = functions
    with _setting.lock:
        before, is_outermost = read(), _setting.outside is None
        if is_outermost:
            _setting.outside = before
        write(n_threads)
        try:
            yield
        finally:
            write(before)
            if is_outermost:
                _setting.outside = None


@contextlib.contextmanager
def same_blas_threads() -> Iterator[None]:
    """Keep others from setting the number within the block: what is computed in it then depends on nobody else."""
    with _setting.lock:
        yield


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread within the block, where that can be had at once.

    For works on threads of our own, and for runs of many small products, after each of which BLAS's threads would wait
    for the slowest: that gains little on a quiet machine, and costs whole time slices of the system's on a busy one.
    Where another thread is in such a block or has set the number, the number stays as it is. So where several threads
    call models at once, sums may be taken in another order from one call to the next, and differ in their last bits.
    """
    functions = _openblas()
    if functions is None or functions[0]() == 1 or not _setting.lock.acquire(blocking=False):
        yield
        return
    try:
        with blas_threads(1):
            yield
    finally:
        _setting.lock.release()


def n_blas_threads() -> int:
    """Return the number of threads that BLAS uses now; with a BLAS that is not known, the processors at hand."""
    functions = _openblas()
    return functions[0]() if functions else os.cpu_count() or 1


def _after_fork() -> None:
    """In a child process: whoever held the lock or had set the number is not there."""
    global _setting  # noqa: PLW0603  # a lock cannot be freed by another thread
    functions, before = _openblas(), _setting.outside
    _setting = _Setting()
    if functions is not None and before is not None:
        functions[1](before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Find the functions in the library that NumPy's wheel carries, already loaded under its path."""
    folder = Path(np.__file__).parent
    for path in sorted([*folder.with_name("numpy.libs").glob("*openblas*"), *folder.glob(".dylibs/*openblas*")]):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in _NAMES:
            read = getattr(library, name.format("get"), None)
            write = getattr(library, name.format("set"), None)
            if read is not None and write is not None:
                read.restype, read.argtypes = ctypes.c_int, []
                write.restype, write.argtypes = None, [ctypes.c_int]
                return read, write
    return None
