"""Build a transformer from scratch: the forward pass of GPT in forty lines of NumPy, equal to the library's.

What to expect: both give the same logits for the same parameters, up to the last digits of float32 (a difference of
about 1e-6), and the mask works: changing a later token changes no earlier logits.
"""

from __future__ import annotations

import math

import numpy as np

from merganser.transformer import Gpt, GptConfig, LmBatch


def norm(x, params, name):
    """Layer norm: mean 0 and variance 1 over the width, then a scale and a shift."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * params[f"{name}.weight"] + params[f"{name}.bias"]


def linear(x, params, name):
    """Multiply by a weight matrix and add a bias."""
    return x @ params[f"{name}.weight"] + params[f"{name}.bias"]


def attention(x, params, name, n_heads):
    """Let each token take from the values of those before it, weighted by how its query fits their keys."""
    n_tokens, width = x.shape
    # (T, 3 D) -> three of (H, T, K): every head works on its own slice of the width.
    queries, keys, values = (
        part.reshape(n_tokens, n_heads, -1).transpose(1, 0, 2)
        for part in np.split(linear(x, params, f"{name}.qkv"), 3, axis=-1)
    )
    scores = queries @ keys.transpose(0, 2, 1) / math.sqrt(width / n_heads)
    scores[:, np.triu(np.ones((n_tokens, n_tokens), dtype=bool), k=1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ values).transpose(1, 0, 2).reshape(n_tokens, width)
    return linear(mixed, params, f"{name}.out")


def feed_forward(x, params, name):
    """Widen, bend with GELU, and narrow again."""
    hidden = linear(x, params, f"{name}.up")
    hidden = 0.5 * hidden * (1 + np.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    return linear(hidden, params, f"{name}.down")


def gpt(ids, params, config):
    """Return the logits of the next token at each of the ids, shape (T, V)."""
    x = params["token_embedding.weight"][ids] + params["position_embedding.weight"][: len(ids)]
    for block in range(config.n_layers):
        name = f"blocks.{block}"
        x = x + attention(norm(x, params, f"{name}.attention_norm"), params, f"{name}.attention", config.n_heads)
        x = x + feed_forward(norm(x, params, f"{name}.feed_forward_norm"), params, f"{name}.feed_forward")
    return norm(x, params, "final_norm") @ params["token_embedding.weight"].T


def main() -> float:
    """Compare the two and return the largest difference of a logit, relative to the largest logit."""
    config = GptConfig(vocab_size=100, max_positions=32, d_model=48, d_ff=96, n_layers=3, n_heads=4)
    model = Gpt(config)
    params = {name: 3 * array for name, array in model.initialize(seed=0).items()}
    ids = np.random.default_rng(0).integers(0, 100, size=20)
    mine = gpt(ids, params, config)
    theirs = model.logits(params, LmBatch(inputs=ids[None], targets=ids[None]))[0]
    difference = float(np.abs(mine - theirs).max() / np.abs(theirs).max())
    print(f"{model.n_parameters:,} parameters; largest difference {difference:.1e}")
    changed = ids.copy()
    changed[10] = (changed[10] + 1) % 100
    is_causal = bool(np.allclose(gpt(changed, params, config)[:10], mine[:10]))
    print(f"tokens before a changed one keep their logits: {is_causal}")
    return difference if is_causal else math.inf


if __name__ == "__main__":
    main()
