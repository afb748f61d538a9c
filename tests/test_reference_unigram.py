"""The executable specification of Unigram: its examples, and what every training keeps."""

import doctest
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.reference import unigram

counts = st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=6), st.integers(1, 50), min_size=1, max_size=8)


def test_module_examples_hold() -> None:
    result = doctest.testmod(unigram)
    assert result.attempted > 0
    assert result.failed == 0


def test_expected_counts_follow_the_worked_example() -> None:
    scores = dict.fromkeys(["h", "u", "g", "ug"], math.log(1 / 4))
    assert unigram.expected_counts({"hug": 10}, scores, 16) == pytest.approx({"h": 10, "u": 2, "g": 2, "ug": 8})


def test_digamma_gives_known_values() -> None:
    assert unigram.digamma(1) == pytest.approx(-0.5772156649015329, rel=1e-13)
    assert unigram.digamma(0.5) == pytest.approx(-1.9635100260214235, rel=1e-13)


def test_seeds_leave_out_what_is_always_followed_by_the_same() -> None:
    assert set(unigram.seeds({"abc": 2, "abd": 1}, 16, 100)) == {"a", "b", "c", "d", "ab", "abc", "bc"} | {"b"}
    assert "ab" not in unigram.seeds({"abc": 5}, 16, 100)
    assert "a\u2581" not in unigram.seeds({"a\u2581": 5}, 16, 100)


@settings(derandomize=True, deadline=None)
@given(words=counts)
def test_best_cut_matches_naive(words: dict[str, int]) -> None:
    scores = unigram.seeds(words, 4, 100)
    for word in words:
        pieces, score = unigram.best_cut(word, scores, 4)
        assert "".join(pieces) == word
        best = -math.inf
        for borders in itertools.product([False, True], repeat=len(word) - 1):
            cuts = [0, *(place for place, is_border in enumerate(borders, start=1) if is_border), len(word)]
            parts = [word[start:end] for start, end in itertools.pairwise(cuts)]
            best = max(best, sum(scores.get(part, -math.inf) for part in parts))
        assert score == pytest.approx(best, rel=1e-5)


@settings(derandomize=True, deadline=None)
@given(words=counts, n_longer=st.integers(0, 20))
def test_train_gives_every_character_and_no_more_than_asked(words: dict[str, int], n_longer: int) -> None:
    characters = set().union(*words)
    trained = unigram.train(words, len(characters) + n_longer)
    assert characters <= {piece for piece, _ in trained}
    assert len(trained) == len(dict(trained)) <= len(characters) + n_longer
    assert [score for _, score in trained] == pytest.approx(sorted((score for _, score in trained), reverse=True))
