"""The two sublayers of every transformer, attention and feed-forward, and the residual connection around each.

Around a sublayer f stand, in the paper, ``norm(x + dropout(f(x)))`` (post-norm), and today mostly
``x + dropout(f(norm(x)))`` (pre-norm), whose gradients flow through the sum untouched and which trains without care.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, TypeAlias

from merganser.transformer import layers
from merganser.transformer.cache import LayerCache
from merganser.transformer.layers import Activation, Norm
from merganser.transformer.mask import AttentionMask
from merganser.transformer.tape import Tape, Value

NormPosition: TypeAlias = Literal["pre", "post"]


@dataclasses.dataclass(frozen=True)
class BlockStyle:
    """What the blocks of one model have in common.

    Parameters
    ----------
    n_heads : int
    scale : float
        Multiplies attention scores.
    norm : {"layer", "rms"}
    norm_position : {"pre", "post"}
    norm_epsilon : float
    activation : str
        Of the feed-forward sublayer.
    is_gated : bool
        Whether the feed-forward sublayer has a gate: ``down(activation(gate(x)) * up(x))``.
    dropout, attention_dropout, activation_dropout : float
        Probability of dropping an element of a sublayer's output, an attention weight, a feed-forward activation.
    """

    n_heads: int
    scale: float
    norm: Norm
    norm_position: NormPosition
    norm_epsilon: float
    activation: Activation
    is_gated: bool = False
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0


def residual(tape: Tape, x: Value, name: str, style: BlockStyle, sublayer: Callable[[Value], Value]) -> Value:
    """Put a sublayer into its residual connection; its norm is ``name_norm``."""

    def normed(value: Value) -> Value:
        return layers.norm(tape, value, f"{name}_norm", style.norm, style.norm_epsilon)

    if style.norm_position == "pre":
        out = layers.drop(tape, sublayer(normed(x)), style.dropout)
        return layers.add(tape, x, out, name)
    out = layers.drop(tape, sublayer(x), style.dropout)
    return normed(layers.add(tape, x, out, name))


def encoder_block(
    tape: Tape,
    x: Value,
    name: str,
    style: BlockStyle,
    mask: AttentionMask,
    *,
    bias: Value | None = None,
    cache: LayerCache | None = None,
) -> Value:
    """Self-attention, then feed-forward: a block of an encoder, and of a decoder that stands alone."""

    def attend(h: Value) -> Value:
        return self_attention(tape, h, f"{name}.attention", style, mask, bias=bias, cache=cache)

    x = residual(tape, x, f"{name}.attention", style, attend)
    return _feed_forward_residual(tape, x, name, style)


def decoder_block(
    tape: Tape,
    x: Value,
    memory: Value,
    name: str,
    style: BlockStyle,
    mask: AttentionMask,
    memory_mask: AttentionMask,
    *,
    bias: Value | None = None,
    cache: LayerCache | None = None,
) -> Value:
    """Self-attention, attention to the encoder's output, then feed-forward."""

    def attend(h: Value) -> Value:
        return self_attention(tape, h, f"{name}.attention", style, mask, bias=bias, cache=cache)

    def consult(h: Value) -> Value:
        return cross_attention(tape, h, memory, f"{name}.cross_attention", style, memory_mask, cache=cache)

    x = residual(tape, x, f"{name}.attention", style, attend)
    x = residual(tape, x, f"{name}.cross_attention", style, consult)
    return _feed_forward_residual(tape, x, name, style)


def _feed_forward_residual(tape: Tape, x: Value, name: str, style: BlockStyle) -> Value:
    return residual(
        tape, x, f"{name}.feed_forward", style, lambda h: feed_forward(tape, h, f"{name}.feed_forward", style)
    )


def self_attention(
    tape: Tape,
    x: Value,
    name: str,
    style: BlockStyle,
    mask: AttentionMask,
    *,
    bias: Value | None = None,
    cache: LayerCache | None = None,
) -> Value:
    """Attend within one sequence, and to its earlier tokens where a cache holds them."""
    parts: Value | tuple[Value, Value, Value]
    if f"{name}.qkv.weight" in tape.parameters:
        parts = layers.linear(tape, x, f"{name}.qkv")
    else:
        q, k, v = (layers.linear(tape, x, f"{name}.{part}") for part in ("query", "key", "value"))
        parts = (q, k, v)
    if cache is not None:
        parts = cache.extend(parts)
    return _attend(tape, parts, name, style, mask, bias)


def cross_attention(
    tape: Tape,
    x: Value,
    memory: Value,
    name: str,
    style: BlockStyle,
    mask: AttentionMask,
    *,
    cache: LayerCache | None = None,
) -> Value:
    """Attend from the decoder to the encoder's output, whose keys and values a cache computes once."""
    q = layers.linear(tape, x, f"{name}.query")
    if cache is not None and cache.memory is not None:
        k, v = cache.memory
    else:
        k, v = (layers.linear(tape, memory, f"{name}.{part}") for part in ("key", "value"))
        if cache is not None:
            cache.memory = (k, v)
    return _attend(tape, (q, k, v), name, style, mask, None)


def feed_forward(tape: Tape, x: Value, name: str, style: BlockStyle) -> Value:
    """Widen, activate, and narrow again: ``down(activation(up(x)))``, or gated."""
    if style.is_gated:
        gating = layers.activate(tape, layers.linear(tape, x, f"{name}.gate"), style.activation, name)
        hidden = layers.gate(tape, gating, layers.linear(tape, x, f"{name}.up"), name)
    else:
        hidden = layers.activate(tape, layers.linear(tape, x, f"{name}.up"), style.activation, name)
    hidden = layers.drop(tape, hidden, style.activation_dropout)
    return layers.linear(tape, hidden, f"{name}.down")


def _attend(
    tape: Tape,
    parts: Value | tuple[Value, Value, Value],
    name: str,
    style: BlockStyle,
    mask: AttentionMask,
    bias: Value | None,
) -> Value:
    mixed = layers.attention(
        tape,
        parts,
        mask,
        n_heads=style.n_heads,
        scale=style.scale,
        name=name,
        bias=bias,
        dropout=style.attention_dropout,
    )
    return layers.linear(tape, mixed, f"{name}.out")


Shapes: TypeAlias = dict[str, tuple[int, ...]]
"""Shape of each parameter by name."""


def linear_shapes(name: str, d_in: int, d_out: int, *, has_bias: bool = True) -> Shapes:
    """Return the shapes of a linear layer's parameters."""
    shapes: Shapes = {f"{name}.weight": (d_in, d_out)}
    if has_bias:
        shapes[f"{name}.bias"] = (d_out,)
    return shapes


def norm_shapes(name: str, width: int, norm: Norm = "layer") -> Shapes:
    """Return the shapes of a norm's parameters."""
    shapes: Shapes = {f"{name}.weight": (width,)}
    if norm == "layer":
        shapes[f"{name}.bias"] = (width,)
    return shapes


def attention_shapes(name: str, d_model: int, d_inner: int, *, has_bias: bool = True) -> Shapes:
    """Return the shapes of an attention sublayer with separate queries, keys and values."""
    shapes: Shapes = {}
    for part in ("query", "key", "value"):
        shapes |= linear_shapes(f"{name}.{part}", d_model, d_inner, has_bias=has_bias)
    return shapes | linear_shapes(f"{name}.out", d_inner, d_model, has_bias=has_bias)


def feed_forward_shapes(name: str, d_model: int, d_ff: int, *, has_bias: bool = True, is_gated: bool = False) -> Shapes:
    """Return the shapes of a feed-forward sublayer."""
    shapes: Shapes = linear_shapes(f"{name}.gate", d_model, d_ff, has_bias=has_bias) if is_gated else {}
    shapes |= linear_shapes(f"{name}.up", d_model, d_ff, has_bias=has_bias)
    return shapes | linear_shapes(f"{name}.down", d_ff, d_model, has_bias=has_bias)
