"""The reference WordPiece does what its head says: worked example, ties, options, greedy encoding."""

import doctest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.reference import wordpiece

CRITERIA = ["likelihood", "frequency"]
word_counts = st.dictionaries(
    st.text(alphabet="abc", min_size=1, max_size=12), st.integers(min_value=1, max_value=20), max_size=10
)


def train_small(counts: dict[str, int], n_learned: int, **options: Any) -> list[str]:
    """What is learned beyond the alphabet."""
    alphabet = wordpiece.alphabet(list(counts))
    special_tokens = options.pop("special_tokens", ["[UNK]"])
    size = len(special_tokens) + len(alphabet)
    tokens = wordpiece.train(counts, size + n_learned, special_tokens=special_tokens, **options)
    assert tokens[:size] == [*special_tokens, *alphabet]
    return tokens[size:]


def test_module_examples_hold() -> None:
    result = doctest.testmod(wordpiece)
    assert result.attempted > 0
    assert result.failed == 0


def test_likelihood_takes_what_never_stands_apart_however_rare() -> None:
    counts = {"ab": 100, "ac": 100, "cb": 100, "xy": 1}
    assert train_small(counts, 1, criterion="likelihood") == ["xy"]
    assert train_small(counts, 1, criterion="likelihood", min_frequency=2) == ["ac"]
    assert train_small(counts, 1, criterion="frequency") == ["ab"]


def test_likelihood_of_a_pair_can_rise_as_its_tokens_get_rarer() -> None:
    # (b, ##c) has 4 / (9 * 4) at first; once (b, ##a) is joined, b is left with 4, and the pair has 4 / (4 * 4).
    counts = {"ba": 5, "bc": 4}
    assert train_small(counts, 2, criterion="likelihood") == ["ba", "bc"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_ties_go_to_the_smaller_left_then_right_id(criterion: str) -> None:
    assert train_small({"ba": 2, "ab": 2}, 1, criterion=criterion) == ["ab"]
    assert train_small({"ac": 2, "ab": 2}, 1, criterion=criterion) == ["ab"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_pair_spelled_like_a_token_is_never_joined(criterion: str) -> None:
    assert "ab" not in train_small({"ab": 3, "abc": 1}, 9, criterion=criterion, special_tokens=["[UNK]", "ab"])
    # "#" and "##" begin a word here, so that "##a" could be made of text.
    learned = train_small({"###a": 3, "ba": 1}, 9, criterion=criterion)
    assert len({*learned}) == len(learned)
    assert "##a" not in learned


@settings(derandomize=True, deadline=None)
@given(
    counts=word_counts,
    n_learned=st.integers(0, 40),
    max_token_length=st.none() | st.integers(1, 6),
    criterion=st.sampled_from(CRITERIA),
)
def test_tokens_are_distinct_short_and_enough_for_every_word(
    counts: dict[str, int], n_learned: int, max_token_length: int | None, criterion: str
) -> None:
    learned = train_small(counts, n_learned, max_token_length=max_token_length, criterion=criterion)
    tokens = ["[UNK]", *wordpiece.alphabet(list(counts)), *learned]
    assert len({*tokens}) == len(tokens)
    assert all(len(token.removeprefix("##")) <= (max_token_length or 99) for token in learned)
    for word in counts:
        pieces = wordpiece.encode(word, tokens)
        assert "".join(piece.removeprefix("##") for piece in pieces) == word


def test_encode_takes_the_longest_and_gives_up_a_word_as_a_whole() -> None:
    tokens = ["[UNK]", "a", "ab", "##b", "##c", "##bc"]
    assert wordpiece.encode("abc", tokens) == ["ab", "##c"]
    assert wordpiece.encode("abbc", tokens) == ["ab", "##bc"]
    assert wordpiece.encode("abd", tokens) == ["[UNK]"]
    assert wordpiece.encode("abc", tokens, max_chars=2) == ["[UNK]"]
    assert wordpiece.encode("", tokens) == []
