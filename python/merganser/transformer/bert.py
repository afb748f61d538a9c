"""BERT: a stack of encoder blocks that reads in both directions (Devlin et al., 2018), and the heads that stand on it.

Token, position and token-type embeddings are added and normalised, blocks of self-attention and feed-forward follow,
each normalised after its residual sum. The kind of batch says which head is asked: masked tokens and next sentence
(`MlmBatch`), a class for each row (`LabelBatch`), the answer's place in a text (`SpanBatch`); `Bert.embed` gives a
vector for each row.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer import blocks, layers
from merganser.transformer.batch import IGNORED, Batch, LabelBatch, MlmBatch, SpanBatch, check_ids, check_mask
from merganser.transformer.blocks import Shapes
from merganser.transformer.configs import BertConfig, check_choice
from merganser.transformer.mask import AttentionMask
from merganser.transformer.model import (
    LossOptions,
    Model,
    check_length,
    check_range,
    draw_normal,
    output_logits,
)
from merganser.transformer.tape import Parameters, Tape, Value
from merganser.transformer.workspace import Array

Ids: TypeAlias = NDArray[np.integer[Any]]
Mask: TypeAlias = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Bert(Model[BertConfig]):
    """An encoder-only model with the heads that its configuration names.

    Parameters
    ----------
    config : BertConfig

    Examples
    --------
    >>> import numpy as np
    >>> config = BertConfig(vocab_size=99, d_model=32, n_layers=2, n_heads=4, d_ff=64, max_positions=16)
    >>> model = Bert(config)
    >>> params = model.initialize(seed=1)
    >>> model.embed(params, np.array([[5, 6, 7], [8, 9, 10]])).shape
    (2, 32)
    """

    def shapes(self) -> Shapes:
        """Return the shape of each parameter by name."""
        config, width = self.config, self.config.d_model
        shapes: Shapes = {
            "token_embedding.weight": (config.vocab_size, width),
            "position_embedding.weight": (config.max_positions, width),
            "type_embedding.weight": (config.n_token_types, width),
        }
        shapes |= blocks.norm_shapes("embedding_norm", width)
        for index in range(config.n_layers):
            name = f"blocks.{index}"
            shapes |= blocks.attention_shapes(f"{name}.attention", width, width)
            shapes |= blocks.norm_shapes(f"{name}.attention_norm", width)
            shapes |= blocks.feed_forward_shapes(f"{name}.feed_forward", width, config.d_ff)
            shapes |= blocks.norm_shapes(f"{name}.feed_forward_norm", width)
        heads: dict[str, Shapes] = {
            "pooler": blocks.linear_shapes("pooler", width, width),
            "masked_lm": blocks.linear_shapes("masked_lm.transform", width, width)
            | blocks.norm_shapes("masked_lm.norm", width)
            | {"masked_lm.bias": (config.vocab_size,)},
            "next_sentence": blocks.linear_shapes("next_sentence", width, 2),
            "classification": blocks.linear_shapes("classification", width, config.n_labels),
            "span": blocks.linear_shapes("span", width, 2),
        }
        for head, parameters in heads.items():
            if head in config.heads:
                shapes |= parameters
        return shapes

    def check_batch(self, batch: Batch) -> None:
        """Raise ConfigError unless the batch's task has a head, and its ids are the model's."""
        config = self.config
        if isinstance(batch, MlmBatch):
            self._check_head("masked_lm")
            check_range("targets", batch.targets, config.vocab_size, allow_ignored=True)
            if batch.next_sentence is not None:
                self._check_head("next_sentence")
                check_range("next_sentence", batch.next_sentence, 2, allow_ignored=True)
        elif isinstance(batch, LabelBatch):
            self._check_head("classification")
            check_range("labels", batch.labels, config.n_labels, allow_ignored=True)
        elif isinstance(batch, SpanBatch):
            self._check_head("span")
            for name in ("starts", "ends"):
                places = getattr(batch, name)
                check_range(name, places, batch.inputs.shape[1], allow_ignored=True)
                _check_unpadded(name, places, batch.mask)
        else:
            msg = f"batch must be MlmBatch, LabelBatch or SpanBatch for this model, got {type(batch).__name__}"
            raise ConfigError(msg)
        self._check_inputs(batch.inputs, batch.token_types)

    def with_heads(
        self, params: Parameters, heads: tuple[str, ...], *, seed: int, n_labels: int = 2
    ) -> tuple[Bert, dict[str, Array]]:
        """Return the model with other heads, to fine-tune it for another task.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        heads : tuple of str
            Of `BERT_HEADS`. One that the model has keeps its parameters, others are fresh.
        seed : int
            What fresh parameters depend on.
        n_labels : int
            Classes of the classification head.

        Returns
        -------
        model : Bert
        params : dict of str to ndarray of float32
            The arrays of ``params``, not copies, and the fresh ones.

        Examples
        --------
        >>> config = BertConfig(vocab_size=99, d_model=32, n_layers=2, n_heads=4, d_ff=64, heads=("pooler",))
        >>> model = Bert(config)
        >>> params = model.initialize(seed=1)
        >>> model, params = model.with_heads(params, ("pooler", "classification"), seed=1, n_labels=5)
        >>> params["classification.weight"].shape
        (32, 5)
        """
        self.check_parameters(params)
        model = Bert(dataclasses.replace(self.config, heads=heads, n_labels=n_labels))
        shapes = model.shapes()
        fresh = model.initialize(seed=seed)
        kept = {name: array for name, array in params.items() if shapes.get(name) == array.shape}
        return model, {name: kept.get(name, fresh[name]) for name in shapes}

    def logits(self, params: Parameters, batch: MlmBatch | LabelBatch | SpanBatch) -> Array:
        """Return the logits of the batch's task.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : MlmBatch, LabelBatch or SpanBatch
            Its targets are not looked at.

        Returns
        -------
        ndarray of float32, shape (B, T, V), (B, n_labels) or (B, T, 2)
            Of tokens; of classes; of starts and ends.
        """
        self.check_parameters(params)
        self.check_batch(batch)
        tape = Tape(params)
        hidden = self._hidden(tape, batch.inputs, batch.mask, batch.token_types)
        if isinstance(batch, MlmBatch):
            transformed = self._transform(tape, hidden)
            return output_logits(transformed.data, params["token_embedding.weight"], params["masked_lm.bias"])
        if isinstance(batch, LabelBatch):
            return layers.linear(tape, self._pooled(tape, hidden), "classification").data
        return layers.linear(tape, hidden, "span").data

    def next_sentence_logits(self, params: Parameters, batch: MlmBatch) -> Array:
        """Return the logits of "follows" and "is random" for each row.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : MlmBatch

        Returns
        -------
        ndarray of float32, shape (B, 2)
        """
        self.check_parameters(params)
        self._check_head("next_sentence")
        self.check_batch(batch)
        tape = Tape(params)
        hidden = self._hidden(tape, batch.inputs, batch.mask, batch.token_types)
        return layers.linear(tape, self._pooled(tape, hidden), "next_sentence").data

    def encode(
        self, params: Parameters, inputs: Ids, mask: Mask | None = None, token_types: Ids | None = None
    ) -> Array:
        """Return the encoder's output.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        inputs : ndarray of int, shape (B, T)
        mask : ndarray of bool, shape (B, T), optional
            False at padding.
        token_types : ndarray of int, shape (B, T), optional

        Returns
        -------
        ndarray of float32, shape (B, T, D)
        """
        self.check_parameters(params)
        check_ids("inputs", inputs)
        check_mask("mask", mask, inputs.shape)
        self._check_inputs(inputs, token_types)
        return self._hidden(Tape(params), inputs, mask, token_types).data

    def embed(
        self,
        params: Parameters,
        inputs: Ids,
        mask: Mask | None = None,
        token_types: Ids | None = None,
        *,
        pooling: Literal["mean", "first", "pooler"] = "mean",
        is_normalized: bool = True,
    ) -> Array:
        """Return a vector for each row: a sentence embedding.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        inputs : ndarray of int, shape (B, T)
        mask : ndarray of bool, shape (B, T), optional
            False at padding.
        token_types : ndarray of int, shape (B, T), optional
        pooling : {"mean", "first", "pooler"}
            The mean of the real tokens' outputs, the first token's, or the pooler's.
        is_normalized : bool
            Whether vectors are divided by their length, so that products are cosines.

        Returns
        -------
        ndarray of float32, shape (B, D)
        """
        check_choice("pooling", pooling, ("mean", "first", "pooler"))
        hidden = self.encode(params, inputs, mask, token_types)
        if pooling == "mean":
            weights = np.ones(inputs.shape, hidden.dtype) if mask is None else mask.astype(hidden.dtype)
            weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
            vectors: Array = np.matmul(weights[:, None], hidden)[:, 0]
        elif pooling == "first":
            vectors = hidden[:, 0].copy()
        else:
            self._check_head("pooler")
            vectors = self._pooled(Tape(params), Value(hidden)).data
        if is_normalized:
            vectors = vectors / np.maximum(np.sqrt((vectors * vectors).sum(axis=1, keepdims=True)), 1e-12)
        return vectors

    def _nats(self, tape: Tape, batch: Any, options: LossOptions) -> tuple[Array, ...]:
        if isinstance(batch, SpanBatch) and options.label_smoothing:
            # Spread over the places of a row, it would ask for answers in padding and in the question.
            raise ConfigError(f"label_smoothing must be 0 for SpanBatch, got {options.label_smoothing}")
        hidden = self._hidden(tape, batch.inputs, batch.mask, batch.token_types)
        if isinstance(batch, MlmBatch):
            return self._pretraining_nats(tape, hidden, batch, options)
        scale, smoothing = options.scales[0], options.label_smoothing
        if isinstance(batch, LabelBatch):
            dropout = self.config.dropout if self.config.classifier_dropout is None else self.config.classifier_dropout
            logits = layers.linear(tape, layers.drop(tape, self._pooled(tape, hidden), dropout), "classification")
            nats = layers.softmax_cross_entropy(tape, logits, batch.labels, label_smoothing=smoothing, scale=scale)
            return (nats,)
        # Rows of the softmax are the starts and the ends in turn, its classes the positions.
        rows = layers.transpose_last(tape, layers.linear(tape, hidden, "span"))
        targets = np.stack([batch.starts, batch.ends], axis=1)
        mask = None if batch.mask is None else np.repeat(batch.mask, 2, axis=0)
        nats = layers.softmax_cross_entropy(tape, rows, targets.reshape(-1), mask=mask, scale=scale)
        return (nats.reshape(targets.shape),)

    def _pretraining_nats(self, tape: Tape, hidden: Value, batch: MlmBatch, options: LossOptions) -> tuple[Array, ...]:
        # Only masked positions go through the head: some 15 in 100.
        asked = np.flatnonzero(batch.targets != IGNORED)
        nats = np.zeros(batch.targets.shape, hidden.data.dtype)
        if len(asked):
            nats.reshape(-1)[asked] = layers.cross_entropy(
                tape,
                self._transform(tape, layers.take_rows(tape, hidden, asked)),
                "token_embedding.weight",
                "masked_lm.bias",
                batch.targets.reshape(-1)[asked],
                label_smoothing=options.label_smoothing,
                scale=options.scales[0],
            )
        if batch.next_sentence is None:
            return (nats,)
        logits = layers.linear(tape, self._pooled(tape, hidden), "next_sentence")
        follows = layers.softmax_cross_entropy(
            tape, logits, batch.next_sentence, label_smoothing=options.label_smoothing, scale=options.scales[1]
        )
        return nats, follows

    def _hidden(self, tape: Tape, inputs: Ids, mask: Mask | None, token_types: Ids | None) -> Value:
        config, style = self.config, self.config.style
        types = np.zeros(inputs.shape, np.int64) if token_types is None else token_types
        positions = np.broadcast_to(np.arange(inputs.shape[1]), inputs.shape)
        x = layers.add(
            tape,
            layers.embed(tape, "token_embedding", inputs),
            layers.embed(tape, "position_embedding", positions),
            "embedding",
        )
        x = layers.add(tape, x, layers.embed(tape, "type_embedding", types), "embedding")
        x = layers.norm(tape, x, "embedding_norm", style.norm, style.norm_epsilon)
        x = layers.drop(tape, x, config.dropout)
        for index in range(config.n_layers):
            x = blocks.encoder_block(tape, x, f"blocks.{index}", style, AttentionMask(keys=mask))
        return x

    def _pooled(self, tape: Tape, hidden: Value) -> Value:
        n_rows, n_columns = hidden.data.shape[:2]
        first = layers.take_rows(tape, hidden, np.arange(n_rows) * n_columns)
        return layers.activate(tape, layers.linear(tape, first, "pooler"), "tanh", "pooler")

    def _transform(self, tape: Tape, hidden: Value) -> Value:
        x = layers.linear(tape, hidden, "masked_lm.transform")
        x = layers.activate(tape, x, self.config.activation, "masked_lm.transform")
        return layers.norm(tape, x, "masked_lm.norm", "layer", self.config.norm_epsilon)

    def _check_head(self, head: str) -> None:
        if head not in self.config.heads:
            raise ConfigError(f"heads of this model must have {head!r} for it, got {self.config.heads}")

    def _check_inputs(self, inputs: Ids, token_types: Ids | None) -> None:
        check_length("inputs", inputs.shape[1], self.config.max_positions)
        check_range("inputs", inputs, self.config.vocab_size)
        if token_types is not None:
            check_ids("token_types", token_types, inputs.shape)
            check_range("token_types", token_types, self.config.n_token_types)

    def _fresh(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        del name
        return draw_normal(shape, self.config.init_std, rng)


def _check_unpadded(name: str, places: Ids, mask: Mask | None) -> None:
    """Raise ConfigError where an answer's end is padding."""
    if mask is None:
        return
    rows = np.flatnonzero(places != IGNORED)
    padded = rows[~mask[rows, places[rows]]]
    if len(padded):
        raise ConfigError(f"{name} must name real tokens, got padding {int(places[padded[0]])} in row {int(padded[0])}")
