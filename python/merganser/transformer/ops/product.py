"""The product of rows with a matrix, by BLAS on threads of our own or, for a few rows, by a kernel.

BLAS packs a matrix anew for every product. That is nothing beside a product of many rows, and several times the work
where a token for each of a few texts meets all weights: there the kernel (`rust/kernels`) reads the matrix once, as it
lies. One row is left to BLAS, which has a kernel for it.

A large product is shared out to our own threads, each with a BLAS of one. It takes as long as BLAS's threads take, but
these spin for a while when they are done, and whatever comes next on several threads, such as attention, would have to
share the processor with them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from merganser.transformer.blas import n_blas_threads, one_blas_thread
from merganser.transformer.kernels import run_kernel
from merganser.transformer.threads import run_all
from merganser.transformer.workspace import Array

# With more rows, BLAS's packing pays.
_FEW = range(2, 9)
# A smaller matrix stays in the cache of a core, packed or not.
_MIN_SIZE = 1 << 16
# With fewer multiplications, waking a thread is felt.
_MIN_SHARED = 1 << 27


def multiply(rows: Array, matrix: Array, out: Array) -> None:
    """Write ``rows @ matrix`` to ``out``.

    Parameters
    ----------
    rows : ndarray of float, shape (n, d_in)
    matrix : ndarray of float, shape (d_in, d_out)
        Or the transpose of an array.
    out : ndarray of float, shape (n, d_out)
    """
    if (len(rows), *matrix.shape) != (len(out), rows.shape[1], out.shape[1]):
        # It says what does not fit.
        np.matmul(rows, matrix, out=out)
        return
    if len(rows) in _FEW and matrix.size >= _MIN_SIZE:
        is_transposed = not matrix.flags.c_contiguous
        stored = matrix.T if is_transposed else matrix
        if run_kernel("multiply_few_rows", rows, stored, out, is_transposed, n_blas_threads()):
            return
    n_threads = n_blas_threads() if len(rows) * matrix.size >= _MIN_SHARED else 1
    if n_threads == 1:
        np.matmul(rows, matrix, out=out)
        return
    with one_blas_thread():
        run_all([functools.partial(np.matmul, *part) for part in _parts(rows, matrix, out, n_threads)], n_threads)


def _parts(rows: Array, matrix: Array, out: Array, n_threads: int) -> Iterator[tuple[Array, Array, Array]]:
    """Split a product along the longer side of the result: each part reads the whole of what is shorter."""
    n_rows, n_columns = out.shape
    step = -(-max(n_rows, n_columns) // n_threads)
    # Whole vectors for all but the last.
    step += -step % 16
    for start in range(0, max(n_rows, n_columns), step):
        part = slice(start, start + step)
        yield (rows[part], matrix, out[part]) if n_rows > n_columns else (rows, matrix[:, part], out[:, part])
