"""Bits per byte: the loss of a language model in a unit that does not depend on its vocabulary.

Nats per token cannot be compared between vocabularies, for their tokens are of different lengths. So the nats of all
tokens of a text are summed and divided by the bytes of the *raw* text and by ln 2. Two conditions make the figure
honest, and `Window` and `score_rows` keep them: every token is scored exactly once, and context is measured in bytes,
so that each vocabulary sees as much text.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.batch import IGNORED, LmBatch
from merganser.transformer.loss import Loss
from merganser.transformer.packing import pad

__all__ = ["Window", "bits_per_byte", "row_batch", "score_rows", "sliding_windows"]

Ints = NDArray[np.integer[Any]]


class LanguageModel(Protocol):
    """A model that predicts the next token: `Gpt`."""

    def loss(self, params: Any, batch: Any, *, has_per_token: bool = False, n_threads: int = 1) -> Loss:
        """Return the loss of a batch, with the nats of each target where asked."""


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a document that a model reads, and the part of it that is scored.

    Attributes
    ----------
    start, stop : int
        Byte offsets in the document: what is read.
    first_scored : int
        Byte offset from which tokens are scored; those before it are context.
    """

    start: int
    first_scored: int
    stop: int


def bits_per_byte(nats: float, n_bytes: int) -> float:
    """Return the bits that a model needs for a byte of text.

    Parameters
    ----------
    nats : float
        Sum over all tokens of the text, special tokens left out.
    n_bytes : int
        Bytes of the raw text in UTF-8.

    Returns
    -------
    float

    Examples
    --------
    >>> import math
    >>> bits_per_byte(100 * math.log(256), 100)
    8.0
    """
    if n_bytes < 1:
        msg = f"n_bytes must be at least 1, got {n_bytes}"
        raise ConfigError(msg)
    return nats / math.log(2) / n_bytes


def sliding_windows(n_bytes: int, context_bytes: int) -> list[Window]:
    """Cover a document with windows that overlap by half, each byte scored once and in its latest half where possible.

    Parameters
    ----------
    n_bytes : int
        Length of the document.
    context_bytes : int
        Length of a window; at least 2.

    Returns
    -------
    list of Window

    Examples
    --------
    >>> [(window.start, window.first_scored, window.stop) for window in sliding_windows(10, 4)]
    [(0, 0, 4), (2, 4, 6), (4, 6, 8), (6, 8, 10)]
    """
    if context_bytes < 2:
        msg = f"context_bytes must be at least 2, got {context_bytes}"
        raise ConfigError(msg)
    windows = [Window(0, 0, min(context_bytes, n_bytes))] if n_bytes else []
    stride = context_bytes // 2
    while windows and windows[-1].stop < n_bytes:
        done = windows[-1].stop
        stop = min(done + stride, n_bytes)
        windows.append(Window(max(0, done + stride - context_bytes), done, stop))
    return windows


def row_batch(rows: Sequence[tuple[Ints, int]], *, start_id: int) -> LmBatch:
    """Put rows of tokens behind a start token, with targets from a place on.

    Parameters
    ----------
    rows : sequence of (ids, n_context)
        The tokens of each row, and how many of them at its beginning are context, not scored.
    start_id : int
        Stands before the first token; never a target.

    Returns
    -------
    LmBatch
        Padding is on the right, where no earlier token sees it, and asks nothing.

    Examples
    --------
    >>> import numpy as np
    >>> batch = row_batch([(np.array([5, 6, 7]), 1), (np.array([8]), 0)], start_id=9)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[9, 5, 6], [9, 9, 9]], [[-100, 6, 7], [8, -100, -100]])
    """
    inputs, _ = pad([np.concatenate([[start_id], ids[:-1]]) for ids, _ in rows], pad_id=start_id)
    targets = np.full(inputs.shape, IGNORED, dtype=np.int64)
    for row, (ids, n_context) in zip(targets, rows, strict=True):
        row[n_context : len(ids)] = ids[n_context:]
    return LmBatch(inputs=inputs, targets=targets)


def score_rows(
    model: LanguageModel,
    params: Mapping[str, NDArray[Any]],
    rows: Sequence[tuple[Ints, int]],
    *,
    start_id: int,
    n_batch_tokens: int = 8192,
    n_threads: int = 1,
) -> NDArray[np.float64]:
    """Return the nats of the scored tokens of each row.

    Parameters
    ----------
    model : LanguageModel
        Predicts the next token.
    params : mapping of str to ndarray of float32, any shape ()
        Its parameters.
    rows : sequence of (ids, n_context)
        As for `row_batch`.
    start_id : int
        As for `row_batch`.
    n_batch_tokens : int, default 8192
        Most tokens of a batch, padding included, where a row alone has not more.
    n_threads : int, default 1
        Threads, each of which takes a share of the rows of a batch.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
    """
    nats = np.zeros(len(rows))
    # Rows of like length go together, so that little is padding.
    order = sorted(
        (row for row in range(len(rows)) if len(rows[row][0]) > rows[row][1]), key=lambda row: len(rows[row][0])
    )
    while order:
        n_columns = len(rows[order[-1]][0])
        n_rows = min(len(order), max(1, n_batch_tokens // n_columns))
        chosen, order = order[-n_rows:], order[:-n_rows]
        batch = row_batch([rows[row] for row in chosen], start_id=start_id)
        loss = model.loss(params, batch, has_per_token=True, n_threads=n_threads)
        if loss.per_token is None:
            msg = "model must give the nats of each target"
            raise TypeError(msg)
        nats[chosen] = loss.per_token.reshape(n_rows, n_columns).sum(axis=1, dtype=np.float64)
    return nats
