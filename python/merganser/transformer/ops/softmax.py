"""Softmax along rows, all but its division: what attention and cross-entropy share."""

from __future__ import annotations

import numpy as np

from merganser.transformer.kernels import run_kernel
from merganser.transformer.workspace import Array

# Elements that NumPy works on at a time, within a core's cache.
_CHUNK = 1 << 16


def exponentials(scores: Array, n_seen: int | None = None) -> tuple[Array, Array]:
    """Replace each row, the last axis, by ``exp(score - max of the row)``.

    Parameters
    ----------
    scores : ndarray of float, contiguous, shape (..., T, S)
        Written to. Minus infinity becomes 0, even where a whole row is.
    n_seen : int, optional
        Row 0 of T sees so many of S, each next one more; what a row does not see becomes 0.

    Returns
    -------
    sums : ndarray of float, shape (..., T)
    highest : ndarray of float, shape (..., T)
        Largest of each row; 0 where that is minus infinity.
    """
    n_queries, width = scores.shape[-2:]
    sums, highest = np.empty(scores.shape[:-1], scores.dtype), np.empty(scores.shape[:-1], scores.dtype)
    rows = scores.reshape(-1, width)
    seen = width if n_seen is None else n_seen
    if run_kernel("exponentials", rows, sums.reshape(-1), highest.reshape(-1), n_queries, seen):
        return sums, highest
    if seen < width:
        hidden = np.arange(width) >= seen + np.arange(n_queries)[:, None]
        scores += np.where(hidden, -np.inf, 0.0).astype(scores.dtype)
    ones = np.ones(width, scores.dtype)
    step = max(1, _CHUNK // max(width, 1))
    for start in range(0, len(rows), step):
        chunk, part = rows[start : start + step], slice(start, start + step)
        most = chunk.max(axis=1, initial=-np.inf)
        most[most == -np.inf] = 0.0
        chunk -= most[:, None]
        np.exp(chunk, out=chunk)
        sums.reshape(-1)[part], highest.reshape(-1)[part] = chunk @ ones, most
    return sums, highest


def to_d_scores(d_powers: Array, r: Array, powers: Array) -> None:
    """Replace gradients of attention weights by those of the scores, ``(d_powers - r) * powers``.

    Parameters
    ----------
    d_powers, powers : ndarray of float, contiguous, shape (..., S)
        The first is written to.
    r : ndarray of float, contiguous, shape (..., 1)
    """
    width = powers.shape[-1]
    if run_kernel("d_scores", d_powers.reshape(-1, width), r.reshape(-1), powers.reshape(-1, width)):
        return
    d_powers -= r
    d_powers *= powers
