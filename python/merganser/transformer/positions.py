"""Where a token stands: positions in a row, sinusoids (section 3.5 of the paper), and T5's buckets of distances."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.workspace import Array


def count_positions(
    shape: tuple[int, ...], mask: NDArray[np.bool_] | None = None, segments: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.int64]:
    """Return the position of each token: the number of real tokens before it in its row, or in its segment.

    Parameters
    ----------
    shape : tuple of int
        (B, T).
    mask : ndarray of bool, shape (B, T), optional
        False at padding, whose positions mean nothing and are within 0 to T - 1.
    segments : ndarray of int, shape (B, T), optional
        Contiguous documents.

    Returns
    -------
    ndarray of int64, shape (B, T)

    Examples
    --------
    >>> import numpy as np
    >>> count_positions((1, 4), mask=np.array([[False, True, True, True]])).tolist()
    [[0, 0, 1, 2]]
    >>> count_positions((1, 4), segments=np.array([[0, 0, 1, 1]])).tolist()
    [[0, 1, 0, 1]]
    """
    if mask is None:
        positions = np.broadcast_to(np.arange(shape[1]), shape)
    else:
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    if segments is None:
        return positions
    is_first = np.ones(shape, np.bool_)
    is_first[:, 1:] = segments[:, 1:] != segments[:, :-1]
    start: NDArray[np.int64] = np.maximum.accumulate(np.where(is_first, positions, 0), axis=1)
    return positions - start


@functools.lru_cache(maxsize=8)
def sinusoids(n_positions: int, d_model: int, *, is_interleaved: bool = True) -> Array:
    """Return the sinusoidal positions of the paper.

    Parameters
    ----------
    n_positions, d_model : int
    is_interleaved : bool
        Whether sine and cosine alternate, as in the paper, or the sines fill the first half, as in Marian.

    Returns
    -------
    ndarray of float32, shape (n_positions, d_model)
        ``sin(pos / 10000^(2i / d_model))`` and the cosine of the same. It is shared: do not write to it.
    """
    angles = np.arange(n_positions)[:, None] / 10000.0 ** (np.arange(0, d_model, 2) / d_model)
    table = np.empty((n_positions, d_model), np.float32)
    half = d_model // 2
    sines, cosines = (slice(0, None, 2), slice(1, None, 2)) if is_interleaved else (slice(half), slice(half, None))
    table[:, sines], table[:, cosines] = np.sin(angles), np.cos(angles)
    table.flags.writeable = False
    return table


def relative_buckets(
    n_queries: int, n_keys: int, *, first_query: int = 0, n_buckets: int, max_distance: int, is_bidirectional: bool
) -> NDArray[np.int64]:
    """Return the bucket of each distance between a query and a key (Raffel et al., 2019, section 2.1).

    Half of the buckets hold one distance each, the others grow by a constant factor up to ``max_distance``, from which
    on all distances share the last. Where both directions count, each has its own half.

    Returns
    -------
    ndarray of int64, shape (n_queries, n_keys)
    """
    queries = np.arange(first_query, first_query + n_queries)[:, None]
    ahead = np.arange(n_keys)[None] - queries
    base = np.zeros_like(ahead)
    if is_bidirectional:
        n_buckets //= 2
        base = (ahead > 0) * n_buckets
        distance = np.abs(ahead)
    else:
        distance = np.maximum(-ahead, 0)
    n_exact = n_buckets // 2
    # In float32 and in this order, as the published models were trained: a distance on an edge would else move over.
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(n_exact))
    ratio = ratio / np.float32(math.log(max_distance / n_exact)) * np.float32(n_buckets - n_exact)
    far = np.minimum(n_exact + ratio.astype(np.int64), n_buckets - 1)
    buckets: NDArray[np.int64] = base + np.where(distance < n_exact, distance, far)
    return buckets
