"""Layers: an operation with its parameters' names, and the note on the tape that carries gradients back through it.

All of a model's arithmetic goes through these functions; `blocks.py` builds the paper's sublayers from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from merganser.transformer import ops
from merganser.transformer.mask import AttentionMask
from merganser.transformer.tape import Tape, Value
from merganser.transformer.workspace import Array, empty, empty_like

Activation: TypeAlias = Literal["relu", "gelu", "gelu_tanh", "silu", "tanh"]
Norm: TypeAlias = Literal["layer", "rms"]

_ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "relu": (ops.relu_forward, ops.relu_backward),
    "gelu": (ops.gelu_forward, ops.gelu_backward),
    "gelu_tanh": (ops.gelu_tanh_forward, ops.gelu_tanh_backward),
    "silu": (ops.silu_forward, ops.silu_backward),
    "tanh": (ops.tanh_forward, ops.tanh_backward),
}
ACTIVATIONS = tuple(_ACTIVATIONS)
"""Names of the activations."""


def embed(tape: Tape, name: str, ids: NDArray[np.integer[Any]]) -> Value:
    """Look up a row of ``name.weight`` for each id."""
    weight = f"{name}.weight"
    data, cache = ops.embedding_forward(tape.parameters[weight], ids)
    out = tape.value(data, name)

    def backward(d_out: Array) -> None:
        tape.fold_gradient(weight, lambda total: ops.embedding_backward(d_out, cache, total))

    tape.note(out, backward)
    return out


def linear(tape: Tape, x: Value, name: str) -> Value:
    """Multiply by ``name.weight``, (d_in, d_out), and add ``name.bias`` where there is one."""
    weight, bias, below = f"{name}.weight", f"{name}.bias", x.gradient
    data, cache = ops.linear_forward(x.data, tape.parameters[weight], tape.parameters.get(bias))
    out = tape.value(data, name)

    def backward(d_out: Array) -> None:
        d_x, d_weight, d_bias = ops.linear_backward(d_out, cache)
        tape.add_gradient(weight, d_weight)
        if d_bias is not None:
            tape.add_gradient(bias, d_bias)
        below.add(d_x)

    tape.note(out, backward)
    return out


def norm(tape: Tape, x: Value, name: str, kind: Norm, epsilon: float) -> Value:
    """Normalise by layer norm (``name.weight``, ``name.bias``) or RMS norm (``name.weight``)."""
    weight, bias, below = f"{name}.weight", f"{name}.bias", x.gradient
    scale = tape.parameters[weight]
    if kind == "layer":
        data, cache = ops.layer_norm_forward(x.data, scale, tape.parameters[bias], epsilon)
    else:
        data, cache = ops.rms_norm_forward(x.data, scale, epsilon)
    out = tape.value(data, name)

    def backward(d_out: Array) -> None:
        if kind == "layer":
            d_x, d_weight, d_bias = ops.layer_norm_backward(d_out, cache)
            tape.add_gradient(bias, d_bias)
        else:
            d_x, d_weight = ops.rms_norm_backward(d_out, cache)
        tape.add_gradient(weight, d_weight)
        below.add(d_x)

    tape.note(out, backward)
    return out


def activate(tape: Tape, x: Value, kind: Activation, name: str) -> Value:
    """Apply a pointwise function; ``name`` is the layer it belongs to."""
    forward, back = _ACTIVATIONS[kind]
    data, cache = forward(x.data)
    out, below = tape.value(data, f"{name} ({kind})"), x.gradient
    tape.note(out, lambda d_out: below.add(back(d_out, cache)))
    return out


def gate(tape: Tape, gating: Value, x: Value, name: str) -> Value:
    """Multiply ``x`` by a gate of the same shape."""
    data, cache = ops.gate_forward(gating.data, x.data)
    out, first, second = tape.value(data, name), gating.gradient, x.gradient

    def backward(d_out: Array) -> None:
        d_gate, d_x = ops.gate_backward(d_out, cache)
        first.add(d_gate)
        second.add(d_x)

    tape.note(out, backward)
    return out


def drop(tape: Tape, x: Value, p: float) -> Value:
    """Apply dropout, where the tape has a source for it."""
    if tape.rng is None or p == 0:
        return x
    data, cache = ops.dropout_forward(x.data, p, tape.rng)
    out, below = Value(data), x.gradient
    tape.note(out, lambda d_out: below.add(ops.dropout_backward(d_out, cache)))
    return out


def add(tape: Tape, left: Value, right: Value, name: str) -> Value:
    """Add two values of one shape."""
    data = empty_like(left.data)
    np.add(left.data, right.data, out=data)
    out, first, second = tape.value(data, name), left.gradient, right.gradient

    def backward(d_out: Array) -> None:
        first.add(d_out)
        second.add(d_out)

    tape.note(out, backward)
    return out


def multiply(tape: Tape, x: Value, factor: float) -> Value:
    """Multiply by a constant."""
    if factor == 1.0:
        return x
    out, below = Value(x.data * factor), x.gradient
    tape.note(out, lambda d_out: below.add(d_out * factor))
    return out


def transpose_last(tape: Tape, x: Value) -> Value:
    """Exchange the last two axes of (B, T, C), and give each (b, c) a row: (B C, T)."""
    n_rows, n_columns, n_classes = x.data.shape
    out, below = Value(np.ascontiguousarray(x.data.swapaxes(1, 2)).reshape(-1, n_columns)), x.gradient

    def backward(d_out: Array) -> None:
        below.add(np.ascontiguousarray(d_out.reshape(n_rows, n_classes, n_columns).swapaxes(1, 2)))

    tape.note(out, backward)
    return out


def take_rows(tape: Tape, x: Value, rows: NDArray[np.integer[Any]]) -> Value:
    """Take some of all positions, each at most once: (B, T, D) to (n, D), ``rows`` counting through B and T."""
    shape, below = x.data.shape, x.gradient
    out = Value(x.data.reshape(-1, shape[-1])[rows])

    def backward(d_out: Array) -> None:
        d_x = np.zeros(shape, d_out.dtype)
        d_x.reshape(-1, shape[-1])[rows] = d_out
        below.add(d_x)

    tape.note(out, backward)
    return out


def relative_bias(tape: Tape, name: str, buckets: NDArray[np.integer[Any]]) -> Value:
    """Look up what ``name.weight`` adds to each head's scores at each distance."""
    weight = f"{name}.weight"
    data, cache = ops.relative_bias_forward(tape.parameters[weight], buckets)
    out = tape.value(data, name)
    tape.note(out, lambda d_out: tape.add_gradient(weight, ops.relative_bias_backward(d_out, cache)))
    return out


def attention(
    tape: Tape,
    parts: tuple[Value, Value, Value] | Value,
    mask: AttentionMask,
    *,
    n_heads: int,
    scale: float,
    name: str,
    bias: Value | None = None,
    dropout: float = 0.0,
) -> Value:
    """Attend over queries, keys and values: three of (B, T, H K), or one (B, T, 3 H K) that holds them side by side."""
    is_fused = isinstance(parts, Value)
    below = [part.gradient for part in ((parts,) if isinstance(parts, Value) else parts)]
    below_bias = None if bias is None else bias.gradient
    q, k, v = (_split_heads(part, n_heads) for part in three(parts))
    data, cache = ops.attention_forward(
        q,
        k,
        v,
        mask,
        scale=scale,
        bias=None if bias is None else bias.data,
        dropout=dropout,
        rng=tape.rng,
        is_recorded=tape.is_recording,
    )
    out = tape.value(data.reshape(*data.shape[:2], -1), name)

    def backward(d_out: Array) -> None:
        d_heads = _split_heads(d_out, n_heads)
        if is_fused:
            whole = empty((*d_out.shape[:2], 3 * d_out.shape[2]), d_out.dtype)
            into = tuple(_split_heads(part, n_heads) for part in thirds(whole))
            *_, d_bias = ops.attention_backward(d_heads, cache, into=(into[0], into[1], into[2]))
            below[0].add(whole)
        else:
            *gradients, d_bias = ops.attention_backward(d_heads, cache)
            for total, gradient in zip(below, gradients, strict=True):
                total.add(gradient.reshape(*gradient.shape[:2], -1))
        if below_bias is not None and d_bias is not None:
            below_bias.add(d_bias)

    tape.note(out, backward)
    return out


def softmax_cross_entropy(
    tape: Tape,
    logits: Value,
    targets: NDArray[np.integer[Any]],
    *,
    mask: NDArray[np.bool_] | None = None,
    label_smoothing: float = 0.0,
    scale: float = 1.0,
) -> Array:
    """Return the nats at each target of logits (N, C); where recorded, start the backward pass.

    ``mask`` is False at classes that do not count. The gradients are those of ``scale`` times the sum.
    """
    data = logits.data if mask is None else np.where(mask, logits.data, -np.inf).astype(logits.data.dtype)
    loss, cache = ops.cross_entropy_forward(data, targets, label_smoothing=label_smoothing)
    if tape.is_recording:
        logits.gradient.add(ops.cross_entropy_backward(scale, cache))
    return loss


def cross_entropy(
    tape: Tape,
    x: Value,
    weight: str,
    bias: str | None,
    targets: NDArray[np.integer[Any]],
    *,
    label_smoothing: float = 0.0,
    scale: float = 1.0,
) -> Array:
    """Return the nats at each target of the output layer ``weight``, (V, D); where recorded, start the backward pass.

    The gradients are those of ``scale`` times the sum.
    """
    rows = x.data.reshape(-1, x.data.shape[-1])
    parameter_bias = None if bias is None else tape.parameters[bias]
    loss, cache = ops.linear_cross_entropy_forward(
        rows,
        tape.parameters[weight],
        parameter_bias,
        targets.reshape(-1),
        label_smoothing=label_smoothing,
        scale=scale if tape.is_recording else None,
    )
    if cache is not None:
        d_x, d_weight, d_bias = ops.linear_cross_entropy_backward(1.0, cache)
        tape.add_gradient(weight, d_weight)
        if bias is not None and d_bias is not None:
            tape.add_gradient(bias, d_bias)
        x.gradient.add(d_x.reshape(x.data.shape))
    return loss.reshape(targets.shape)


def three(parts: tuple[Value, Value, Value] | Value) -> tuple[Array, Array, Array]:
    """Return the arrays of three values, or the thirds of one along its last axis."""
    if isinstance(parts, Value):
        return thirds(parts.data)
    q, k, v = parts
    return q.data, k.data, v.data


def thirds(array: Array) -> tuple[Array, Array, Array]:
    """View the thirds of an array along its last axis."""
    width = array.shape[-1] // 3
    return array[..., :width], array[..., width : 2 * width], array[..., 2 * width :]


def _split_heads(array: Array, n_heads: int) -> Array:
    if array.ndim == 4:
        return array
    n_rows, n_columns, width = array.shape
    return array.reshape(n_rows, n_columns, n_heads, width // n_heads)
