"""T5: text to text by an encoder-decoder that knows distances only (Raffel et al., 2019).

Instead of positions, each head adds a learned number to its scores, by the bucket of the distance between query and
key; a stack's blocks share these numbers. Norms are RMS norms before each sublayer, nothing has a bias, and scores are
not scaled by the head width: the initial values do that. T5 1.1 gates its feed-forward sublayers and has an output
layer of its own; T5 1.0 uses the embedding, its input scaled by ``d_model ** -0.5``.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from merganser.transformer import blocks, layers
from merganser.transformer.blocks import Shapes
from merganser.transformer.cache import Cache, LayerCache
from merganser.transformer.configs import T5Config
from merganser.transformer.encoder_decoder import DecoderPlace, EncoderDecoder, Ids, Mask
from merganser.transformer.mask import AttentionMask
from merganser.transformer.model import draw_normal
from merganser.transformer.positions import relative_buckets
from merganser.transformer.tape import Tape, Value
from merganser.transformer.workspace import Array


@dataclasses.dataclass(frozen=True)
class T5(EncoderDecoder[T5Config]):
    """A text-to-text model.

    Parameters
    ----------
    config : T5Config

    Examples
    --------
    >>> import numpy as np
    >>> model = T5(T5Config.preset("tiny", vocab_size=100))
    >>> params = model.initialize(seed=1)
    >>> model.encode(params, np.array([[5, 6, 7]])).shape
    (1, 3, 128)
    """

    def shapes(self) -> Shapes:
        """Return the shape of each parameter by name."""
        config, width, inner = self.config, self.config.d_model, self.config.d_head * self.config.n_heads
        shapes: Shapes = {"token_embedding.weight": (config.vocab_size, width)}
        for stack, n_layers in (("encoder", config.n_layers), ("decoder", config.n_decoder_layers)):
            shapes[f"{stack}.relative_bias.weight"] = (config.n_buckets, config.n_heads)
            for index in range(n_layers):
                name = f"{stack}.blocks.{index}"
                for sublayer in ("attention", "cross_attention")[: 1 if stack == "encoder" else 2]:
                    shapes |= blocks.norm_shapes(f"{name}.{sublayer}_norm", width, "rms")
                    shapes |= blocks.attention_shapes(f"{name}.{sublayer}", width, inner, has_bias=False)
                shapes |= blocks.norm_shapes(f"{name}.feed_forward_norm", width, "rms")
                shapes |= blocks.feed_forward_shapes(
                    f"{name}.feed_forward", width, config.d_ff, has_bias=False, is_gated=config.is_gated
                )
            shapes |= blocks.norm_shapes(f"{stack}.final_norm", width, "rms")
        if not config.is_output_tied:
            shapes["output.weight"] = (config.vocab_size, width)
        return shapes

    @property
    def _vocab_size(self) -> int:
        return self.config.vocab_size

    def _output_names(self) -> tuple[str, str | None]:
        return "token_embedding.weight" if self.config.is_output_tied else "output.weight", None

    def _check_length(self, name: str, n_columns: int) -> None:
        """Accept any length: distances have no end."""

    def _layer_caches(self, n_rows: int, max_length: int) -> list[LayerCache]:
        config = self.config
        return [LayerCache(n_rows, max_length, config.n_heads, config.d_head) for _ in range(config.n_decoder_layers)]

    def _encode(self, tape: Tape, source: Ids, mask: Mask | None) -> Value:
        config = self.config
        x = layers.drop(tape, layers.embed(tape, "token_embedding", source), config.dropout)
        bias = self._bias(tape, "encoder", source.shape[1], source.shape[1], 0)
        for index in range(config.n_layers):
            name = f"encoder.blocks.{index}"
            x = blocks.encoder_block(tape, x, name, config.style, AttentionMask(keys=mask), bias=bias)
        x = layers.norm(tape, x, "encoder.final_norm", "rms", config.norm_epsilon)
        return layers.drop(tape, x, config.dropout)

    def _decode(self, tape: Tape, ids: Ids, memory: Value, place: DecoderPlace, cache: Cache | None = None) -> Value:
        config = self.config
        x = layers.drop(tape, layers.embed(tape, "token_embedding", ids), config.dropout)
        first = place.mask.first_query
        bias = self._bias(tape, "decoder", ids.shape[1], first + ids.shape[1], first)
        for index in range(config.n_decoder_layers):
            x = blocks.decoder_block(
                tape,
                x,
                memory,
                f"decoder.blocks.{index}",
                config.style,
                place.mask,
                place.memory_mask,
                bias=bias,
                cache=None if cache is None else cache.layers[index],
            )
        x = layers.norm(tape, x, "decoder.final_norm", "rms", config.norm_epsilon)
        x = layers.drop(tape, x, config.dropout)
        return layers.multiply(tape, x, config.d_model**-0.5 if config.is_output_scaled else 1.0)

    def _bias(self, tape: Tape, stack: str, n_queries: int, n_keys: int, first_query: int) -> Value:
        buckets = relative_buckets(
            n_queries,
            n_keys,
            first_query=first_query,
            n_buckets=self.config.n_buckets,
            max_distance=self.config.max_distance,
            is_bidirectional=stack == "encoder",
        )
        return layers.relative_bias(tape, f"{stack}.relative_bias", buckets)

    def _fresh(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        config = self.config
        if name == "token_embedding.weight":
            return draw_normal(shape, 1.0, rng)
        if name.endswith(".query.weight"):
            # The factor that other models apply to the scores.
            return draw_normal(shape, (config.d_model * config.d_head) ** -0.5, rng)
        if name.endswith(("relative_bias.weight", "output.weight")):
            return draw_normal(shape, config.d_model**-0.5, rng)
        return draw_normal(shape, shape[0] ** -0.5, rng)
