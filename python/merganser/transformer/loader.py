"""Batches as functions of a step: the same source, seed and step give the same batch on any machine.

A loader is called with the number of a batch. It keeps nothing between calls, so a training that is taken up at step n
reads what it would have read. The order of an epoch is a permutation that is computed, not stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.batch import IGNORED, LmBatch, Seq2SeqBatch
from merganser.transformer.checks import check_nested, whole_number
from merganser.transformer.packing import next_token_targets, pad
from merganser.transformer.randomness import generator, permuted

__all__ = ["ArraySource", "Blocks", "Pairs", "TokenSource", "epoch_order"]

Ints = NDArray[np.integer[Any]]

# The fields that hold text.
_TEXTS = frozenset({"source", "sources", "targets"})


class TokenSource(Protocol):
    """A long row of tokens of which stretches can be read, such as ``merganser.corpus.TokenShards``."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""

    def tokens(self, start: int, stop: int) -> Ints:
        """Return the tokens from `start` up to `stop`."""


@dataclasses.dataclass(frozen=True, eq=False)
class ArraySource:
    """An array of ids in memory as a `TokenSource`.

    Parameters
    ----------
    ids : ndarray of int, shape (n_tokens,)
        The tokens.
    """

    ids: Ints

    def __post_init__(self) -> None:
        _check_tokens("ids", self.ids)

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.ids)

    def tokens(self, start: int, stop: int) -> Ints:
        """Return the tokens from `start` up to `stop`."""
        return self.ids[start:stop]


def epoch_order(batch: int, *, n_items: int, n_rows: int, seed: int) -> NDArray[np.int64]:
    """Return the items of a batch: each epoch goes through all items once, in an order of its own.

    Parameters
    ----------
    batch : int
        Number of the batch.
    n_items : int
        Items of an epoch.
    n_rows : int
        Items of a batch; it may reach into the next epoch.
    seed : int
        Chooses the orders.

    Returns
    -------
    ndarray of int64, shape (n_rows,)
    """
    places = batch * n_rows + np.arange(n_rows, dtype=np.int64)
    epochs, positions = places // n_items, places % n_items
    items = np.empty(n_rows, dtype=np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        rows = epochs == epoch
        items[rows] = permuted(positions[rows], n_items, seed=seed, epoch=epoch)
    return items


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Blocks:
    """Batches for a language model from a long row of tokens, cut into blocks that touch.

    Parameters
    ----------
    source : TokenSource
        At least ``length + 1`` tokens.
    n_rows : int
        Rows B of a batch.
    length : int
        Columns T of a batch.
    seed : int, default 0
        Chooses the order of the blocks, another one each epoch.
    separator_id : int, optional
        The id that ends each document. Given, a token sees its own document only and none asks for the next one's
        first token; not given, documents run into each other, as in GPT-2's training.

    Examples
    --------
    >>> import numpy as np
    >>> batches = Blocks(ArraySource(np.arange(9)), n_rows=2, length=4)
    >>> sorted(batches(0).inputs.tolist())
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    >>> batches.n_blocks, batches(0).targets[0, -1] - batches(0).inputs[0, -1]
    (2, np.int64(1))
    """

    source: TokenSource
    n_rows: int
    length: int
    seed: int = 0
    separator_id: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("n_rows", 1), ("length", 1), ("seed", 0)):
            whole_number(name, getattr(self, name), least)
        if self.separator_id is not None:
            whole_number("separator_id", self.separator_id, 0)
        if not all(hasattr(self.source, name) for name in ("n_tokens", "tokens")):
            msg = (
                f"source must be a TokenSource, such as ArraySource(ids) of an array, got {type(self.source).__name__}"
            )
            raise ConfigError(msg)
        if self.source.n_tokens <= self.length:
            msg = f"source must have more tokens than length {self.length}, got {self.source.n_tokens}"
            raise ConfigError(msg)
        _check_tokens("tokens of source", self.source.tokens(0, 1))

    def __repr__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Return the settings and the size of the text: a training goes on only with the same."""
        return _described(self, n_tokens=self.source.n_tokens)

    @property
    def n_blocks(self) -> int:
        """Blocks of an epoch."""
        return (self.source.n_tokens - 1) // self.length

    def __call__(self, batch: int) -> LmBatch:
        """Return batch number `batch`, from 0."""
        batch = whole_number("batch", batch, 0)
        blocks = epoch_order(batch, n_items=self.n_blocks, n_rows=self.n_rows, seed=self.seed)
        rows = np.empty((self.n_rows, self.length + 1), dtype=np.int64)
        for row, block in zip(rows, blocks.tolist(), strict=True):
            row[:] = self.source.tokens(block * self.length, block * self.length + self.length + 1)
        inputs, targets = rows[:, :-1], rows[:, 1:].copy()
        if self.separator_id is None:
            return LmBatch(inputs=inputs, targets=targets)
        is_end = inputs == self.separator_id
        targets[is_end] = IGNORED
        segments = np.cumsum(is_end, axis=1) - is_end
        return LmBatch(inputs=inputs, targets=targets, segments=segments)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Batches for an encoder-decoder from pairs of sequences, of like length to save padding.

    Parameters
    ----------
    sources, targets : sequence of sequences of int
        As many of one as of the other, no source empty.
    n_rows : int
        Rows B of a batch.
    start_id : int
        What the decoder reads first.
    end_id : int
        Ends every target.
    pad_id : int
        Fills what is left.
    seed : int, default 0
        Chooses the order, another one each epoch.
    n_pooled : int, default 16
        So many batches are drawn at random, sorted by length, and cut.

    Examples
    --------
    >>> pairs = Pairs([[5, 6]], [[7]], n_rows=1, start_id=1, end_id=2, pad_id=0)
    >>> batch = pairs(0)
    >>> batch.source.tolist(), batch.target_inputs.tolist(), batch.targets.tolist()
    ([[5, 6]], [[1, 7]], [[7, 2]])
    """

    sources: Sequence[Sequence[int] | Ints]
    targets: Sequence[Sequence[int] | Ints]
    n_rows: int
    start_id: int
    end_id: int
    pad_id: int
    seed: int = 0
    n_pooled: int = 16

    def __post_init__(self) -> None:
        check_nested("sources", self.sources)
        check_nested("targets", self.targets)
        if not len(self.sources) == len(self.targets) > 0:
            msg = f"sources and targets must be as many, and some, got {len(self.sources)} and {len(self.targets)}"
            raise ConfigError(msg)
        for name in ("n_rows", "n_pooled"):
            whole_number(name, getattr(self, name), 1)
        for name in ("start_id", "end_id", "pad_id", "seed"):
            whole_number(name, getattr(self, name), 0)
        for place, source in enumerate(self.sources):
            if not len(source):
                msg = f"sources must not be empty, got nothing at {place}"
                raise ConfigError(msg)

    def __repr__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Return the settings and the size of the text: a training goes on only with the same."""
        return _described(self, n_pairs=len(self.sources))

    def __call__(self, batch: int) -> Seq2SeqBatch:
        """Return batch number `batch`, from 0."""
        pool, place = divmod(whole_number("batch", batch, 0), self.n_pooled)
        items = epoch_order(pool, n_items=len(self.sources), n_rows=self.n_rows * self.n_pooled, seed=self.seed)
        items = np.array(sorted(items.tolist(), key=lambda item: (len(self.sources[item]), len(self.targets[item]))))
        # Batches of a pool come in random order: sorted ones would go from short to long, again and again.
        place = int(generator(self.seed, pool, 1).permutation(self.n_pooled)[place])
        return self.batch_of(items[place * self.n_rows : (place + 1) * self.n_rows].tolist())

    def batch_of(self, items: Sequence[int]) -> Seq2SeqBatch:
        """Return the pairs with these numbers as one batch."""
        source, source_mask = pad([self.sources[item] for item in items], pad_id=self.pad_id)
        framed = [[self.start_id, *self.targets[item], self.end_id] for item in items]
        ids, mask = pad(framed, pad_id=self.pad_id)
        return Seq2SeqBatch(
            source=source,
            target_inputs=ids[:, :-1],
            targets=next_token_targets(ids, mask=mask)[:, :-1],
            source_mask=None if source_mask.all() else source_mask,
        )


def _check_tokens(name: str, tokens: Ints) -> None:
    """Raise ConfigError unless there is one row of whole numbers: others would be cut to such without a word."""
    array = np.asarray(tokens)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        msg = f"{name} must be one row of whole numbers, got {array.dtype} of shape {array.shape}"
        raise ConfigError(msg)


def _described(batches: Blocks | Pairs, **size: int) -> str:
    """Write what makes the batches, with the size of the text in its place: what a checkpoint compares."""
    # The fields of a class derived from these are not known.
    known = dataclasses.fields(Blocks if isinstance(batches, Blocks) else Pairs)
    settings = {field.name: getattr(batches, field.name) for field in known if field.name not in _TEXTS}
    # As int, whatever integers they are: NumPy's write themselves otherwise.
    settings = size | {name: None if value is None else int(value) for name, value in settings.items()}
    return f"{type(batches).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"
