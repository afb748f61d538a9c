"""The embedding: a row of a table for every id. Its gradient adds rows up, for an id may occur often.

The relative bias of T5 is an embedding too: of distances, with one number a head, laid out as scores are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.workspace import Array, empty


class EmbeddingCache(NamedTuple):
    """What `embedding_backward` needs."""

    ids: NDArray[np.integer[Any]]
    shape: tuple[int, ...]


def embedding_forward(weight: Array, ids: NDArray[np.integer[Any]]) -> tuple[Array, EmbeddingCache]:
    """Return the row of ``weight`` for each id.

    Parameters
    ----------
    weight : ndarray of float, shape (V, D)
    ids : ndarray of int, shape (...)
        Each in 0 to V - 1; the model has checked it.

    Returns
    -------
    out : ndarray of float, shape (..., D)
    cache : EmbeddingCache
    """
    out = empty((*ids.shape, weight.shape[1]), weight.dtype)
    # With mode "raise", NumPy would write to a temporary array first.
    np.take(weight, ids, axis=0, out=out, mode="clip")
    return out, EmbeddingCache(ids, weight.shape)


def embedding_backward(d_out: Array, cache: EmbeddingCache, total: Array | None = None) -> Array:
    """Return the gradient of ``weight``, added into ``total`` where that is given.

    Notes
    -----
    Rows are sorted by id and summed run by run: in text, whose ids repeat, quicker than adding one by one.
    """
    rows = d_out.reshape(-1, d_out.shape[-1])
    flat = cache.ids.reshape(-1)
    order = np.argsort(flat, kind="stable")
    sorted_ids = flat[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_ids[1:] != sorted_ids[:-1]]))
    sums = np.add.reduceat(rows[order], starts, axis=0)
    d_weight = np.zeros(cache.shape, d_out.dtype) if total is None else total
    d_weight[sorted_ids[starts]] += sums
    return d_weight


def relative_bias_forward(weight: Array, buckets: NDArray[np.integer[Any]]) -> tuple[Array, EmbeddingCache]:
    """Return what each head adds to its scores.

    Parameters
    ----------
    weight : ndarray of float, shape (n_buckets, H)
    buckets : ndarray of int, shape (T, S)
        Bucket of the distance between each query and key.

    Returns
    -------
    out : ndarray of float, shape (H, T, S)
    cache : EmbeddingCache
    """
    return np.ascontiguousarray(weight[buckets].transpose(2, 0, 1)), EmbeddingCache(buckets, weight.shape)


def relative_bias_backward(d_out: Array, cache: EmbeddingCache) -> Array:
    """Return the gradient of ``weight``."""
    flat = cache.ids.reshape(-1)
    columns = [np.bincount(flat, weights=head.reshape(-1), minlength=cache.shape[0]) for head in d_out]
    return np.stack(columns, axis=1).astype(d_out.dtype)
