"""Rows of equal length from sequences of any length: padded, or packed several to a row.

Padding comes with a mask. A packed row carries, for each token, the number of its sequence in the row, so that a model
lets a token see its own sequence only; nothing is asked across a border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.batch import IGNORED, LmBatch
from merganser.transformer.checks import check_nested, whole_number
from merganser.transformer.configs import check_choice

__all__ = ["next_token_targets", "pack", "pad"]

Ints = NDArray[np.integer[Any]]


def pad(
    sequences: Sequence[Sequence[int] | Ints],
    *,
    pad_id: int,
    side: Literal["left", "right"] = "right",
    length: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Put sequences into the rows of one array.

    Parameters
    ----------
    sequences : sequence of sequences of int
        At least one, none longer than `length`.
    pad_id : int
        Fills what is left.
    side : {"left", "right"}, default "right"
        Where the padding goes; generation wants it on the left.
    length : int, optional
        Columns. None: as many as the longest sequence has tokens.

    Returns
    -------
    ids : ndarray of int64, shape (B, T)
    mask : ndarray of bool, shape (B, T)
        False at padding.

    Raises
    ------
    ConfigError
        There is no sequence, one is longer than `length`, or holds something else than whole numbers.

    Examples
    --------
    >>> ids, mask = pad([[5, 6, 7], [8]], pad_id=0, side="left")
    >>> ids.tolist(), mask.tolist()
    ([[5, 6, 7], [0, 0, 8]], [[True, True, True], [False, False, True]])
    """
    check_choice("side", side, ("left", "right"))
    check_nested("sequences", sequences)
    if not len(sequences):
        msg = "sequences must hold at least one"
        raise ConfigError(msg)
    longest = max(len(sequence) for sequence in sequences)
    n_columns = longest if length is None else length
    if not 1 <= n_columns >= longest:
        msg = f"length must be at least 1 and that of the longest sequence, {longest}, got {n_columns}"
        raise ConfigError(msg)
    ids = np.full((len(sequences), n_columns), whole_number("pad_id", pad_id), dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=np.bool_)
    for row, sequence in enumerate(sequences):
        try:
            tokens = np.asarray(sequence)
        except ValueError:
            msg = f"sequences must be rows of whole numbers, got parts of unequal lengths in row {row}"
            raise ConfigError(msg) from None
        if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
            msg = f"sequences must be rows of whole numbers, got {tokens.dtype} of shape {tokens.shape} in row {row}"
            raise ConfigError(msg)
        columns = slice(0, len(tokens)) if side == "right" else slice(n_columns - len(tokens), n_columns)
        ids[row, columns] = tokens
        mask[row, columns] = True
    return ids, mask


def next_token_targets(ids: Ints, segments: Ints | None = None, mask: NDArray[np.bool_] | None = None) -> Ints:
    """Return, for each token, the next one of its row; `IGNORED` at the end of a row, of a segment and at padding.

    Parameters
    ----------
    ids : ndarray of int, shape (B, T)
        Rows of tokens.
    segments : ndarray of int, shape (B, T), optional
        Number of the sequence of each token.
    mask : ndarray of bool, shape (B, T), optional
        False at padding.

    Returns
    -------
    ndarray of int64, shape (B, T)
    """
    targets = np.full(ids.shape, IGNORED, dtype=np.int64)
    targets[:, :-1] = ids[:, 1:]
    if segments is not None:
        targets[:, :-1][segments[:, 1:] != segments[:, :-1]] = IGNORED
    if mask is not None:
        targets[:, :-1][~(mask[:, 1:] & mask[:, :-1])] = IGNORED
    return targets


def pack(sequences: Sequence[Sequence[int] | Ints], *, length: int, pad_id: int) -> LmBatch:
    """Put sequences into as few rows as a greedy choice finds, several to a row.

    Parameters
    ----------
    sequences : sequence of sequences of int
        At least one that is not empty; one longer than `length` is cut into pieces.
    length : int
        Columns of a row.
    pad_id : int
        Fills what is left of a row.

    Returns
    -------
    LmBatch
        Each row's ``segments`` count up from 0; padding has a segment of its own.

    Notes
    -----
    First fit by falling length: at most 11/9 of the fewest rows and a bit (Johnson, 1973). The order of equals is that
    of `sequences`, so the same input gives the same rows.

    Examples
    --------
    >>> batch = pack([[1, 2, 3], [4, 5], [6]], length=4, pad_id=0)
    >>> batch.inputs.tolist(), batch.segments.tolist()
    ([[1, 2, 3, 6], [4, 5, 0, 0]], [[0, 0, 0, 1], [0, 0, 1, 1]])
    >>> batch.targets.tolist()
    [[2, 3, -100, -100], [5, -100, -100, -100]]
    """
    length = whole_number("length", length, 1)
    check_nested("sequences", sequences)
    pieces = [seq[start : start + length] for seq in sequences for start in range(0, len(seq), length)]
    if not pieces:
        msg = "sequences must hold at least one token"
        raise ConfigError(msg)
    rows: list[list[Sequence[int] | Ints]] = []
    room: list[int] = []
    for piece in sorted(pieces, key=len, reverse=True):
        row = next((row for row, free in enumerate(room) if free >= len(piece)), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(length)
        rows[row].append(piece)
        room[row] -= len(piece)
    ids, mask = pad([np.concatenate(row) for row in rows], pad_id=pad_id, length=length)
    segments = np.zeros(ids.shape, dtype=np.int64)
    for row, parts in enumerate(rows):
        ends = np.cumsum([len(part) for part in parts])
        segments[row] = np.searchsorted(ends, np.arange(length), side="right")
    targets = next_token_targets(ids, segments, mask)
    return LmBatch(inputs=ids, targets=targets, mask=None if mask.all() else mask, segments=segments)
