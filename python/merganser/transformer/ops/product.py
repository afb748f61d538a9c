"""The product of rows with a matrix, by BLAS or, for a few rows, by a kernel of our own.

BLAS packs a matrix anew for every product. That is nothing beside a product of many rows, and several times the work
where a token for each of a few texts meets all weights: there the kernel (`rust/kernels`) reads the matrix once, as it
lies. One row is left to BLAS, which has a kernel for it.
"""

from __future__ import annotations

import numpy as np

from merganser import _core
from merganser.transformer.blas import n_blas_threads
from merganser.transformer.workspace import Array

# With more rows, BLAS's packing pays.
_FEW = range(2, 9)
# A smaller matrix stays in the cache of a core, packed or not.
_MIN_SIZE = 1 << 16


def multiply(rows: Array, matrix: Array, out: Array) -> None:
    """Write ``rows @ matrix`` to ``out``.

    Parameters
    ----------
    rows : ndarray of float, shape (n, d_in)
    matrix : ndarray of float, shape (d_in, d_out)
        Or the transpose of an array.
    out : ndarray of float, shape (n, d_out)
    """
    if _is_for_kernel(rows, matrix, out):
        is_transposed = not matrix.flags.c_contiguous
        stored = matrix.T if is_transposed else matrix
        _core.multiply_few_rows(rows, stored, out, is_transposed, n_blas_threads())
    else:
        # It also says which shapes do not fit.
        np.matmul(rows, matrix, out=out)


def _is_for_kernel(rows: Array, matrix: Array, out: Array) -> bool:
    return (
        len(rows) in _FEW
        and (rows.shape[1], matrix.shape[1]) == (len(matrix), out.shape[1])
        and len(out) == len(rows)
        and matrix.size >= _MIN_SIZE
        and rows.dtype == matrix.dtype == out.dtype == np.float32
        and (matrix.flags.c_contiguous or matrix.flags.f_contiguous)
        and rows.flags.c_contiguous
        and out.flags.c_contiguous
        # A file may map them to any place.
        and matrix.flags.aligned
    )
