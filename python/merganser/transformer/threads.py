"""How many threads the matrix products of NumPy use, where its OpenBLAS can be told.

OpenBLAS divides each product among its threads; for the small products of a transformer the threads spend much of the
time waiting for each other, and nearly all of it when the machine has other work. Data-parallel training gives each of
its threads a part of the batch and one thread of OpenBLAS instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

__all__ = ["blas_threads", "n_processors"]

# NumPy's wheels, then conda and the systems' own builds.
_SYMBOLS = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads")


def n_processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@contextlib.contextmanager
def blas_threads(n_threads: int) -> Iterator[bool]:
    """Set the threads of matrix products, for the whole process, and put them back afterwards.

    Parameters
    ----------
    n_threads : int
        At least 1.

    Yields
    ------
    bool
        Whether it could be set: False with another BLAS than OpenBLAS, whose threads stay as they are.

    Examples
    --------
    >>> with blas_threads(1):
    ...     pass
    """
    controls = _controls()
    if controls is None:
        yield False
        return
    get, set_ = controls
    before = get()
    set_(n_threads)
    try:
        yield True
    finally:
        set_(before)


@functools.cache
def _controls() -> tuple[Callable[[], int], Callable[[int], object]] | None:
    """Return the functions of the OpenBLAS that NumPy has loaded."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs", package / ".libs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for symbol in _SYMBOLS:
                get = getattr(library, symbol.format("get"), None)
                set_ = getattr(library, symbol.format("set"), None)
                if get is not None and set_ is not None:
                    get.restype, get.argtypes = ctypes.c_int, []
                    set_.restype, set_.argtypes = None, [ctypes.c_int]
                    return get, set_
    return None
