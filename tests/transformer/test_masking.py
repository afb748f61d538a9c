"""Masked tokens, next sentences and corrupted spans: rates, kinds, and that nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merganser.errors import ConfigError
from merganser.transformer import IGNORED, corrupt_spans, mask_tokens, next_sentence_batch, restore_spans

MASK, CLS, SEP, PAD = 3, 1, 2, 0
VOCAB = 1000


def masked(ids, **options):
    settings = {"mask_id": MASK, "vocab_size": VOCAB, "special_ids": [PAD, CLS, SEP]}
    return mask_tokens(ids, rng=np.random.default_rng(0), **{**settings, **options})


def assert_rate(n_hits, n, rate):
    """Within four standard deviations of what is expected of independent draws."""
    assert abs(n_hits - n * rate) < 4 * np.sqrt(n * rate * (1 - rate)) + 1


def test_mask_tokens_has_the_rates_of_bert():
    ids = np.random.default_rng(1).integers(4, VOCAB, size=(100, 500))
    inputs, targets = masked(ids)
    chosen = targets != IGNORED
    n = int(chosen.sum())
    assert_rate(n, ids.size, 0.15)
    np.testing.assert_array_equal(targets[chosen], ids[chosen])
    np.testing.assert_array_equal(inputs[~chosen], ids[~chosen])
    assert_rate(int((inputs[chosen] == MASK).sum()), n, 0.8)
    is_random = chosen & (inputs != MASK) & (inputs != ids)
    # A random token is the old one in 1 case of 996.
    assert_rate(int(is_random.sum()), n, 0.1 * 995 / 996)
    assert np.unique(inputs[is_random]).min() >= 4


def test_mask_tokens_spares_specials_and_padding():
    ids = np.tile([CLS, 5, 6, SEP, 7, 8, SEP, PAD], (200, 50))
    mask = np.random.default_rng(2).random(ids.shape) < 0.5
    _, targets = masked(ids, rate=0.9, mask=mask)
    chosen = targets != IGNORED
    assert not (chosen & ~mask).any()
    assert not np.isin(ids[chosen], [PAD, CLS, SEP, MASK]).any()
    assert_rate(int(chosen.sum()), int((mask & (ids > 3)).sum()), 0.9)


def test_mask_tokens_takes_whole_words():
    rng = np.random.default_rng(3)
    ids = rng.integers(4, VOCAB, size=(200, 200))
    ids[rng.random(ids.shape) < 0.1] = SEP
    starts = rng.random(ids.shape) < 0.4
    _, targets = masked(ids, word_starts=starts)
    chosen, special = targets != IGNORED, ids == SEP
    n_words = n_chosen = 0
    for row in range(len(ids)):
        columns = [c for c in range(ids.shape[1]) if c == 0 or starts[row, c] or special[row, c] or special[row, c - 1]]
        for start, stop in zip(columns, [*columns[1:], ids.shape[1]], strict=True):
            if special[row, start]:
                assert not chosen[row, start]
                continue
            word = chosen[row, start:stop]
            # A word that goes on after a special token has no token that begins it, and is drawn token by token.
            if starts[row, start] or start == 0:
                assert word.all() or not word.any()
                n_words, n_chosen = n_words + 1, n_chosen + int(word[0])
    assert_rate(n_chosen, n_words, 0.15)


def test_mask_tokens_refuses_bad_settings():
    with pytest.raises(ConfigError, match="rate"):
        masked(np.array([[5]]), rate=1.0)
    with pytest.raises(ConfigError, match="vocab_size"):
        masked(np.array([[5]]), vocab_size=4)


def test_next_sentence_batch_labels_what_follows():
    # Sentence s of document d is [100 d + s] and so tells where it is from.
    documents = [[[100 * doc + sentence] * 3 for sentence in range(5)] for doc in range(1, 9)]
    batch = next_sentence_batch(
        documents, rng=np.random.default_rng(0), n_rows=40, length=12, cls_id=CLS, sep_id=SEP, pad_id=PAD
    )
    assert batch.inputs.shape == (40, 9)
    assert int(batch.next_sentence.sum()) == 20
    for row, types, label in zip(batch.inputs, batch.token_types, batch.next_sentence, strict=True):
        assert row.tolist() == [CLS, *[row[1]] * 3, SEP, *[row[5]] * 3, SEP]
        assert types.tolist() == [0] * 5 + [1] * 4
        assert (row[5] == row[1] + 1) if label == 0 else (row[5] // 100 != row[1] // 100)


def test_next_sentence_batch_cuts_the_longer_sentence():
    documents = [[[5] * 20, [6] * 3], [[7]]]
    batch = next_sentence_batch(
        documents, rng=np.random.default_rng(0), n_rows=2, length=10, cls_id=CLS, sep_id=SEP, pad_id=PAD
    )
    follows = batch.inputs[batch.next_sentence == 0][0]
    assert follows.tolist() == [CLS, 5, 5, 5, 5, SEP, 6, 6, 6, SEP]
    with pytest.raises(ConfigError, match="documents"):
        next_sentence_batch(
            [[[1]]], rng=np.random.default_rng(0), n_rows=1, length=10, cls_id=CLS, sep_id=SEP, pad_id=PAD
        )


@given(st.integers(2, 400), st.integers(0, 1000), st.floats(0.05, 0.9), st.floats(1, 10))
def test_restore_spans_undoes_corrupt_spans(n_tokens, seed, density, mean_length):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 50, size=n_tokens)
    sentinels = list(range(1000, 400, -1))
    inputs, targets = corrupt_spans(ids, rng=rng, sentinel_ids=sentinels, density=density, mean_length=mean_length)
    np.testing.assert_array_equal(restore_spans(inputs, targets, sentinel_ids=sentinels), ids)
    used = [token for token in inputs.tolist() if token >= 400]
    assert used == sentinels[: len(used)]
    assert [token for token in targets.tolist() if token >= 400] == sentinels[: len(used) + 1]
    assert targets[0] == sentinels[0]
    assert inputs[0] < 400


def test_corrupt_spans_has_the_rates_of_t5():
    rng = np.random.default_rng(0)
    inputs, targets = corrupt_spans(np.zeros(2000, int), rng=rng, sentinel_ids=range(999, 500, -1))
    assert len(targets) - 101 == 300
    assert len(inputs) == 1700 + 100


def test_corrupt_spans_refuses_what_it_cannot_do():
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="at least 3"):
        corrupt_spans(np.zeros(40, int), rng=rng, sentinel_ids=[9, 8])
    with pytest.raises(ConfigError, match="sentinel"):
        corrupt_spans([1, 9], rng=rng, sentinel_ids=[9, 8])
    with pytest.raises(ConfigError, match="two tokens"):
        corrupt_spans([1], rng=rng, sentinel_ids=[9, 8])
    for wrong in (0, -3.0, float("nan")):
        with pytest.raises(ConfigError, match="mean_length must be at least 1"):
            corrupt_spans([1, 2, 3], rng=rng, sentinel_ids=[9, 8], mean_length=wrong)
        with pytest.raises(ConfigError, match="density must lie between 0 and 1"):
            corrupt_spans([1, 2, 3], rng=rng, sentinel_ids=[9, 8], density=wrong)
