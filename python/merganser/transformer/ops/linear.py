"""The linear layer: ``out = x W + b``, W stored (d_in, d_out)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from merganser.transformer.ops.product import multiply
from merganser.transformer.workspace import Array, empty


class LinearCache(NamedTuple):
    """What `linear_backward` needs."""

    x: Array
    weight: Array
    has_bias: bool


def linear_forward(x: Array, weight: Array, bias: Array | None) -> tuple[Array, LinearCache]:
    """Multiply the last axis of ``x`` by ``weight`` and add ``bias``.

    Parameters
    ----------
    x : ndarray of float, shape (..., d_in)
    weight : ndarray of float, shape (d_in, d_out)
    bias : ndarray of float, shape (d_out,), optional

    Returns
    -------
    out : ndarray of float, shape (..., d_out)
    cache : LinearCache
    """
    rows = x.reshape(-1, x.shape[-1])
    out = empty((rows.shape[0], weight.shape[1]), x.dtype)
    multiply(rows, weight, out)
    if bias is not None:
        out += bias
    return out.reshape(*x.shape[:-1], weight.shape[1]), LinearCache(x, weight, bias is not None)


def linear_backward(d_out: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """Return the gradients of ``x``, ``weight`` and ``bias`` (None where there is none)."""
    x, weight, has_bias = cache
    d_rows = d_out.reshape(-1, d_out.shape[-1])
    rows = x.reshape(-1, x.shape[-1])
    d_x = empty(rows.shape, x.dtype)
    multiply(d_rows, weight.T, d_x)
    d_weight = empty(weight.shape, x.dtype)
    multiply(rows.T, d_rows, d_weight)
    return d_x.reshape(x.shape), d_weight, sum_rows(d_rows) if has_bias else None


def sum_rows(rows: Array) -> Array:
    """Sum over the rows, as a product with ones: BLAS sums in blocks, which is quicker and loses fewer bits."""
    total: Array = np.ones(rows.shape[0], rows.dtype) @ rows
    return total
