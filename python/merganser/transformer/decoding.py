"""What decoder-only and encoder-decoder models share when they write: rows, their cache, one step at a time.

A decoder-only model reads the prompts, padded on the left so that all rows end at the same place. An encoder-decoder
reads the sources once and starts each row with its start id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError, NonFiniteError
from merganser.transformer.cache import Cache
from merganser.transformer.checks import check_nested, whole_number
from merganser.transformer.model import not_finite, quiet
from merganser.transformer.packing import pad

__all__ = ["Decoder", "DecoderModel", "EncoderDecoderModel"]

Params = Mapping[str, NDArray[Any]]
Prompts = Sequence[Sequence[int] | NDArray[np.integer[Any]]]


class DecoderModel(Protocol):
    """A model that goes on where a prompt ends: `Gpt`."""

    @property
    def config(self) -> Any:
        """Has the ``vocab_size``."""

    def check_parameters(self, parameters: Params) -> None:
        """Raise ConfigError unless the parameters are the model's."""

    def start_cache(self, *, n_rows: int, max_length: int) -> Cache:
        """Return an empty cache."""

    def step(
        self,
        params: Params,
        ids: NDArray[np.integer[Any]],
        cache: Any,
        *,
        mask: NDArray[np.bool_] | None = None,
        is_last_only: bool = False,
    ) -> NDArray[Any]:
        """Return the logits of what follows."""


class EncoderDecoderModel(Protocol):
    """A model that reads a source and writes a target: `Seq2Seq`, `T5`."""

    def check_parameters(self, parameters: Params) -> None:
        """Raise ConfigError unless the parameters are the model's."""

    @property
    def config(self) -> Any:
        """Has the ``vocab_size``, and the ``start_id`` of every target."""

    def encode(
        self, params: Params, source: NDArray[np.integer[Any]], source_mask: NDArray[np.bool_] | None = None
    ) -> NDArray[Any]:
        """Return the encoder's output."""

    def start_cache(
        self,
        *,
        n_rows: int,
        max_length: int,
        memory: NDArray[Any],
        memory_mask: NDArray[np.bool_] | None = None,
    ) -> Cache:
        """Return an empty cache."""

    def step(
        self, params: Params, ids: NDArray[np.integer[Any]], cache: Any, *, is_last_only: bool = False
    ) -> NDArray[Any]:
        """Return the logits of what follows."""


class Decoder:
    """Rows that are being written.

    Parameters
    ----------
    model : DecoderModel or EncoderDecoderModel
        What writes.
    params : mapping of str to ndarray of float32, any shape ()
        Its parameters.
    prompts : sequence of sequences of int
        What a decoder-only model goes on from, or what an encoder-decoder reads; none empty.
    max_new_tokens : int
        Most tokens that a row may get.
    stop_ids : collection of int
        A row ends with any of these.
    banned_ids : collection of int
        Not to be chosen.

    Attributes
    ----------
    logits : ndarray of float32, shape (B, V)
        Of the next token of each row.
    n_rows : int
        Rows B.
    stops, banned : ndarray of int64, shape (n_ids,)
        The ids asked for, in rising order.

    Raises
    ------
    ConfigError
        The prompts, the parameters, the ids or the lengths do not fit the model.
    NonFiniteError
        The logits are NaN or infinite, as they are with broken parameters.
    """

    def __init__(
        self,
        model: DecoderModel | EncoderDecoderModel,
        params: Params,
        prompts: Prompts,
        *,
        max_new_tokens: int,
        stop_ids: Collection[int] = (),
        banned_ids: Collection[int] = (),
    ) -> None:
        max_new_tokens = whole_number("max_new_tokens", max_new_tokens, 1)
        if not all(hasattr(model, name) for name in ("step", "start_cache", "check_parameters", "config")):
            msg = f"model must write token by token, as Gpt, Seq2Seq and T5 do, got {type(model).__name__}"
            raise ConfigError(msg)
        self._model = cast(Any, model)
        self._is_pair = hasattr(model, "encode")
        self.stops = _checked_ids("stop_ids", stop_ids, self._model.config.vocab_size)
        self.banned = _checked_ids("banned_ids", banned_ids, self._model.config.vocab_size)
        if len(self.banned) == self._model.config.vocab_size:
            msg = f"banned_ids must leave an id of the vocabulary, got all {len(self.banned)}"
            raise ConfigError(msg)
        self._model.check_parameters(params)
        self._params = params
        ids, mask = _padded(prompts, self._model.config.vocab_size, side="right" if self._is_pair else "left")
        self._check_lengths(ids.shape[1], max_new_tokens)
        self.n_rows = len(ids)
        mask_or_none = None if mask.all() else mask
        self.logits: NDArray[Any]
        if self._is_pair:
            with quiet():
                memory = self._model.encode(params, ids, mask_or_none)
            self._cache = self._model.start_cache(
                n_rows=self.n_rows, max_length=max_new_tokens, memory=memory, memory_mask=mask_or_none
            )
            start = np.full((self.n_rows, 1), self._model.config.start_id, dtype=np.int64)
            self.starts = start
            self._read(start, None)
        else:
            self.starts = ids
            # The last token written is never read.
            self._cache = self._model.start_cache(n_rows=self.n_rows, max_length=ids.shape[1] + max_new_tokens - 1)
            self._read(ids, mask_or_none)

    def advance(self, tokens: NDArray[np.int64]) -> None:
        """Give each row its next token.

        Parameters
        ----------
        tokens : ndarray of int64, shape (B,)
            The tokens.
        """
        self._read(tokens[:, None], None)

    def reorder(self, rows: NDArray[np.int64]) -> None:
        """Let row i go on from what row ``rows[i]`` has; there may be more or fewer rows than before.

        Parameters
        ----------
        rows : ndarray of int64, shape (new_B,)
            The rows to keep.
        """
        if len(rows) != self.n_rows or not np.array_equal(rows, np.arange(self.n_rows)):
            self._cache.reorder(rows)
        self.logits = self.logits[rows]
        self.n_rows = len(rows)

    def _check_lengths(self, n_prompt: int, n_new: int) -> None:
        """Refuse what the model has no positions for, where it has a number of them."""
        n_positions = getattr(self._model.config, "max_positions", None)
        if n_positions is None:
            return
        if self._is_pair:
            if max(n_prompt, n_new) > n_positions:
                msg = (
                    f"the longest prompt and max_new_tokens must each be at most the {n_positions} positions of the "
                    f"model, got {n_prompt} and {n_new}"
                )
                raise ConfigError(msg)
        elif n_prompt + n_new - 1 > n_positions:
            msg = (
                f"the longest prompt and max_new_tokens must be at most {n_positions + 1} together, since the model "
                f"has {n_positions} positions and does not read the last token, got {n_prompt} + {n_new}"
            )
            raise ConfigError(msg)

    def _read(self, ids: NDArray[np.int64], mask: NDArray[np.bool_] | None) -> None:
        masked = {} if mask is None else {"mask": mask}
        with quiet():
            self.logits = self._model.step(self._params, ids, self._cache, is_last_only=True, **masked)[:, -1]
        # A class that is excluded has minus infinity; the largest logit of a row is a number even so.
        if not np.isfinite(self.logits.max(axis=1)).all():
            broken = not_finite(self._params)
            where = "numbers overflow on the way" if broken is None else f"parameter {broken!r} is not finite"
            msg = f"the logits of the next token are not finite: {where}"
            raise NonFiniteError(msg)


def _padded(
    prompts: Prompts, vocab_size: int, *, side: Literal["left", "right"]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the prompts as rows, and where those are not padding; refuse what the vocabulary does not have."""
    check_nested("prompts", prompts)
    lengths = [len(prompt) for prompt in prompts]
    if not lengths or 0 in lengths:
        msg = "prompts must be at least one, and none empty"
        raise ConfigError(msg)
    ids, mask = pad(prompts, pad_id=0, side=side)
    bad = np.argwhere((ids < 0) | (ids >= vocab_size))
    if len(bad):
        row, column = bad[0].tolist()
        token = column - (ids.shape[1] - lengths[row] if side == "left" else 0)
        msg = (
            f"prompts must hold ids of at least 0 and below vocab_size {vocab_size}, got {ids[row, column]} "
            f"at prompt {row}, token {token}"
        )
        raise ConfigError(msg)
    return ids, mask


def _checked_ids(name: str, ids: Collection[int], vocab_size: int) -> NDArray[np.int64]:
    """Return ids that are asked for by an argument, in rising order; refuse one that the vocabulary does not have."""
    if not isinstance(ids, Iterable):
        msg = f"{name} must be a collection of ids, got {type(ids).__name__}"
        raise ConfigError(msg)
    # Gone through once: an iterator has nothing left for a second time.
    tokens = {whole_number(name, token) for token in ids}
    for token in sorted(tokens):
        if not 0 <= token < vocab_size:
            msg = f"{name} must be at least 0 and below vocab_size {vocab_size}, got {token}"
            raise ConfigError(msg)
    return np.array(sorted(tokens), dtype=np.int64)
