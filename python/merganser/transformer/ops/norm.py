"""Layer norm and RMS norm over the last axis.

Layer norm (Ba, Kiros and Hinton, 2016): ``out = (x - mean) / sqrt(variance + epsilon) * weight + bias``. RMS norm
(Zhang and Sennrich, 2019) leaves the mean alone: ``out = x / sqrt(mean(x^2) + epsilon) * weight``. With ``x_hat`` the
normalised input and ``g = d_out * weight``, both have the gradient

    d_x = (g - mean(g) - x_hat * mean(g * x_hat)) / sqrt(variance + epsilon)

where RMS norm lacks the term ``mean(g)``. In NumPy, rows are taken in chunks that stay in the cache of a core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from merganser.transformer.blas import n_blas_threads
from merganser.transformer.kernels import run_kernel
from merganser.transformer.workspace import Array, empty, empty_like

# Elements in a chunk: a few arrays of them fit into the second-level cache.
_CHUNK = 1 << 16


class NormCache(NamedTuple):
    """What the backward functions need."""

    x_hat: Array
    inverse_deviation: Array
    weight: Array


def layer_norm_forward(x: Array, weight: Array, bias: Array, epsilon: float) -> tuple[Array, NormCache]:
    """Normalise the last axis to mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    x : ndarray of float, shape (..., D)
    weight, bias : ndarray of float, shape (D,)
    epsilon : float
        Added to the variance.

    Returns
    -------
    out : ndarray of float, shape (..., D)
    cache : NormCache
    """
    return _norm_forward(x, weight, bias, epsilon)


def layer_norm_backward(d_out: Array, cache: NormCache) -> tuple[Array, Array, Array]:
    """Return the gradients of ``x``, ``weight`` and ``bias``."""
    d_x, d_weight, d_bias = _norm_backward(d_out, cache, is_centred=True)
    return d_x, d_weight, d_bias


def rms_norm_forward(x: Array, weight: Array, epsilon: float) -> tuple[Array, NormCache]:
    """Divide the last axis by its root mean square, then scale.

    Parameters
    ----------
    x : ndarray of float, shape (..., D)
    weight : ndarray of float, shape (D,)
    epsilon : float
        Added to the mean square.

    Returns
    -------
    out : ndarray of float, shape (..., D)
    cache : NormCache
    """
    return _norm_forward(x, weight, None, epsilon)


def rms_norm_backward(d_out: Array, cache: NormCache) -> tuple[Array, Array]:
    """Return the gradients of ``x`` and ``weight``."""
    d_x, d_weight, _ = _norm_backward(d_out, cache, is_centred=False)
    return d_x, d_weight


def _norm_forward(x: Array, weight: Array, bias: Array | None, epsilon: float) -> tuple[Array, NormCache]:
    """Normalise with the mean where there is a bias, without where there is none."""
    rows = x.reshape(-1, x.shape[-1])
    n_rows, width = rows.shape
    out, x_hat = empty_like(rows), empty_like(rows)
    inverse = empty((n_rows, 1), x.dtype)
    cache = NormCache(x_hat, inverse, weight)
    if run_kernel("norm_forward", rows, weight, bias, epsilon, out, x_hat, inverse[:, 0], n_blas_threads()):
        return out.reshape(x.shape), cache
    averaging = np.full(width, 1.0 / width, x.dtype)
    for part in _chunks(n_rows, width):
        hat = x_hat[part]
        if bias is None:
            np.copyto(hat, rows[part])
        else:
            np.subtract(rows[part], (rows[part] @ averaging)[:, None], out=hat)
        mean_square = np.einsum("nd,nd->n", hat, hat)[:, None]
        mean_square *= 1.0 / width
        mean_square += epsilon
        np.divide(1.0, np.sqrt(mean_square), out=inverse[part])
        hat *= inverse[part]
        np.multiply(hat, weight, out=out[part])
        if bias is not None:
            out[part] += bias
    return out.reshape(x.shape), cache


def _norm_backward(d_out: Array, cache: NormCache, *, is_centred: bool) -> tuple[Array, Array, Array]:
    x_hat, inverse, weight = cache
    d_rows = d_out.reshape(x_hat.shape)
    n_rows, width = x_hat.shape
    d_x = empty_like(x_hat)
    d_weight, d_bias = np.zeros_like(weight), np.zeros_like(weight)
    sums = d_weight, d_bias if is_centred else None
    if run_kernel("norm_backward", d_rows, x_hat, inverse[:, 0], weight, d_x, *sums):
        return d_x.reshape(d_out.shape), d_weight, d_bias
    averaging = weight * (1.0 / width)
    for part in _chunks(n_rows, width):
        hat, d_part, d_hat = x_hat[part], d_rows[part], d_x[part]
        ones = np.ones(len(hat), hat.dtype)
        product = d_part * hat
        d_weight += ones @ product
        # mean(g * x_hat), with g = d_out * weight
        slope = (product @ averaging)[:, None]
        np.multiply(d_part, weight, out=d_hat)
        if is_centred:
            d_bias += ones @ d_part
            d_hat -= (d_part @ averaging)[:, None]
        np.multiply(hat, slope, out=product)
        d_hat -= product
        d_hat *= inverse[part]
    return d_x.reshape(d_out.shape), d_weight, d_bias


def _chunks(n_rows: int, width: int) -> Iterator[slice]:
    step = max(1, _CHUNK // width)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
