"""Scaled dot-product attention (Vaswani et al., 2017, section 3.2.1): ``softmax(q k^T * scale + bias + mask) v``.

Queries are taken in blocks whose scores stay in the cache of a core; with a causal mask, a block skips the keys that
come after all of its queries, which saves nearly half of the work. Per block, with E = exp(scores - max of the row) and
z its row sums, ``out = (E v) / z``: the softmax itself is never formed, for dividing the small output costs less. In
the backward function, with ``g = d_out / z`` and ``r = sum(g * out)`` over the head width (Dao et al., 2022, appendix
B.4),

    d_v += E^T g        d_scores = E * (g v^T - r)        d_q = d_scores k * scale        d_k += d_scores^T q * scale

E is kept between the two where it is small, and computed again where it would be long.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.blas import n_blas_threads, one_blas_thread
from merganser.transformer.mask import AttentionMask
from merganser.transformer.ops.dropout import draw_kept
from merganser.transformer.ops.softmax import exponentials, to_d_scores
from merganser.transformer.threads import run_all
from merganser.transformer.workspace import Array, empty, empty_like

# Queries in a block: fewer skip more of a causal mask, more make the products more efficient.
_BLOCK_QUERIES = 128
# Scores in a block of many short rows.
_BLOCK_SCORES = 1 << 17
# With fewer scores, threads cost more than they save.
_MIN_SHARED_SCORES = 1 << 20
# With more keys than this, the exponentials are computed again instead of kept.
_MAX_KEPT_KEYS = 512


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionCache:
    """What `attention_backward` needs."""

    q: Array
    k: Array
    v: Array
    out: Array
    bias: Array | None
    mask: AttentionMask
    scale: float
    dropout: float
    seed: int | None
    # Of each block by its number, shape (rows, H, queries, n_keys); None where they are computed again.
    exponentials: list[Array] | None
    inverse_sums: Array


@dataclasses.dataclass(frozen=True)
class _Block:
    """Some rows and some of their queries, with the number of keys that these can see."""

    rows: slice
    queries: slice
    n_keys: int
    number: int


def attention_forward(
    q: Array,
    k: Array,
    v: Array,
    mask: AttentionMask,
    *,
    scale: float,
    bias: Array | None = None,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
    is_recorded: bool = True,
) -> tuple[Array, AttentionCache]:
    """Attend from each query to the keys that the mask allows.

    Parameters
    ----------
    q : ndarray of float, shape (B, T, H, K)
    k, v : ndarray of float, shape (B, S, H, K)
        Any strides: parts of one array of all three cost nothing.
    mask : AttentionMask
    scale : float
        Multiplies the scores; ``K ** -0.5`` in the paper.
    bias : ndarray of float, shape (H, T, S), optional
        Added to the scores.
    dropout : float
        Probability of dropping an attention weight; 0 without ``rng``.
    rng : numpy.random.Generator, optional
    is_recorded : bool
        Whether the cache will be used.

    Returns
    -------
    out : ndarray of float, shape (B, T, H, K)
        A query that sees no key gets zeros.
    cache : AttentionCache
    """
    n_rows, n_queries, n_heads, _ = q.shape
    n_keys = k.shape[1]
    out = empty(q.shape, q.dtype)
    inverse_sums = empty((n_rows, n_heads, n_queries, 1), q.dtype)
    seed = int(rng.integers(1 << 63)) if rng is not None and dropout > 0 else None
    kept: list[Array] | None = [] if is_recorded and n_keys <= _MAX_KEPT_KEYS else None
    cache = AttentionCache(q, k, v, out, bias, mask, scale, dropout, seed, kept, inverse_sums)
    blocks = list(_blocks(cache))
    if kept is not None:
        kept.extend(empty(_shape(cache, block), q.dtype) for block in blocks)
    n_threads = n_blas_threads() if inverse_sums.size * n_keys >= _MIN_SHARED_SCORES else 1
    with one_blas_thread():
        # Late blocks see more keys: begun first, they leave the small ones to even out the threads.
        works = [functools.partial(_mix, cache, block) for block in blocks]
        run_all(reversed(works), n_threads)
    return out, cache


def attention_backward(
    d_out: Array, cache: AttentionCache, *, into: tuple[Array, Array, Array] | None = None
) -> tuple[Array, Array, Array, Array | None]:
    """Return the gradients of ``q``, ``k``, ``v`` and ``bias`` (None without one).

    ``into`` gives arrays for the first three: parts of one array where q, k and v are.
    """
    q, k, v, scale = cache.q, cache.k, cache.v, cache.scale
    d_q, d_k, d_v = into or (empty_like(q), empty_like(k), empty_like(v))
    d_bias = None if cache.bias is None else np.zeros_like(cache.bias)
    # The last block of a row sees the most keys: it comes first and writes, the others add.
    for block, is_first in _backward_blocks(cache):
        rows, queries, n_keys = block.rows, block.queries, block.n_keys
        powers = _exponentials(cache, block)[0] if cache.exponentials is None else cache.exponentials[block.number]
        d_block = d_out[rows, queries].transpose(0, 2, 1, 3)
        g = d_block * cache.inverse_sums[rows, :, queries]
        r = np.einsum("bhtk,bhtk->bht", g, cache.out[rows, queries].transpose(0, 2, 1, 3))[..., None]
        d_scores = empty(powers.shape, q.dtype)
        np.matmul(g, _heads(v, rows, n_keys).swapaxes(2, 3), out=d_scores)
        kept = _kept(cache, block, powers.shape)
        if kept is None:
            _add(d_v, block, is_first, powers.swapaxes(2, 3), g)
        else:
            keep, factor = kept
            d_scores *= keep
            d_scores *= factor
            _add(d_v, block, is_first, (powers * keep * factor).swapaxes(2, 3), g)
        to_d_scores(d_scores, r, powers)
        if d_bias is not None:
            d_bias[:, queries, :n_keys] += d_scores.sum(axis=0)
        d_queries = d_q[rows, queries].transpose(0, 2, 1, 3)
        np.matmul(d_scores, _heads(k, rows, n_keys), out=d_queries)
        d_queries *= scale
        _add(d_k, block, is_first, d_scores.swapaxes(2, 3), _heads(q, rows)[:, :, queries] * scale)
    return d_q, d_k, d_v, d_bias


def _mix(cache: AttentionCache, block: _Block) -> None:
    """Write the output and the inverse sums of a block."""
    powers, sums = _exponentials(cache, block)
    if cache.mask.may_hide_all:
        sums[sums == 0] = 1.0
    inverse = cache.inverse_sums[block.rows, :, block.queries]
    np.divide(1.0, sums, out=inverse)
    dropped = _drop(powers, cache, block)
    mixed = cache.out[block.rows, block.queries].transpose(0, 2, 1, 3)
    np.matmul(powers if dropped is None else dropped, _heads(cache.v, block.rows, block.n_keys), out=mixed)
    mixed *= inverse


def _exponentials(cache: AttentionCache, block: _Block) -> tuple[Array, Array]:
    """Return ``exp(scores - max of the row)`` of a block, shape (rows, H, queries, n_keys), and their sums."""
    rows, queries, n_keys = block.rows, block.queries, block.n_keys
    scaled = _heads(cache.q, rows)[:, :, queries] * cache.scale
    keys = _heads(cache.k, rows, n_keys).swapaxes(2, 3)
    kept = cache.exponentials
    scores = empty(_shape(cache, block), scaled.dtype) if kept is None else kept[block.number]
    np.matmul(scaled, keys, out=scores)
    if cache.bias is not None:
        scores += cache.bias[:, queries, :n_keys]
    additive = cache.mask.additive(rows, queries, n_keys, scores.dtype)
    if additive is not None:
        scores += additive
    sums, _ = exponentials(scores, cache.mask.n_seen(queries.start + 1, n_keys))
    return scores, sums[..., None]


def _shape(cache: AttentionCache, block: _Block) -> tuple[int, ...]:
    """Return the shape of a block's scores."""
    n_rows, n_queries = (part.stop - part.start for part in (block.rows, block.queries))
    return n_rows, cache.q.shape[2], n_queries, block.n_keys


def _blocks(cache: AttentionCache) -> Iterator[_Block]:
    n_rows, n_queries, n_heads, _ = cache.q.shape
    n_keys = cache.k.shape[1]
    n_block = min(_BLOCK_QUERIES, n_queries)
    n_together = max(1, _BLOCK_SCORES // (n_heads * n_block * n_keys))
    number = 0
    for first_row in range(0, n_rows, n_together):
        rows = slice(first_row, min(first_row + n_together, n_rows))
        for first in range(0, n_queries, n_block):
            queries = slice(first, min(first + n_block, n_queries))
            yield _Block(rows, queries, cache.mask.n_seen(queries.stop, n_keys), number)
            number += 1


def _backward_blocks(cache: AttentionCache) -> Iterator[tuple[_Block, bool]]:
    """Yield the blocks of each group of rows from the last queries to the first, and whether one comes first."""
    group: slice | None = None
    for block in reversed(list(_blocks(cache))):
        yield block, block.rows != group
        group = block.rows


def _add(total: Array, block: _Block, is_first: bool, left: Array, right: Array) -> None:
    """Add ``left right`` to the gradient of the block's keys or values; the first of a group writes all of them."""
    target = _heads(total, block.rows)
    if not is_first:
        target[:, :, : block.n_keys] += left @ right
        return
    np.matmul(left, right, out=target[:, :, : block.n_keys])
    target[:, :, block.n_keys :] = 0.0


def _heads(array: Array, rows: slice, n_keys: int | None = None) -> Array:
    """View (B, T, H, K) as (rows, H, T, K), the first ``n_keys`` of T."""
    return array[rows, :n_keys].transpose(0, 2, 1, 3)


def _kept(cache: AttentionCache, block: _Block, shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], float] | None:
    """Draw the weights that dropout keeps: the same for a block whenever it is asked, so that none are stored."""
    if cache.seed is None:
        return None
    rng = np.random.Generator(np.random.SFC64([cache.seed, block.number]))
    return draw_kept(shape, cache.dropout, rng)


def _drop(powers: Array, cache: AttentionCache, block: _Block) -> Array | None:
    kept = _kept(cache, block, powers.shape)
    if kept is None:
        return None
    dropped: Array = powers * kept[0]
    dropped *= kept[1]
    return dropped
