"""Threads of our own: the shards of a batch run on them, each with a BLAS of one thread.

The small products of attention run with a BLAS of one thread too (`one_blas_thread`), blocks of long rows side by
side, and so do the parts of large products (`ops.product`). All else, such as a product of one row, is left to the
threads of BLAS, the quickest on a machine that is not shared: they spin between two products and begin at once, where a
sleeping thread takes as long to wake as such a product takes. Beside other work each product waits for the slowest of
them, a time slice of the system's; there, ``OPENBLAS_NUM_THREADS=1`` is quicker.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

__all__ = ["pool", "run_all"]

# By process too: the threads of a pool do not survive a fork.
_POOLS: dict[tuple[int, int], ThreadPoolExecutor] = {}
_LOCAL = threading.local()


def pool(n_threads: int) -> ThreadPoolExecutor:
    """Return the threads that work beside the caller, ``n_threads - 1`` of them."""
    key = os.getpid(), n_threads
    if key not in _POOLS:
        # Of two callers at once one's is kept; an executor has no threads before its first work.
        executor = ThreadPoolExecutor(n_threads - 1, thread_name_prefix="merganser", initializer=_enter_pool)
        _POOLS.setdefault(key, executor)
    return _POOLS[key]


def _enter_pool() -> None:
    _LOCAL.is_in_pool = True


def run_all(works: Iterable[Callable[[], object]], n_threads: int) -> None:
    """Do works that do not depend on one another, the caller and the other threads each taking the next one.

    A thread of a pool does all of them itself: it might have to wait for its own end.
    """
    if n_threads <= 1 or getattr(_LOCAL, "is_in_pool", False):
        for work in works:
            work()
        return
    iterator, lock = iter(works), threading.Lock()
    # What NumPy warns of is set for each thread.
    warnings: dict[str, Any] = {**np.geterr(), "call": np.geterrcall()}

    def run() -> None:
        with np.errstate(**warnings):
            while True:
                with lock:
                    work = next(iterator, None)
                if work is None:
                    return
                work()

    others = [pool(n_threads).submit(run) for _ in range(n_threads - 1)]
    try:
        run()
    finally:
        # One that still waits behind other work would find nothing left.
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()
