"""GPT: a stack of decoder blocks that predicts the next token (Radford et al., 2018 and 2019).

Token and position embeddings are added, blocks of masked self-attention and feed-forward follow, a last norm, and the
output layer is the token embedding again. Positions count real tokens, and start again with each packed document.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.transformer import blocks, layers
from merganser.transformer.batch import Batch, LmBatch, check_ids, check_mask
from merganser.transformer.blocks import Shapes
from merganser.transformer.cache import Cache, LayerCache
from merganser.transformer.configs import GptConfig
from merganser.transformer.mask import AttentionMask
from merganser.transformer.model import (
    LossOptions,
    Model,
    check_kind,
    check_length,
    check_range,
    draw_normal,
    output_logits,
)
from merganser.transformer.positions import count_positions
from merganser.transformer.tape import Parameters, Tape, Value
from merganser.transformer.workspace import Array


@dataclasses.dataclass(frozen=True)
class Gpt(Model[GptConfig]):
    """A decoder-only language model.

    Parameters
    ----------
    config : GptConfig

    Examples
    --------
    >>> import numpy as np
    >>> model = Gpt(GptConfig(vocab_size=100, d_model=32, n_layers=2, n_heads=4, d_ff=64, max_positions=16))
    >>> params = model.initialize(seed=1)
    >>> batch = LmBatch(inputs=np.array([[5, 6, 7]]), targets=np.array([[6, 7, 8]]))
    >>> loss, gradients = model.loss_and_gradients(params, batch)
    >>> round(loss.mean), len(gradients) == len(params)
    (5, True)
    """

    def shapes(self) -> Shapes:
        """Return the shape of each parameter by name."""
        config = self.config
        shapes: Shapes = {
            "token_embedding.weight": (config.vocab_size, config.d_model),
            "position_embedding.weight": (config.max_positions, config.d_model),
        }
        for index in range(config.n_layers):
            name = f"blocks.{index}"
            shapes |= blocks.norm_shapes(f"{name}.attention_norm", config.d_model)
            shapes |= blocks.linear_shapes(f"{name}.attention.qkv", config.d_model, 3 * config.d_model)
            shapes |= blocks.linear_shapes(f"{name}.attention.out", config.d_model, config.d_model)
            shapes |= blocks.norm_shapes(f"{name}.feed_forward_norm", config.d_model)
            shapes |= blocks.feed_forward_shapes(f"{name}.feed_forward", config.d_model, config.d_ff)
        return shapes | blocks.norm_shapes("final_norm", config.d_model)

    def check_batch(self, batch: Batch) -> None:
        """Raise ConfigError unless the batch is an LmBatch with ids and positions that the model has."""
        rows = check_kind(batch, LmBatch)
        check_range("inputs", rows.inputs, self.config.vocab_size)
        check_range("targets", rows.targets, self.config.vocab_size, allow_ignored=True)
        check_length("inputs", rows.inputs.shape[1], self.config.max_positions)

    def logits(self, params: Parameters, batch: LmBatch) -> Array:
        """Return the logits of the next token at every position.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : LmBatch
            Its targets are not looked at.

        Returns
        -------
        ndarray of float32, shape (B, T, V)
        """
        self.check_parameters(params)
        self.check_batch(batch)
        hidden = self._hidden(Tape(params), batch.inputs, *_place(batch))
        return output_logits(hidden.data, params["token_embedding.weight"])

    def start_cache(self, *, n_rows: int, max_length: int) -> Cache:
        """Return an empty cache for `step`.

        Parameters
        ----------
        n_rows : int
            Rows B.
        max_length : int
            Tokens a row can hold, prompt and padding included.
        """
        config = self.config
        check_length("max_length", max_length, config.max_positions)
        d_head = config.d_model // config.n_heads
        stores = [LayerCache(n_rows, max_length, config.n_heads, d_head) for _ in range(config.n_layers)]
        return Cache(stores, n_rows, max_length)

    def step(
        self,
        params: Parameters,
        ids: NDArray[np.integer[Any]],
        cache: Cache,
        *,
        mask: NDArray[np.bool_] | None = None,
        is_last_only: bool = False,
    ) -> Array:
        """Read the next tokens of each row, and return the logits of what follows them.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        ids : ndarray of int, shape (B, T)
            A prompt, or one token a row.
        cache : Cache
            Advanced by T.
        mask : ndarray of bool, shape (B, T), optional
            False at padding, which stands to the left of shorter prompts.
        is_last_only : bool
            Whether logits of the last position suffice, which saves most of the output layer's work.

        Returns
        -------
        ndarray of float32, shape (B, T, V), or (B, 1, V)
        """
        check_ids("ids", ids)
        check_mask("mask", mask, ids.shape)
        check_range("ids", ids, self.config.vocab_size)
        cache.check_rows(ids.shape[0])
        first = cache.length
        positions = cache.advance(ids.shape[1], mask)
        attention_mask = AttentionMask(is_causal=True, first_query=first, keys=cache.key_mask)
        hidden = self._hidden(Tape(params), ids, positions, attention_mask, cache)
        data = hidden.data[:, -1:] if is_last_only else hidden.data
        return output_logits(data, params["token_embedding.weight"])

    def _nats(self, tape: Tape, batch: LmBatch, options: LossOptions) -> tuple[Array, ...]:
        hidden = self._hidden(tape, batch.inputs, *_place(batch))
        nats = layers.cross_entropy(
            tape,
            hidden,
            "token_embedding.weight",
            None,
            batch.targets,
            label_smoothing=options.label_smoothing,
            scale=options.scales[0],
        )
        return (nats,)

    def _hidden(
        self,
        tape: Tape,
        ids: NDArray[np.integer[Any]],
        positions: NDArray[np.integer[Any]],
        mask: AttentionMask,
        cache: Cache | None = None,
    ) -> Value:
        style = self.config.style
        tokens = layers.embed(tape, "token_embedding", ids)
        x = layers.add(tape, tokens, layers.embed(tape, "position_embedding", positions), "embedding")
        x = layers.drop(tape, x, self.config.embedding_dropout)
        for index in range(self.config.n_layers):
            store = None if cache is None else cache.layers[index]
            x = blocks.encoder_block(tape, x, f"blocks.{index}", style, mask, cache=store)
        return layers.norm(tape, x, "final_norm", style.norm, style.norm_epsilon)

    def _fresh(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        ends_sublayer = name.endswith(("attention.out.weight", "feed_forward.down.weight"))
        std = self.config.init_std / (2 * self.config.n_layers) ** 0.5 if ends_sublayer else self.config.init_std
        return draw_normal(shape, std, rng)


def _place(batch: LmBatch) -> tuple[NDArray[np.integer[Any]], AttentionMask]:
    """Return the position of each token, and who sees whom."""
    positions = count_positions(batch.inputs.shape, batch.mask, batch.segments)
    return positions, AttentionMask(is_causal=True, keys=batch.mask, segments=batch.segments)
