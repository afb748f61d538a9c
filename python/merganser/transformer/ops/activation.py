"""Pointwise non-linear functions: ReLU, GELU exact and by tanh, SiLU, tanh, and the gated product.

Each keeps its input alone: the backward function computes again what the forward one had on the way, which is cheaper
than to store and fetch it. GELU and SiLU go to a kernel; in NumPy they work in chunks that stay in the cache of a core.

The exact GELU is ``x Phi(x)``, ``Phi`` the normal distribution. NumPy has no error function; in float32 it is taken as
``erf(z) = tanh(z P(z^2))`` with a polynomial P of degree 6 fitted so that no value is further than 6e-8 from the true
one: half a unit in the last place near 1. In float64 the standard library's is called, for use in tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from merganser.transformer.blas import n_blas_threads
from merganser.transformer.kernels import run_kernel
from merganser.transformer.workspace import Array, empty, empty_like

_CHUNK = 1 << 16
_ROOT_HALF = math.sqrt(0.5)
_ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715
# P of the head, lowest power first: least maximum of |tanh(z P(z^2)) - erf(z)| over z >= 0, found by weighted least
# squares. The highest coefficient is positive, so that the tanh of any large z is 1.
_ERF = (
    1.1283797054973452,
    0.10276548116870089,
    -0.00018438296497840466,
    -0.0006257202608668906,
    8.971286720676584e-05,
    -5.985739645112645e-06,
    1.5896319616517697e-07,
)
# The same in x, for z = x / sqrt(2) and z^2 = x^2 / 2.
_ERF_OF_X = tuple(value * 0.5**power * _ROOT_HALF for power, value in enumerate(_ERF))
# Beyond it the polynomial would overflow in float32, and the result is 0 or x to the last bit.
_ERF_LIMIT = 6.0


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Return ``max(x, 0)``, and the cache."""
    out = empty_like(x)
    np.maximum(x, 0, out=out)
    return out, out


def relu_backward(d_out: Array, cache: Array) -> Array:
    """Return the gradient of ``x``; at 0 it is 0."""
    d_x = empty_like(d_out)
    np.multiply(d_out, cache > 0, out=d_x)
    return d_x


def gelu_forward(x: Array) -> tuple[Array, Array]:
    """Return ``x Phi(x)`` (Hendrycks and Gimpel, 2016), and the cache."""
    return _pointwise("gelu", _gelu, x), x


def gelu_backward(d_out: Array, cache: Array) -> Array:
    """Return the gradient of ``x``: ``d_out (Phi(x) + x phi(x))``."""
    return _pointwise("gelu", _d_gelu, cache, d_out)


def gelu_tanh_forward(x: Array) -> tuple[Array, Array]:
    """Return the approximation ``x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))``, and the cache."""
    return _pointwise("gelu_tanh", _gelu_tanh, x), x


def gelu_tanh_backward(d_out: Array, cache: Array) -> Array:
    """Return the gradient of ``x``: with t the tanh and u its argument, ``d_out/2 (1 + t + x (1 - t^2) u')``."""
    return _pointwise("gelu_tanh", _d_gelu_tanh, cache, d_out)


def silu_forward(x: Array) -> tuple[Array, Array]:
    """Return ``x sigmoid(x)``, and the cache."""
    return _pointwise("silu", _silu, x), x


def silu_backward(d_out: Array, cache: Array) -> Array:
    """Return the gradient of ``x``: with s the sigmoid, ``d_out s (1 + x (1 - s))``."""
    return _pointwise("silu", _d_silu, cache, d_out)


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """Return ``tanh(x)``, and the cache."""
    out = empty_like(x)
    np.tanh(x, out=out)
    return out, out


def tanh_backward(d_out: Array, cache: Array) -> Array:
    """Return the gradient of ``x``: ``d_out (1 - tanh(x)^2)``."""
    d_x = empty_like(d_out)
    np.multiply(cache, cache, out=d_x)
    np.subtract(1.0, d_x, out=d_x)
    d_x *= d_out
    return d_x


def gate_forward(gate: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return the product of ``x`` with a gate of its shape (Shazeer, 2020), and the cache."""
    out = empty_like(x)
    np.multiply(gate, x, out=out)
    return out, (gate, x)


def gate_backward(d_out: Array, cache: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return the gradients of ``gate`` and ``x``."""
    gate, x = cache
    d_gate, d_x = empty_like(d_out), empty_like(d_out)
    np.multiply(d_out, x, out=d_gate)
    np.multiply(d_out, gate, out=d_x)
    return d_gate, d_x


def _pointwise(name: str, function: Callable[..., None], *inputs: Array) -> Array:
    """Return the values of an activation or, with ``d_out`` as second input, its slopes times that.

    By its kernel, or by ``function(out, scratch, other scratch, *inputs)`` on flat chunks.
    """
    out = empty(inputs[0].shape, inputs[0].dtype)
    flat = [array.reshape(-1) for array in (*inputs, out)]
    if run_kernel("activation_forward" if len(inputs) == 1 else "activation_backward", name, *flat, n_blas_threads()):
        return out
    first, second = (empty((min(_CHUNK, out.size),), out.dtype) for _ in range(2))
    for start in range(0, out.size, _CHUNK):
        *parts, part = (array[start : start + _CHUNK] for array in flat)
        function(part, first[: part.size], second[: part.size], *parts)
    return out


def _gelu(out: Array, scratch: Array, other: Array, x: Array) -> None:
    _normal_distribution(out, scratch, other, x)
    out *= x


def _d_gelu(out: Array, scratch: Array, other: Array, x: Array, d_out: Array) -> None:
    _normal_distribution(out, scratch, other, x)
    np.multiply(x, x, out=scratch)
    scratch *= -0.5
    np.exp(scratch, out=scratch)
    scratch *= x
    scratch *= 1.0 / math.sqrt(2.0 * math.pi)
    out += scratch
    out *= d_out


def _gelu_tanh(out: Array, _scratch: Array, _other: Array, x: Array) -> None:
    _tanh_of_cubic(out, x)
    out += 1.0
    out *= x
    out *= 0.5


def _d_gelu_tanh(out: Array, scratch: Array, other: Array, x: Array, d_out: Array) -> None:
    _tanh_of_cubic(other, x)
    # x u' / 2 = sqrt(2/pi)/2 (x + 3 * 0.044715 x^3)
    np.multiply(x, x, out=out)
    out *= 1.5 * _CUBIC * _ROOT_2_OVER_PI
    out += 0.5 * _ROOT_2_OVER_PI
    out *= x
    np.multiply(other, other, out=scratch)
    np.subtract(1.0, scratch, out=scratch)
    out *= scratch
    other *= 0.5
    other += 0.5
    out += other
    out *= d_out


def _silu(out: Array, _scratch: Array, _other: Array, x: Array) -> None:
    _sigmoid(out, x)
    out *= x


def _d_silu(out: Array, scratch: Array, _other: Array, x: Array, d_out: Array) -> None:
    _sigmoid(scratch, x)
    np.subtract(1.0, scratch, out=out)
    out *= x
    out += 1.0
    out *= scratch
    out *= d_out


def _tanh_of_cubic(out: Array, x: Array) -> None:
    """Write ``tanh(sqrt(2/pi) (x + 0.044715 x^3))``."""
    np.multiply(x, x, out=out)
    out *= _CUBIC * _ROOT_2_OVER_PI
    out += _ROOT_2_OVER_PI
    out *= x
    np.tanh(out, out=out)


def _sigmoid(out: Array, x: Array) -> None:
    """Write ``1 / (1 + exp(-x))`` as ``(1 + tanh(x/2)) / 2``, which cannot overflow."""
    np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5


def _normal_distribution(out: Array, scratch: Array, square: Array, x: Array) -> None:
    """Write ``Phi(x) = (1 + erf(x / sqrt(2))) / 2``."""
    if x.dtype == np.float64:
        out[...] = [0.5 * (1.0 + math.erf(value * _ROOT_HALF)) for value in x]
        return
    np.clip(x, -_ERF_LIMIT, _ERF_LIMIT, out=scratch)
    np.multiply(scratch, scratch, out=square)
    np.multiply(square, _ERF_OF_X[-1], out=out)
    for coefficient in _ERF_OF_X[-2:0:-1]:
        out += coefficient
        out *= square
    out += _ERF_OF_X[0]
    out *= scratch
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
