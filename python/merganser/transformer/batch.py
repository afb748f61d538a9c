"""What a model learns from in one step: arrays of ids, aligned with their targets.

One frozen class per task. Every array has rows B; token arrays have columns T. Targets are aligned with the positions
that predict them (nothing is shifted later), and a target of ``IGNORED`` asks nothing of its position. ``counts`` holds
the number of targets of each term of the loss, so that parts of a batch (shards, accumulation steps) can be divided by
the count of the whole: the mean over all targets, never a mean of means.

``mask`` is True at real tokens and False at padding, left or right. ``segments`` numbers the documents packed into
a row: a token sees its own document only, and positions start again with each.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError

IGNORED = -100
"""The target that asks nothing, as in the field's other libraries."""

Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
BatchT = TypeVar("BatchT", bound="Batch")


@dataclasses.dataclass(frozen=True, eq=False)
class Batch(abc.ABC):
    """What all batches share: rows, their counts, and taking some of the rows."""

    @property
    def first(self) -> Ints:
        """The array that gives the number of rows."""
        value: Ints = getattr(self, dataclasses.fields(self)[0].name)
        return value

    @property
    def n_rows(self) -> int:
        """Number of rows B."""
        return int(self.first.shape[0])

    @property
    @abc.abstractmethod
    def counts(self) -> tuple[int, ...]:
        """Number of targets that are not ignored, for each term of the loss."""

    @property
    def n_targets(self) -> int:
        """Number of targets of the first term of the loss."""
        return self.counts[0]

    def rows(self: BatchT, start: int, stop: int) -> BatchT:  # noqa: PYI019
        """Return the rows ``start`` to ``stop`` as a batch of their own (views, nothing copied)."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(**{name: None if array is None else array[start:stop] for name, array in parts.items()})

    def split(self: BatchT, n_parts: int) -> Iterator[BatchT]:  # noqa: PYI019
        """Yield at most ``n_parts`` batches of nearly equal numbers of rows, in order, none empty."""
        cuts = [self.n_rows * part // n_parts for part in range(n_parts + 1)]
        for start, stop in itertools.pairwise(cuts):
            if stop > start:
                yield self.rows(start, stop)


@dataclasses.dataclass(frozen=True, eq=False)
class LmBatch(Batch):
    """Rows for a language model that predicts the next token.

    Parameters
    ----------
    inputs : ndarray of int, shape (B, T)
        Ids.
    targets : ndarray of int, shape (B, T)
        The id that follows each input, or `IGNORED`.
    mask : ndarray of bool, shape (B, T), optional
        False at padding.
    segments : ndarray of int, shape (B, T), optional
        Number of the document each token belongs to; documents are contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> batch = LmBatch(inputs=np.array([[1, 2, 3]]), targets=np.array([[2, 3, IGNORED]]))
    >>> batch.n_rows, batch.n_targets
    (1, 2)
    """

    inputs: Ints
    targets: Ints
    mask: Bools | None = None
    segments: Ints | None = None

    def __post_init__(self) -> None:
        check_ids("inputs", self.inputs)
        check_ids("targets", self.targets, self.inputs.shape)
        check_mask("mask", self.mask, self.inputs.shape)
        if self.segments is not None:
            check_ids("segments", self.segments, self.inputs.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of targets."""
        return (count_targets(self.targets),)


@dataclasses.dataclass(frozen=True, eq=False)
class MlmBatch(Batch):
    """Rows for masked language modelling, with the next-sentence task where its labels are given.

    Parameters
    ----------
    inputs : ndarray of int, shape (B, T)
        Ids after masking.
    targets : ndarray of int, shape (B, T)
        The original id where one is to be restored, else `IGNORED`.
    mask : ndarray of bool, shape (B, T), optional
        False at padding.
    token_types : ndarray of int, shape (B, T), optional
        0 for the first sentence, 1 for the second.
    next_sentence : ndarray of int, shape (B,), optional
        0 where the second sentence follows the first, 1 where it is random.
    """

    inputs: Ints
    targets: Ints
    mask: Bools | None = None
    token_types: Ints | None = None
    next_sentence: Ints | None = None

    def __post_init__(self) -> None:
        check_ids("inputs", self.inputs)
        check_ids("targets", self.targets, self.inputs.shape)
        check_mask("mask", self.mask, self.inputs.shape)
        if self.token_types is not None:
            check_ids("token_types", self.token_types, self.inputs.shape)
        if self.next_sentence is not None:
            check_ids("next_sentence", self.next_sentence, self.inputs.shape[:1])

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of masked tokens, and of next-sentence labels where there are any."""
        tokens = count_targets(self.targets)
        return (tokens,) if self.next_sentence is None else (tokens, count_targets(self.next_sentence))


@dataclasses.dataclass(frozen=True, eq=False)
class Seq2SeqBatch(Batch):
    """Rows for an encoder-decoder.

    Parameters
    ----------
    source : ndarray of int, shape (B, S)
        Ids that the encoder reads.
    target_inputs : ndarray of int, shape (B, T)
        Ids that the decoder reads: the targets, one place to the right, after the start id.
    targets : ndarray of int, shape (B, T)
        The id that follows each target input, or `IGNORED`.
    source_mask : ndarray of bool, shape (B, S), optional
        False at padding of the source.
    target_mask : ndarray of bool, shape (B, T), optional
        False at padding of the target inputs; right padding needs none, since no earlier token sees it.
    """

    source: Ints
    target_inputs: Ints
    targets: Ints
    source_mask: Bools | None = None
    target_mask: Bools | None = None

    def __post_init__(self) -> None:
        check_ids("source", self.source)
        check_ids("target_inputs", self.target_inputs)
        if self.target_inputs.shape[0] != self.source.shape[0]:
            msg = (
                f"target_inputs must have the {self.source.shape[0]} rows of source, got {self.target_inputs.shape[0]}"
            )
            raise ConfigError(msg)
        check_ids("targets", self.targets, self.target_inputs.shape)
        check_mask("source_mask", self.source_mask, self.source.shape)
        check_mask("target_mask", self.target_mask, self.target_inputs.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of targets."""
        return (count_targets(self.targets),)


@dataclasses.dataclass(frozen=True, eq=False)
class LabelBatch(Batch):
    """Rows for classification: one label a row.

    Parameters
    ----------
    inputs : ndarray of int, shape (B, T)
        Ids.
    labels : ndarray of int, shape (B,)
        The class of each row, or `IGNORED`.
    mask : ndarray of bool, shape (B, T), optional
        False at padding.
    token_types : ndarray of int, shape (B, T), optional
        0 for the first sentence, 1 for the second.
    """

    inputs: Ints
    labels: Ints
    mask: Bools | None = None
    token_types: Ints | None = None

    def __post_init__(self) -> None:
        check_ids("inputs", self.inputs)
        check_ids("labels", self.labels, self.inputs.shape[:1])
        check_mask("mask", self.mask, self.inputs.shape)
        if self.token_types is not None:
            check_ids("token_types", self.token_types, self.inputs.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of labels."""
        return (count_targets(self.labels),)


@dataclasses.dataclass(frozen=True, eq=False)
class SpanBatch(Batch):
    """Rows for extractive question answering: the first and the last position of the answer.

    Parameters
    ----------
    inputs : ndarray of int, shape (B, T)
        Ids.
    starts, ends : ndarray of int, shape (B,)
        Position of the answer's first and last token, or `IGNORED`.
    mask : ndarray of bool, shape (B, T), optional
        False at padding.
    token_types : ndarray of int, shape (B, T), optional
        0 for the question, 1 for the text.
    """

    inputs: Ints
    starts: Ints
    ends: Ints
    mask: Bools | None = None
    token_types: Ints | None = None

    def __post_init__(self) -> None:
        check_ids("inputs", self.inputs)
        check_ids("starts", self.starts, self.inputs.shape[:1])
        check_ids("ends", self.ends, self.inputs.shape[:1])
        check_mask("mask", self.mask, self.inputs.shape)
        if self.token_types is not None:
            check_ids("token_types", self.token_types, self.inputs.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of starts and ends together: the loss is the mean over both."""
        return (count_targets(self.starts) + count_targets(self.ends),)


def count_targets(targets: Ints) -> int:
    """Return the number of targets that are not ignored."""
    return int(np.count_nonzero(targets != IGNORED))


def check_ids(name: str, array: Ints, shape: tuple[int, ...] | None = None) -> None:
    """Raise ConfigError unless ``array`` holds integers in the shape asked, or in any non-empty (B, T)."""
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        raise ConfigError(f"{name} must be an array of integers, got {getattr(array, 'dtype', type(array).__name__)}")
    if shape is None and (array.ndim != 2 or array.size == 0):
        raise ConfigError(f"{name} must have a shape (B, T) without zeros, got {array.shape}")
    if shape is not None and array.shape != shape:
        raise ConfigError(f"{name} must have the shape {shape}, got {array.shape}")


def check_mask(name: str, array: Bools | None, shape: tuple[int, ...]) -> None:
    """Raise ConfigError unless ``array`` is None or holds booleans in the shape asked."""
    if array is None:
        return
    if not isinstance(array, np.ndarray) or array.dtype != np.bool_:
        raise ConfigError(f"{name} must be an array of booleans, got {getattr(array, 'dtype', type(array).__name__)}")
    if array.shape != shape:
        raise ConfigError(f"{name} must have the shape {shape}, got {array.shape}")
