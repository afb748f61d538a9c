"""Threads of our own, beside those of BLAS: shards of a batch, and the parts of one product.

BLAS splits a product among its threads, and waits until the slowest has woken and worked, spinning: beside other
processes that is a time slice of the system's after each product, many times the work, and a forward pass is made of
products. Here the caller takes back each part that no thread has begun by the time its own is done, so it never waits
for one to wake.

The parts depend on the shapes and the number of threads alone, never on who computes them, and so does the result; but
where several threads call models at once, BLAS may sum a product of the second in another order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from merganser.transformer.blas import n_blas_threads, one_blas_thread
from merganser.transformer.workspace import Array

__all__ = ["multiply_rows", "pool"]

# A part is worth handing over when it takes longer than a thread takes to wake: this many bytes of the matrix to read,
# or this many multiplications.
_MIN_PART_BYTES = 4 << 20
_MIN_PART_PRODUCTS = 1 << 23
# Parts begin on whole cache lines.
_ALIGNMENT = 16

# By process too: the threads of a pool do not survive a fork.
_POOLS: dict[tuple[int, int], ThreadPoolExecutor] = {}


def pool(n_threads: int) -> ThreadPoolExecutor:
    """Return the threads that work beside the caller, ``n_threads - 1`` of them."""
    key = os.getpid(), n_threads
    if key not in _POOLS:
        # Of two callers at once one's is kept; an executor has no threads before its first work.
        _POOLS.setdefault(key, ThreadPoolExecutor(n_threads - 1, thread_name_prefix="merganser"))
    return _POOLS[key]


def multiply_rows(rows: Array, weight: Array, out: Array) -> None:
    """Write ``rows weight``.

    Parameters
    ----------
    rows : ndarray of float, shape (N, D)
    weight : ndarray of float, shape (D, C)
    out : ndarray of float, shape (N, C)
    """
    n_columns = weight.shape[1]
    if n_columns == 0:
        return
    n_threads = n_blas_threads()
    n_worthwhile = max(weight.nbytes // _MIN_PART_BYTES, rows.size * n_columns // _MIN_PART_PRODUCTS)
    n_parts = min(n_threads, n_worthwhile)
    step = -(-n_columns // (max(n_parts, 1) * _ALIGNMENT)) * _ALIGNMENT
    parts = [slice(start, start + step) for start in range(0, n_columns, step)]

    def multiply(part: slice) -> None:
        np.matmul(rows, weight[:, part], out=out[:, part])

    with one_blas_thread():
        share(multiply, parts, n_threads)


def share(work: Callable[[slice], None], parts: list[slice], n_threads: int) -> None:
    """Do the work of all parts: the caller the first, and each other that no thread has begun by then."""
    others = [_submit(work, part, n_threads) for part in parts[1:]]
    try:
        work(parts[0])
        for part, other in reversed(list(zip(parts[1:], others, strict=True))):
            if other.cancel():
                work(part)
            else:
                other.result()
    finally:
        # After an error, too, nobody goes on writing into what is the caller's.
        wait([other for other in others if not other.cancel()])


def _submit(work: Callable[[slice], None], part: slice, n_threads: int) -> Future[None]:
    try:
        return pool(n_threads).submit(work, part)
    except RuntimeError:
        # The interpreter ends, and starts no work in threads any more: the caller does it.
        return Future()
