"""What the encoder-decoders share: the loss of a pair of sequences, and the incremental pass of the decoder.

The encoder reads the source once, in both directions; its output, the memory, is what the decoder's cross-attention
looks at, while the decoder predicts the target token by token.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer import layers
from merganser.transformer.batch import Batch, Seq2SeqBatch, check_ids, check_mask
from merganser.transformer.cache import Cache, LayerCache
from merganser.transformer.configs import Config
from merganser.transformer.mask import AttentionMask
from merganser.transformer.model import LossOptions, Model, check_kind, check_range, output_logits
from merganser.transformer.positions import count_positions
from merganser.transformer.tape import Parameters, Tape, Value
from merganser.transformer.workspace import Array

Ids: TypeAlias = NDArray[np.integer[Any]]
Mask: TypeAlias = NDArray[np.bool_]
ConfigT = TypeVar("ConfigT", bound=Config)


@dataclasses.dataclass(frozen=True)
class DecoderPlace:
    """Where the decoder's tokens stand: positions (B, T), who sees whom, and which part of the memory is padding."""

    positions: Ids
    mask: AttentionMask
    memory_mask: AttentionMask


@dataclasses.dataclass(frozen=True)
class EncoderDecoder(Model[ConfigT]):
    """A model of two stacks.

    Parameters
    ----------
    config : Config
        The configuration of the family.
    """

    @abc.abstractmethod
    def _encode(self, tape: Tape, source: Ids, mask: Mask | None) -> Value:
        """Return the memory, (B, S, D)."""

    @abc.abstractmethod
    def _decode(self, tape: Tape, ids: Ids, memory: Value, place: DecoderPlace, cache: Cache | None = None) -> Value:
        """Return what the output layer multiplies, (B, T, D)."""

    @abc.abstractmethod
    def _output_names(self) -> tuple[str, str | None]:
        """Return the names of the output layer's weight, (V, D), and bias."""

    @abc.abstractmethod
    def _check_length(self, name: str, n_columns: int) -> None:
        """Raise ConfigError where a sequence is too long."""

    @abc.abstractmethod
    def _layer_caches(self, n_rows: int, max_length: int) -> list[LayerCache]:
        """Return an empty cache for each block of the decoder."""

    @property
    @abc.abstractmethod
    def _vocab_size(self) -> int:
        """Number of ids."""

    def check_batch(self, batch: Batch) -> None:
        """Raise ConfigError unless the batch is a Seq2SeqBatch with ids and positions that the model has."""
        pairs = check_kind(batch, Seq2SeqBatch)
        check_range("source", pairs.source, self._vocab_size)
        check_range("target_inputs", pairs.target_inputs, self._vocab_size)
        check_range("targets", pairs.targets, self._vocab_size, allow_ignored=True)
        self._check_length("source", pairs.source.shape[1])
        self._check_length("target_inputs", pairs.target_inputs.shape[1])

    def logits(self, params: Parameters, batch: Seq2SeqBatch) -> Array:
        """Return the logits of the next target token at every position.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : Seq2SeqBatch
            Its targets are not looked at.

        Returns
        -------
        ndarray of float32, shape (B, T, V)
        """
        self.check_parameters(params)
        self.check_batch(batch)
        return self._logits(params, self._hidden(Tape(params), batch).data)

    def encode(self, params: Parameters, source: Ids, source_mask: Mask | None = None) -> Array:
        """Return the encoder's output, the memory.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        source : ndarray of int, shape (B, S)
        source_mask : ndarray of bool, shape (B, S), optional
            False at padding.

        Returns
        -------
        ndarray of float32, shape (B, S, D)
        """
        self.check_parameters(params)
        check_ids("source", source)
        check_mask("source_mask", source_mask, source.shape)
        check_range("source", source, self._vocab_size)
        self._check_length("source", source.shape[1])
        return self._encode(Tape(params), source, source_mask).data

    def start_cache(self, *, n_rows: int, max_length: int, memory: Array, memory_mask: Mask | None = None) -> Cache:
        """Return an empty cache for `step`.

        Parameters
        ----------
        n_rows : int
            Rows B.
        max_length : int
            Target tokens a row can hold.
        memory : ndarray of float32, shape (B, S, D)
            What `encode` returned, repeated where a source has several rows.
        memory_mask : ndarray of bool, shape (B, S), optional
            False at padding of the source.
        """
        self._check_length("max_length", max_length)
        if memory.ndim != 3 or len(memory) != n_rows:
            raise ConfigError(f"memory must have the shape ({n_rows}, S, D), got {memory.shape}")
        check_mask("memory_mask", memory_mask, memory.shape[:2])
        stores = self._layer_caches(n_rows, max_length)
        return Cache(stores, n_rows, max_length, memory=memory, memory_mask=memory_mask)

    def step(
        self, params: Parameters, ids: Ids, cache: Cache, *, mask: Mask | None = None, is_last_only: bool = False
    ) -> Array:
        """Read the next target tokens of each row, and return the logits of what follows them.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        ids : ndarray of int, shape (B, T)
            At first the start id, then one token a row.
        cache : Cache
            Advanced by T.
        mask : ndarray of bool, shape (B, T), optional
            False at padding, which stands to the left of shorter beginnings.
        is_last_only : bool
            Whether logits of the last position suffice.

        Returns
        -------
        ndarray of float32, shape (B, T, V), or (B, 1, V)
        """
        check_ids("ids", ids)
        check_mask("mask", mask, ids.shape)
        check_range("ids", ids, self._vocab_size)
        cache.check_rows(ids.shape[0])
        if cache.memory is None:
            raise ConfigError("cache must be started with the encoder's memory")
        first = cache.length
        positions = cache.advance(ids.shape[1], mask)
        place = DecoderPlace(
            positions,
            AttentionMask(is_causal=True, first_query=first, keys=cache.key_mask),
            AttentionMask(keys=cache.memory_mask),
        )
        hidden = self._decode(Tape(params), ids, Value(cache.memory), place, cache)
        return self._logits(params, hidden.data[:, -1:] if is_last_only else hidden.data)

    def _logits(self, params: Parameters, hidden: Array) -> Array:
        weight, bias = self._output_names()
        return output_logits(hidden, params[weight], None if bias is None else params[bias])

    def _hidden(self, tape: Tape, batch: Seq2SeqBatch) -> Value:
        memory = self._encode(tape, batch.source, batch.source_mask)
        place = DecoderPlace(
            count_positions(batch.target_inputs.shape, batch.target_mask),
            AttentionMask(is_causal=True, keys=batch.target_mask),
            AttentionMask(keys=batch.source_mask),
        )
        return self._decode(tape, batch.target_inputs, memory, place)

    def _nats(self, tape: Tape, batch: Any, options: LossOptions) -> tuple[Array, ...]:
        weight, bias = self._output_names()
        nats = layers.cross_entropy(
            tape,
            self._hidden(tape, batch),
            weight,
            bias,
            batch.targets,
            label_smoothing=options.label_smoothing,
            scale=options.scales[0],
        )
        return (nats,)
