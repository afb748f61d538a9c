"""The operations, each as two functions side by side.

``out, cache = x_forward(...)`` and ``d_... = x_backward(d_out, cache)``. They know arrays only, no names and no models,
and work in the float type of their inputs.
"""

from merganser.transformer.ops.activation import (
    gate_backward,
    gate_forward,
    gelu_backward,
    gelu_forward,
    gelu_tanh_backward,
    gelu_tanh_forward,
    relu_backward,
    relu_forward,
    silu_backward,
    silu_forward,
    tanh_backward,
    tanh_forward,
)
from merganser.transformer.ops.attention import attention_backward, attention_forward
from merganser.transformer.ops.cross_entropy import (
    cross_entropy_backward,
    cross_entropy_forward,
    linear_cross_entropy_backward,
    linear_cross_entropy_forward,
)
from merganser.transformer.ops.dropout import dropout_backward, dropout_forward
from merganser.transformer.ops.embedding import (
    embedding_backward,
    embedding_forward,
    relative_bias_backward,
    relative_bias_forward,
)
from merganser.transformer.ops.linear import linear_backward, linear_forward
from merganser.transformer.ops.norm import (
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)

__all__ = [
    "attention_backward",
    "attention_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "dropout_backward",
    "dropout_forward",
    "embedding_backward",
    "embedding_forward",
    "gate_backward",
    "gate_forward",
    "gelu_backward",
    "gelu_forward",
    "gelu_tanh_backward",
    "gelu_tanh_forward",
    "layer_norm_backward",
    "layer_norm_forward",
    "linear_backward",
    "linear_cross_entropy_backward",
    "linear_cross_entropy_forward",
    "linear_forward",
    "relative_bias_backward",
    "relative_bias_forward",
    "relu_backward",
    "relu_forward",
    "rms_norm_backward",
    "rms_norm_forward",
    "silu_backward",
    "silu_forward",
    "tanh_backward",
    "tanh_forward",
]
