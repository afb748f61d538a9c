"""The encoder-decoder of "Attention Is All You Need" (Vaswani et al., 2017), which Marian's translation models share.

Embeddings scaled by ``sqrt(d_model)`` plus positions enter both stacks; the decoder's blocks look at themselves and at
the encoder's output; one matrix is the embedding of source and target and the output layer. In the paper each norm
follows its residual sum (``norm_position="post"``); with norms before the sublayers, each stack ends with one more.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from merganser.transformer import blocks, layers
from merganser.transformer.blocks import Shapes
from merganser.transformer.cache import Cache, LayerCache
from merganser.transformer.configs import Seq2SeqConfig
from merganser.transformer.encoder_decoder import DecoderPlace, EncoderDecoder, Ids, Mask
from merganser.transformer.mask import AttentionMask
from merganser.transformer.model import check_length, draw_normal
from merganser.transformer.positions import count_positions, sinusoids
from merganser.transformer.tape import Tape, Value
from merganser.transformer.workspace import Array


@dataclasses.dataclass(frozen=True)
class Seq2Seq(EncoderDecoder[Seq2SeqConfig]):
    """A translation model.

    Parameters
    ----------
    config : Seq2SeqConfig

    Examples
    --------
    >>> model = Seq2Seq(Seq2SeqConfig.preset("base"))
    >>> round(model.n_parameters / 1e6)
    63
    """

    def shapes(self) -> Shapes:
        """Return the shape of each parameter by name."""
        config, width = self.config, self.config.d_model
        shapes: Shapes = {"token_embedding.weight": (config.vocab_size, width)}
        for stack, n_layers in (("encoder", config.n_layers), ("decoder", config.n_decoder_layers)):
            if config.positions == "learned":
                shapes[f"{stack}.position_embedding.weight"] = (config.max_positions, width)
            for index in range(n_layers):
                name = f"{stack}.blocks.{index}"
                for sublayer in ("attention", "cross_attention")[: 1 if stack == "encoder" else 2]:
                    shapes |= blocks.attention_shapes(f"{name}.{sublayer}", width, width)
                    shapes |= blocks.norm_shapes(f"{name}.{sublayer}_norm", width)
                shapes |= blocks.feed_forward_shapes(f"{name}.feed_forward", width, config.d_ff)
                shapes |= blocks.norm_shapes(f"{name}.feed_forward_norm", width)
            if config.norm_position == "pre":
                shapes |= blocks.norm_shapes(f"{stack}.final_norm", width)
        if config.has_output_bias:
            shapes["output.bias"] = (config.vocab_size,)
        return shapes

    @property
    def _vocab_size(self) -> int:
        return self.config.vocab_size

    def _output_names(self) -> tuple[str, str | None]:
        return "token_embedding.weight", "output.bias" if self.config.has_output_bias else None

    def _check_length(self, name: str, n_columns: int) -> None:
        check_length(name, n_columns, self.config.max_positions)

    def _layer_caches(self, n_rows: int, max_length: int) -> list[LayerCache]:
        config = self.config
        d_head = config.d_model // config.n_heads
        return [LayerCache(n_rows, max_length, config.n_heads, d_head) for _ in range(config.n_decoder_layers)]

    def _encode(self, tape: Tape, source: Ids, mask: Mask | None) -> Value:
        x = self._embed(tape, "encoder", source, count_positions(source.shape, mask))
        for index in range(self.config.n_layers):
            name = f"encoder.blocks.{index}"
            x = blocks.encoder_block(tape, x, name, self.config.style, AttentionMask(keys=mask))
        return self._end(tape, "encoder", x)

    def _decode(self, tape: Tape, ids: Ids, memory: Value, place: DecoderPlace, cache: Cache | None = None) -> Value:
        x = self._embed(tape, "decoder", ids, place.positions)
        for index in range(self.config.n_decoder_layers):
            x = blocks.decoder_block(
                tape,
                x,
                memory,
                f"decoder.blocks.{index}",
                self.config.style,
                place.mask,
                place.memory_mask,
                cache=None if cache is None else cache.layers[index],
            )
        return self._end(tape, "decoder", x)

    def _embed(self, tape: Tape, stack: str, ids: Ids, positions: Ids) -> Value:
        config = self.config
        x = layers.embed(tape, "token_embedding", ids)
        x = layers.multiply(tape, x, math.sqrt(config.d_model) if config.is_embedding_scaled else 1.0)
        if config.positions == "learned":
            places = layers.embed(tape, f"{stack}.position_embedding", positions)
        else:
            is_interleaved = config.positions == "sinusoidal"
            table = sinusoids(config.max_positions, config.d_model, is_interleaved=is_interleaved)
            places = Value(table[positions].astype(x.data.dtype, copy=False))
        return layers.drop(tape, layers.add(tape, x, places, f"{stack} embedding"), config.dropout)

    def _end(self, tape: Tape, stack: str, x: Value) -> Value:
        if self.config.norm_position == "post":
            return x
        return layers.norm(tape, x, f"{stack}.final_norm", "layer", self.config.norm_epsilon)

    def _fresh(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        if name.endswith("embedding.weight"):
            # With embeddings scaled by sqrt(d_model), tokens come in with variance 1, as positions nearly do.
            return draw_normal(shape, self.config.d_model**-0.5, rng)
        # Glorot and Bengio (2010): the variance of signals is kept, forward and backward.
        weight = rng.random(shape, np.float32)
        weight *= 2.0
        weight -= 1.0
        weight *= math.sqrt(6.0 / (shape[0] + shape[1]))
        return weight
