"""Layer norm and RMS norm over the last axis.

Layer norm (Ba, Kiros and Hinton, 2016): ``out = (x - mean) / sqrt(variance + epsilon) * weight + bias``. RMS norm
(Zhang and Sennrich, 2019) leaves the mean alone: ``out = x / sqrt(mean(x^2) + epsilon) * weight``. With ``x_hat`` the
normalised input and ``g = d_out * weight``, both have the gradient

    d_x = (g - mean(g) - x_hat * mean(g * x_hat)) / sqrt(variance + epsilon)

where RMS norm lacks the term ``mean(g)``. Rows are taken in chunks that stay in the cache of a core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

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
    rows = x.reshape(-1, x.shape[-1])
    n_rows, width = rows.shape
    out, x_hat = empty_like(rows), empty_like(rows)
    inverse = empty((n_rows, 1), x.dtype)
    averaging = np.full(width, 1.0 / width, x.dtype)
    for part in _chunks(n_rows, width):
        hat = x_hat[part]
        np.subtract(rows[part], (rows[part] @ averaging)[:, None], out=hat)
        _normalise(hat, inverse[part], epsilon)
        np.multiply(hat, weight, out=out[part])
        out[part] += bias
    return out.reshape(x.shape), NormCache(x_hat, inverse, weight)


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
    rows = x.reshape(-1, x.shape[-1])
    out, x_hat = empty_like(rows), empty_like(rows)
    inverse = empty((rows.shape[0], 1), x.dtype)
    for part in _chunks(*rows.shape):
        hat = x_hat[part]
        np.copyto(hat, rows[part])
        _normalise(hat, inverse[part], epsilon)
        np.multiply(hat, weight, out=out[part])
    return out.reshape(x.shape), NormCache(x_hat, inverse, weight)


def rms_norm_backward(d_out: Array, cache: NormCache) -> tuple[Array, Array]:
    """Return the gradients of ``x`` and ``weight``."""
    d_x, d_weight, _ = _norm_backward(d_out, cache, is_centred=False)
    return d_x, d_weight


def _normalise(hat: Array, inverse: Array, epsilon: float) -> None:
    """Divide the rows by the root of their mean square, and note the inverse."""
    mean_square = np.einsum("nd,nd->n", hat, hat)[:, None]
    mean_square *= 1.0 / hat.shape[1]
    mean_square += epsilon
    np.sqrt(mean_square, out=mean_square)
    np.divide(1.0, mean_square, out=inverse)
    hat *= inverse


def _norm_backward(d_out: Array, cache: NormCache, *, is_centred: bool) -> tuple[Array, Array, Array]:
    x_hat, inverse, weight = cache
    d_rows = d_out.reshape(x_hat.shape)
    n_rows, width = x_hat.shape
    d_x = empty_like(x_hat)
    d_weight, d_bias = np.zeros_like(weight), np.zeros_like(weight)
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
