"""Dropout: while training, zero each element with probability p and scale the rest by ``1 / (1 - p)``.

A draw is 16 bits, so p is realised in steps of 1/65536; the scale is that of the p realised, so that the expectation
of the result is its input exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.workspace import Array, empty_like

_STEPS = 1 << 16


class DropoutCache(NamedTuple):
    """What `dropout_backward` needs."""

    keep: NDArray[np.bool_]
    scale: float


def dropout_forward(x: Array, p: float, rng: np.random.Generator) -> tuple[Array, DropoutCache]:
    """Return ``x`` with elements dropped, and the cache.

    Parameters
    ----------
    x : ndarray of float, shape (...)
    p : float
        Probability of dropping an element, at least 0 and below 1.
    rng : numpy.random.Generator
        Decides which.
    """
    keep, scale = draw_kept(x.shape, p, rng)
    out = empty_like(x)
    np.multiply(x, keep, out=out)
    out *= scale
    return out, DropoutCache(keep, scale)


def dropout_backward(d_out: Array, cache: DropoutCache) -> Array:
    """Return the gradient of ``x``."""
    d_x = empty_like(d_out)
    np.multiply(d_out, cache.keep, out=d_x)
    d_x *= cache.scale
    return d_x


def draw_kept(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> tuple[NDArray[np.bool_], float]:
    """Draw which elements stay, and return their scale."""
    threshold = min(round(p * _STEPS), _STEPS - 1)
    size = math.prod(shape)
    # Whole words are drawn at twice the speed of 16 bits at a time.
    draws = rng.integers(0, 1 << 64, size=(size + 3) // 4, dtype=np.uint64).view(np.uint16)[:size]
    return (draws >= threshold).reshape(shape), _STEPS / (_STEPS - threshold)
