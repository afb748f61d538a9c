"""The reference BPE does what its head says: worked example, round trip, ties, repeats, options, golden cases."""

import doctest
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.reference import bpe

VECTORS = Path(__file__).parent / "vectors"
BYTE_OF_CHARACTER = {character: byte for byte, character in bpe.byte_characters().items()}
PATTERN_NAMES = sorted(bpe.PATTERNS)

TRICKY_CHARACTERS = st.sampled_from(" \t\n\r'stS\u017fLlé中1²\u0301\u00a0!/\u0000🙂")
word_counts = st.dictionaries(
    st.text(alphabet="abc", min_size=1, max_size=12).map(str.encode),
    st.integers(min_value=1, max_value=20),
    max_size=10,
)


def read_cases(name: str) -> list[Any]:
    """Read the golden cases of a file as pytest parameters; its first line is the header."""
    lines = (VECTORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["name"]) for case in map(json.loads, lines[1:])]


def unspell(spelling: str) -> bytes:
    """Turn GPT-2's spelling of bytes back into bytes."""
    return bytes(BYTE_OF_CHARACTER[character] for character in spelling)


def train_small(counts: dict[bytes, int], n_merges: int, **options: Any) -> bpe.Vocabulary:
    """Train over the bytes seen alone, so that expected values stay short."""
    n_bytes = len(set().union(*counts))
    return bpe.train(counts, vocab_size=n_bytes + n_merges, initial_alphabet=b"", **options)


def test_module_examples_hold() -> None:
    result = doctest.testmod(bpe)
    assert result.attempted > 0
    assert result.failed == 0


def test_byte_characters_are_distinct_and_printable() -> None:
    characters = bpe.byte_characters()
    assert len(set(characters.values())) == 256
    assert all(character.isprintable() and not character.isspace() for character in characters.values())
    assert (characters[0x20], characters[0x0A], characters[0x41], characters[0xAD]) == ("Ġ", "Ċ", "A", "Ń")


def test_train_follows_the_worked_example() -> None:
    vocabulary = bpe.train(bpe.count_words(["banana bandana"], "gpt2"), vocab_size=259)
    assert vocabulary.tokens[256:] == [b"an", b"ban", b"ana"]
    assert bpe.encode("banana bandana", vocabulary, "gpt2")[:2] == [257, 258]


def test_train_orders_the_alphabet_by_printable_character() -> None:
    tokens = bpe.train({}, vocab_size=0).tokens
    assert len(tokens) == 256
    assert tokens[0] == b"!"
    assert tokens[93:95] == [b"~", b"\xa1"]
    assert tokens[187:190] == [b"\xff", b"\x00", b"\x01"]
    assert tokens[220] == b" "
    assert tokens[255] == b"\xad"


def test_train_breaks_ties_by_smaller_left_then_right_id() -> None:
    assert train_small({b"ba": 2, b"ab": 2}, 1).merges == [(b"a", b"b")]
    assert train_small({b"ac": 2, b"ab": 2}, 1).merges == [(b"a", b"b")]
    assert train_small({b" b": 2, b"ab": 2}, 1).merges == [(b"a", b"b")]


def test_train_joins_from_the_left_when_a_letter_repeats() -> None:
    vocabulary = train_small({b"aaaaa": 1}, 10)
    assert vocabulary.merges == [(b"a", b"a"), (b"aa", b"a"), (b"aa", b"aaa")]


def test_train_puts_special_tokens_first_and_once() -> None:
    vocabulary = train_small({b"abab": 1}, 3, special_tokens=["<|end|>", "<|pad|>", "<|end|>"])
    assert vocabulary.tokens == [b"<|end|>", b"<|pad|>", b"a", b"b", b"ab"]


def test_train_never_joins_a_pair_with_the_bytes_of_a_special_token() -> None:
    vocabulary = train_small({b"abab": 3, b"ac": 1}, 9, special_tokens=["ab"])
    assert vocabulary.tokens == [b"ab", b"a", b"b", b"c", b"ba", b"aba", b"abab", b"ac"]
    assert vocabulary.merges == [(b"b", b"a"), (b"a", b"ba"), (b"aba", b"b"), (b"a", b"c")]


@pytest.mark.parametrize(("min_frequency", "n_merges"), [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)])
def test_train_stops_below_min_frequency(min_frequency: int, n_merges: int) -> None:
    vocabulary = train_small({b"ab": 3, b"cd": 2, b"ef": 1}, 9, min_frequency=min_frequency)
    assert len(vocabulary.merges) == n_merges


@pytest.mark.parametrize(("max_token_length", "longest"), [(1, 1), (2, 2), (3, 2), (4, 4), (7, 4), (8, 8), (None, 8)])
def test_train_keeps_products_within_max_token_length(max_token_length: int | None, longest: int) -> None:
    vocabulary = train_small({b"abababab": 3}, 9, max_token_length=max_token_length)
    assert max(map(len, vocabulary.tokens)) == longest


@settings(derandomize=True, deadline=None)
@given(counts=word_counts, n_merges=st.integers(0, 60), max_token_length=st.none() | st.integers(1, 6))
def test_train_makes_each_token_by_one_merge(
    counts: dict[bytes, int], n_merges: int, max_token_length: int | None
) -> None:
    tokens, merges = train_small(counts, n_merges, max_token_length=max_token_length)
    assert [left + right for left, right in merges] == tokens[len(tokens) - len(merges) :]
    assert len(set(tokens)) == len(tokens)
    assert all(max_token_length is None or len(token) <= max(1, max_token_length) for token in tokens)


@settings(derandomize=True, deadline=None)
@given(counts=word_counts, n_merges=st.integers(0, 30))
def test_train_ignores_the_order_of_words(counts: dict[bytes, int], n_merges: int) -> None:
    backwards = dict(reversed(counts.items()))
    assert train_small(backwards, n_merges) == train_small(counts, n_merges)


@settings(derandomize=True, deadline=None)
@given(text=st.text(), pattern=st.sampled_from(PATTERN_NAMES), ignore_merges=st.booleans())
def test_decode_gives_back_the_bytes_of_any_text(text: str, pattern: str, ignore_merges: bool) -> None:
    vocabulary = bpe.train(bpe.count_words([text], pattern), vocab_size=266)
    assert bpe.decode(bpe.encode(text, vocabulary, pattern, ignore_merges), vocabulary) == text.encode()


@settings(derandomize=True, deadline=None)
@given(text=st.text(alphabet=TRICKY_CHARACTERS | st.characters(codec="utf-8")))
def test_pre_tokenize_covers_any_text_in_order(text: str) -> None:
    for pattern in PATTERN_NAMES:
        pieces = bpe.pre_tokenize(text, pattern)
        assert b"".join(pieces) == text.encode()
        assert all(pieces)
        assert bpe.count_words([text, text], pattern) == Counter(pieces + pieces)


def test_encode_takes_the_lowest_rank_first_and_the_leftmost_on_ties() -> None:
    tokens = [b"a", b"b", b"c", b"bc", b"ab", b"abab"]
    assert bpe.encode("abc", bpe.Vocabulary(tokens, [(b"b", b"c"), (b"a", b"b")]), "gpt2") == [0, 3]
    assert bpe.encode("aaa", bpe.Vocabulary([b"a", b"aa"], [(b"a", b"a")]), "gpt2") == [1, 0]


def test_encode_takes_a_whole_pre_token_when_merges_are_ignored() -> None:
    vocabulary = bpe.Vocabulary([b"a", b"b", b"ab"], [])
    assert bpe.encode("ab", vocabulary, "gpt2") == [0, 1]
    assert bpe.encode("ab", vocabulary, "gpt2", ignore_merges=True) == [2]


def test_encode_raises_when_a_byte_has_no_token() -> None:
    with pytest.raises(KeyError):
        bpe.encode("b", bpe.Vocabulary([b"a"], []), "gpt2")


@pytest.mark.parametrize("case", read_cases("bpe_train"))
def test_train_equals_golden_case(case: dict[str, Any]) -> None:
    options = dict(case["options"])
    if options["initial_alphabet"] is None:
        del options["initial_alphabet"]
    tokens, merges = bpe.train({word.encode(): count for word, count in case["words"]}, **options)
    special_tokens = [token.encode() for token in options["special_tokens"]]
    assert tokens == special_tokens + [unspell(token) for token in case["tokens"][len(special_tokens) :]]
    assert merges == [(unspell(left), unspell(right)) for left, right in case["merges"]]


@pytest.mark.parametrize("case", read_cases("pre_tokenize"))
def test_pre_tokenize_equals_golden_case(case: dict[str, Any]) -> None:
    assert [piece.decode() for piece in bpe.pre_tokenize(case["text"], case["pattern"])] == case["pieces"]


@pytest.mark.parametrize("case", read_cases("bpe_encode"))
def test_encode_equals_golden_case(case: dict[str, Any]) -> None:
    merges = [(unspell(left), unspell(right)) for left, right in case["merges"]]
    vocabulary = bpe.Vocabulary([unspell(token) for token in case["tokens"]], merges)
    assert bpe.encode(case["text"], vocabulary, case["pattern"], case["ignore_merges"]) == case["ids"]
    assert bpe.decode(case["ids"], vocabulary) == case["text"].encode()
