"""Tasks that teach without labels: masked tokens, next sentence (BERT), and corrupted spans (T5).

All of it is done on arrays of ids with a generator given by the caller, so that a batch is a function of its seed.

References
----------
Devlin et al., BERT, 2019, section 3.1 and appendix A.1; Raffel et al., Exploring the Limits of Transfer Learning, 2020,
section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.batch import IGNORED, MlmBatch
from merganser.transformer.packing import pad

__all__ = ["corrupt_spans", "mask_tokens", "next_sentence_batch", "restore_spans"]

Ints = NDArray[np.integer[Any]]
MASKED_SHARE = 0.8
RANDOM_SHARE = 0.1


def mask_tokens(
    ids: Ints,
    *,
    rng: np.random.Generator,
    mask_id: int,
    vocab_size: int,
    special_ids: Sequence[int] = (),
    rate: float = 0.15,
    mask: NDArray[np.bool_] | None = None,
    word_starts: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose tokens to be restored: 80 % become the mask, 10 % a random token, 10 % stay as they are.

    Parameters
    ----------
    ids : ndarray of int, shape (B, T)
        Rows of tokens.
    rng : numpy.random.Generator
        Draws the choice.
    mask_id : int
        Id of the mask.
    vocab_size : int
        Random tokens are below it.
    special_ids : sequence of int
        Never chosen and never drawn; `mask_id` is one without being named.
    rate : float, default 0.15
        Share of tokens that is chosen, each on its own; of words, where `word_starts` is given.
    mask : ndarray of bool, shape (B, T), optional
        False at padding, which is never chosen.
    word_starts : ndarray of bool, shape (B, T), optional
        True where a word begins. Given, the tokens of a word are chosen together.

    Returns
    -------
    inputs : ndarray of int64, shape (B, T)
    targets : ndarray of int64, shape (B, T)
        The id where one was chosen, `IGNORED` elsewhere.
    """
    if not 0 < rate < 1:
        msg = f"rate must lie between 0 and 1, got {rate}"
        raise ConfigError(msg)
    specials = np.unique([*special_ids, mask_id])
    ordinary = np.setdiff1d(np.arange(vocab_size), specials)
    if not ordinary.size:
        msg = f"vocab_size {vocab_size} must leave a token that is not special"
        raise ConfigError(msg)
    draws = rng.random(ids.shape)
    if word_starts is not None:
        # Every token takes the draw of the token that begins its word; specials begin words of their own.
        starts = word_starts | np.isin(ids, specials)
        starts[:, 0] = True
        columns = np.maximum.accumulate(np.where(starts, np.arange(ids.shape[1]), 0), axis=1)
        after_special = np.isin(np.take_along_axis(ids, columns, axis=1), specials) & ~np.isin(ids, specials)
        draws = np.where(after_special, draws, np.take_along_axis(draws, columns, axis=1))
    is_chosen = (draws < rate) & ~np.isin(ids, specials)
    if mask is not None:
        is_chosen &= mask
    inputs = ids.astype(np.int64)
    targets = np.where(is_chosen, inputs, IGNORED)
    kinds = rng.random(ids.shape)
    random_ids = ordinary[rng.integers(0, ordinary.size, size=ids.shape)]
    inputs[is_chosen & (kinds < MASKED_SHARE)] = mask_id
    is_random = is_chosen & (kinds >= MASKED_SHARE) & (kinds < MASKED_SHARE + RANDOM_SHARE)
    inputs[is_random] = random_ids[is_random]
    return inputs, targets


def next_sentence_batch(
    documents: Sequence[Sequence[Sequence[int]]],
    *,
    rng: np.random.Generator,
    n_rows: int,
    length: int,
    cls_id: int,
    sep_id: int,
    pad_id: int,
) -> MlmBatch:
    """Draw pairs of sentences, half of which follow each other, as ``[CLS] first [SEP] second [SEP]``.

    Parameters
    ----------
    documents : sequence of sequences of sentences
        Each sentence is a sequence of ids, not empty. At least two documents, one of them with two sentences.
    rng : numpy.random.Generator
        Draws the pairs.
    n_rows : int
        Rows B.
    length : int
        Columns T at most; the longer sentence of a pair is cut at its end until the pair fits.
    cls_id, sep_id, pad_id : int
        Special ids.

    Returns
    -------
    MlmBatch
        Nothing masked yet: ``targets`` is `IGNORED` throughout, see `mask_tokens`; ``next_sentence`` is 0 where the
        second follows the first and 1 where it is of another document.
    """
    places = [(doc, sentence) for doc, document in enumerate(documents) for sentence in range(len(document) - 1)]
    filled = [doc for doc, document in enumerate(documents) if len(document)]
    if not places or len(filled) < 2 or length < 5:
        msg = "documents must be at least two, one of two sentences, and length at least 5"
        raise ConfigError(msg)
    rows, types = [], []
    labels = rng.permutation(np.arange(n_rows) % 2)
    for label in labels.tolist():
        doc, sentence = places[int(rng.integers(len(places)))]
        first, second = list(documents[doc][sentence]), list(documents[doc][sentence + 1])
        if label:
            other = [candidate for candidate in filled if candidate != doc]
            chosen = documents[other[int(rng.integers(len(other)))]]
            second = list(chosen[int(rng.integers(len(chosen)))])
        while len(first) + len(second) > length - 3:
            (first if len(first) > len(second) else second).pop()
        rows.append([cls_id, *first, sep_id, *second, sep_id])
        types.append([0] * (len(first) + 2) + [1] * (len(second) + 1))
    ids, mask = pad(rows, pad_id=pad_id)
    token_types, _ = pad(types, pad_id=0)
    return MlmBatch(
        inputs=ids,
        targets=np.full(ids.shape, IGNORED, dtype=np.int64),
        mask=None if mask.all() else mask,
        token_types=token_types,
        next_sentence=labels.astype(np.int64),
    )


def corrupt_spans(
    ids: Sequence[int] | Ints,
    *,
    rng: np.random.Generator,
    sentinel_ids: Sequence[int],
    density: float = 0.15,
    mean_length: float = 3.0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Replace spans by sentinels, and ask for the spans, each after its sentinel.

    Parameters
    ----------
    ids : sequence of int
        The text; at least two tokens, none of them a sentinel.
    rng : numpy.random.Generator
        Draws the spans.
    sentinel_ids : sequence of int
        In the order of use: T5's go down from the last id of the vocabulary.
    density : float, default 0.15
        Share of tokens that is taken out; between 0 and 1.
    mean_length : float, default 3.0
        Mean length of a span; at least 1.

    Returns
    -------
    inputs : ndarray of int64, shape (n,)
        The text with a sentinel in place of each span.
    targets : ndarray of int64, shape (m,)
        Sentinel and span in turn, and one more sentinel at the end.

    Raises
    ------
    ConfigError
        There are too few sentinels for the text.

    Examples
    --------
    >>> import numpy as np
    >>> inputs, targets = corrupt_spans([1, 2, 3, 4, 5, 6], rng=np.random.default_rng(0), sentinel_ids=[99, 98, 97])
    >>> restore_spans(inputs, targets, sentinel_ids=[99, 98, 97]).tolist()
    [1, 2, 3, 4, 5, 6]
    """
    if not 0 < density < 1:
        msg = f"density must lie between 0 and 1, got {density}"
        raise ConfigError(msg)
    if not mean_length >= 1:
        msg = f"mean_length must be at least 1, got {mean_length}"
        raise ConfigError(msg)
    tokens = np.asarray(ids, dtype=np.int64)
    if tokens.size < 2 or np.isin(tokens, sentinel_ids).any():
        msg = f"ids must be at least two tokens, none of them a sentinel, got {tokens.size}"
        raise ConfigError(msg)
    n_noise = min(max(round(tokens.size * density), 1), tokens.size - 1)
    n_spans = min(max(round(n_noise / mean_length), 1), n_noise, tokens.size - n_noise)
    if n_spans + 1 > len(sentinel_ids):
        msg = f"sentinel_ids must be at least {n_spans + 1} for {tokens.size} tokens, got {len(sentinel_ids)}"
        raise ConfigError(msg)
    kept, taken = _composition(rng, tokens.size - n_noise, n_spans), _composition(rng, n_noise, n_spans)
    ends = np.cumsum(np.stack([kept, taken], axis=1).reshape(-1))
    parts = np.split(tokens, ends[:-1])
    sentinels = [np.array([sentinel]) for sentinel in sentinel_ids[: n_spans + 1]]
    inputs = [piece for span in range(n_spans) for piece in (parts[2 * span], sentinels[span])]
    targets = [piece for span in range(n_spans) for piece in (sentinels[span], parts[2 * span + 1])]
    return np.concatenate(inputs), np.concatenate([*targets, sentinels[n_spans]])


def restore_spans(inputs: Ints, targets: Ints, *, sentinel_ids: Sequence[int]) -> NDArray[np.int64]:
    """Put spans back where their sentinels stand: what `corrupt_spans` took apart.

    Parameters
    ----------
    inputs, targets : ndarray of int, shape (n,) and (m,)
        As `corrupt_spans` gives them, or `targets` as a model does: a span that is missing is empty.
    sentinel_ids : sequence of int
        As given to `corrupt_spans`.

    Returns
    -------
    ndarray of int64, shape (n_tokens,)
    """
    spans: dict[int, list[int]] = {}
    current: list[int] = []
    sentinels = set(sentinel_ids)
    for token in np.asarray(targets).tolist():
        if token in sentinels:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    restored: list[int] = []
    for token in np.asarray(inputs).tolist():
        restored.extend(spans.get(token, []) if token in sentinels else [token])
    return np.array(restored, dtype=np.int64)


def _composition(rng: np.random.Generator, total: int, n_parts: int) -> NDArray[np.int64]:
    """Return `n_parts` positive numbers of the sum `total`, each way equally likely."""
    cuts = np.sort(rng.choice(total - 1, size=n_parts - 1, replace=False)) + 1
    return np.diff(cuts, prepend=0, append=total).astype(np.int64)
