"""Subword regularization: random segmentations by a seed, and the best ones with their scores."""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from definitions import SUBJECTS, TRAINING_TEXT, added_token, load
from hypothesis import given
from hypothesis import strategies as st

import merganser as mg
from merganser.errors import ConfigError, DisallowedSpecialError

SCORES = {"▁": -3.0, "a": -1.0, "aa": -1.5, "aaa": -3.0, "b": -1.25, "ab": -1.75, "▁a": -2.0}


def _unigram(**parts: Any) -> mg.Tokenizer:
    vocab = [["<unk>", 0.0], *([piece, score] for piece, score in SCORES.items())]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    definition = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token("<s>", len(vocab))],
        "normalizer": None,
        "pre_tokenizer": metaspace,
        "post_processor": None,
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False},
    }
    return load({**definition, **parts})


def _segmentations(word: str) -> dict[tuple[str, ...], float]:
    """Every way to write a word in pieces, with its score."""
    found = {}
    for n_cuts in range(len(word)):
        for cuts in itertools.combinations(range(1, len(word)), n_cuts):
            pieces = tuple(word[start:end] for start, end in itertools.pairwise((0, *cuts, len(word))))
            if all(piece in SCORES for piece in pieces):
                found[pieces] = sum(SCORES[piece] for piece in pieces)
    return found


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_sample_decodes_to_what_encode_decodes_to(subject: Any) -> None:
    tok = subject.build()
    options: dict[str, Any] = {"add_special_tokens": False, "on_special": "text"}
    expected = tok.encode(TRAINING_TEXT, **options)
    assert tok.sample(TRAINING_TEXT, seed=1, dropout=0.0, **options) == expected
    drawn = tok.sample(TRAINING_TEXT, seed=1, dropout=0.3, **options)
    assert drawn == tok.sample(TRAINING_TEXT, seed=1, dropout=0.3, **options)
    assert len(drawn) > len(expected)
    assert tok.decode(drawn) == tok.decode(expected)
    added = {id_ for id_, *_ in tok._inner.added_token_flags}
    apart = [id_ for id_ in tok.sample(TRAINING_TEXT, seed=1, dropout=1.0, **options) if id_ not in added]
    assert {len(tok.token_bytes(id_)) for id_ in apart} == {1}


def test_sample_gives_the_same_on_every_machine() -> None:
    tok = mg.train_bpe(["banana bandana"], vocab_size=259)
    assert tok.sample("banana bandana", seed=2016, dropout=0.5) == PINNED


PINNED = [257, 258, 220, 257, 67, 256, 64]


def test_sample_batch_follows_from_seed_and_index() -> None:
    tok = mg.train_bpe([TRAINING_TEXT], vocab_size=400)
    texts = [TRAINING_TEXT] * 40
    batch = tok.sample_batch(texts, seed=3, dropout=0.2, n_threads=1)
    threaded = tok.sample_batch(texts, seed=3, dropout=0.2, n_threads=4)
    assert batch.to_list() == threaded.to_list()
    assert batch.to_list()[0] == tok.sample(TRAINING_TEXT, seed=3, dropout=0.2)
    assert len({tuple(ids) for ids in batch.to_list()}) == len(texts)
    assert batch.ids.dtype == np.uint16
    assert tok.sample_batch([], seed=3, dropout=0.2).to_list() == []


def test_sample_treats_special_tokens_as_encode_does() -> None:
    tok = mg.train_bpe(["banana"], vocab_size=259, special_tokens=["<|end|>"])
    assert tok.sample("ab<|end|>", seed=0, dropout=1.0, on_special="encode")[-1] == tok.special_tokens["<|end|>"]
    assert tok.decode(tok.sample("ab<|end|>", seed=0, dropout=1.0, on_special="text")) == "ab<|end|>"
    with pytest.raises(DisallowedSpecialError):
        tok.sample("ab<|end|>", seed=0, dropout=1.0)
    with pytest.raises(DisallowedSpecialError, match="text 1: "):
        tok.sample_batch(["a", "ab<|end|>"], seed=0, dropout=1.0)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_sample_draws_by_the_scores_of_unigram(alpha: float) -> None:
    tok = _unigram()
    n_samples = 8_000
    drawn = tok.sample_batch(["aaab"] * n_samples, seed=5, alpha=alpha)
    counts = Counter(tuple(tok.tokens(ids)) for ids in drawn)
    weights = {pieces: math.exp(alpha * score) for pieces, score in _segmentations("▁aaab").items()}
    assert counts.keys() <= weights.keys()
    expected = {pieces: n_samples * weight / sum(weights.values()) for pieces, weight in weights.items()}
    statistic = sum((counts[pieces] - count) ** 2 / count for pieces, count in expected.items())
    # Pearson's statistic is normal for many classes: above this once in a thousand.
    freedom = len(expected) - 1
    assert statistic < freedom + 3.1 * math.sqrt(2 * freedom) + 5


@pytest.mark.parametrize("alpha", [1e3, 1e300, 1e308])
@pytest.mark.parametrize("n_best", [None, 64])
def test_sample_with_a_large_alpha_draws_from_the_best_alone(alpha: float, n_best: int | None) -> None:
    tok = _unigram()
    # Both best ones of "▁aaab" have the score -4.75.
    scores = _segmentations("▁aaab")
    best = {pieces for pieces, score in scores.items() if score == max(scores.values())}
    drawn = tok.sample_batch(["aaab"] * 200, seed=5, alpha=alpha, n_best=n_best)
    assert {tuple(tok.tokens(ids)) for ids in drawn} == best


@given(text=st.text("ab", min_size=1, max_size=7), n=st.integers(1, 60))
def test_n_best_equals_all_segmentations_in_the_order_of_their_scores(text: str, n: int) -> None:
    tok = _unigram()
    best = tok.n_best(text, n)
    everything = _segmentations(f"▁{text}")
    assert [score for _, score in best] == pytest.approx(sorted(everything.values(), reverse=True)[:n])
    pieces = [tuple(tok.tokens(ids)) for ids, _ in best]
    assert len(set(pieces)) == len(pieces)
    assert all(everything[one] == pytest.approx(score) for one, (_, score) in zip(pieces, best, strict=True))
    assert best[0][0] == tok.encode(text)


def test_n_best_of_words_sums_theirs_and_keeps_added_tokens() -> None:
    tok = _unigram()
    best = tok.n_best("aa<s>ab b", 500, on_special="encode")
    scores = [_segmentations(word).values() for word in ("▁aa", "▁ab", "▁b")]
    assert [score for _, score in best] == pytest.approx(
        sorted(map(sum, itertools.product(*scores)), reverse=True)[:500]
    )
    assert all(ids.count(len(SCORES) + 1) == 1 for ids, _ in best)


def test_n_best_truncates_and_pads_as_encode_does() -> None:
    truncation = {"max_length": 2, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}
    padding = {
        "strategy": {"Fixed": 3},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<unk>",
    }
    tok = _unigram(truncation=truncation, padding=padding)
    assert tok.n_best("aaab", 1)[0][0] == tok.encode("aaab")
    assert all(len(ids) == 3 for ids, _ in tok.n_best("aaab", 5))
    assert len(tok.sample("aaab", seed=1)) == 3


def _word_piece() -> mg.Tokenizer:
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "a": 1},
    }
    return _unigram(model=model, pre_tokenizer={"type": "Whitespace"}, decoder=None, added_tokens=[])


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (_word_piece, {}, "only BPE and Unigram can be sampled from, and the model is WordPiece"),
        (_unigram, {"dropout": 0.1}, "dropout is for BPE"),
        (_unigram, {"alpha": -1.0}, "alpha must be at least 0 and finite"),
        (_unigram, {"alpha": math.nan}, "alpha must be at least 0 and finite"),
        (_unigram, {"n_best": 0}, "n_best must be from 1 to 1024, got 0"),
        (_unigram, {"n_best": 1025}, "n_best must be from 1 to 1024, got 1025"),
        (_unigram, {"seed": -1}, "seed must be from 0 to"),
        (_unigram, {"seed": 1 << 64}, "seed must be from 0 to"),
        (lambda: mg.train_bpe([], vocab_size=256), {}, "dropout must be given"),
        (lambda: mg.train_bpe([], vocab_size=256), {"alpha": 0.1}, "alpha and n_best are for Unigram"),
        (lambda: mg.train_bpe([], vocab_size=256), {"dropout": 1.5}, "dropout must be from 0 to 1, got 1.5"),
    ],
)
def test_sample_refuses_what_the_model_cannot_do(build: Any, options: dict[str, Any], message: str) -> None:
    tok = build()
    options = {"seed": 1, **options}
    with pytest.raises(ConfigError, match=message):
        tok.sample("a", **options)
    with pytest.raises(ConfigError, match=message):
        tok.sample_batch(["a"], **options)


@pytest.mark.parametrize(
    ("build", "n", "message"),
    [
        (_word_piece, 1, "only Unigram has n-best segmentations, and the model is WordPiece"),
        (lambda: mg.train_bpe([], vocab_size=256), 1, "the model is BPE"),
        (_unigram, 0, "n must be from 1 to 1024, got 0"),
        (_unigram, 1025, "n must be from 1 to 1024, got 1025"),
    ],
)
def test_n_best_refuses_what_the_model_cannot_do(build: Any, n: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build().n_best("a", n)
