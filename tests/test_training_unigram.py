"""`train_unigram`: equal to its executable specification, the same on every road, and clear about what it cannot do."""

import json
import math
import random
from typing import Any

import child_process
import pytest
from common_checks import deadline
from definitions import TRAINING_TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

import merganser as mg
from merganser.errors import ConfigError, DisallowedSpecialError
from merganser.reference import unigram

WORDS = st.text(alphabet="\u2581abcde", min_size=1, max_size=12)
COUNTS = st.dictionaries(WORDS, st.integers(1, 100_000), min_size=1, max_size=30)


def pieces_of(tok: mg.Tokenizer) -> list[tuple[str, float]]:
    """The vocabulary with its scores."""
    return [(piece, score) for piece, score in json.loads(tok.to_json())["model"]["vocab"]]


def train_from(counts: dict[str, int], **options: Any) -> mg.Tokenizer:
    """Train on word counts, every character a piece."""
    words: dict[str | bytes, int] = {word: count for word, count in counts.items()}  # noqa: C416  # other key type
    options = {"character_coverage": 1.0, "unk_token": None} | options
    return mg.train_unigram(mg.WordCounts.from_dict(words, pre_tokenizer="metaspace"), **options)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(counts=COUNTS, n_longer=st.integers(1, 40), max_length=st.integers(2, 16), seed_size=st.integers(1, 300))
def test_train_equals_the_reference(counts: dict[str, int], n_longer: int, max_length: int, seed_size: int) -> None:
    n_pieces = len(set().union(*counts)) + n_longer
    expected = unigram.train(counts, n_pieces, max_length, seed_size)
    tok = train_from(
        counts, vocab_size=n_pieces, max_piece_length=max_length, seed_size=seed_size, allow_smaller=True, n_threads=2
    )
    trained = pieces_of(tok)
    assert [piece for piece, _ in trained] == [piece for piece, _ in expected]
    assert [score for _, score in trained] == pytest.approx([score for _, score in expected], rel=1e-9)


def test_train_equals_the_reference_when_words_are_long() -> None:
    rng = random.Random(5)
    counts = {"".join(rng.choices("abcdefgh", k=length)) + "ab" * 30: 3 * length for length in range(1, 90, 4)}
    trained = pieces_of(train_from(counts, vocab_size=60, seed_size=500, allow_smaller=True))
    expected = unigram.train(counts, 60, 16, 500)
    assert [piece for piece, _ in trained] == [piece for piece, _ in expected]
    assert [score for _, score in trained] == pytest.approx([score for _, score in expected], rel=1e-9)


def test_train_gives_the_most_probable_segmentation() -> None:
    counts = {"\u2581low": 50, "\u2581lower": 30, "\u2581lowest": 20, "\u2581newest": 10}
    tok = train_from(counts, vocab_size=12)
    scores = dict(pieces_of(tok))
    cut, _ = unigram.best_cut("\u2581lowest", scores, 16)
    assert tok.tokens(tok.encode("lowest")) == cut


SCRIPT = """
import hashlib, json
import merganser as mg
from definitions import TRAINING_TEXT
words = TRAINING_TEXT.split(" ")
documents = [" ".join(words[n % 17 :: 1 + n % 5]) for n in range(3000)]
texts = [
    mg.train_unigram(documents, vocab_size=180, n_threads=n_threads, special_tokens=["<|end|>"], **options).to_json()
    for options in ({}, {"line_end": "\\n", "normalizer": "nfkc"})
    for n_threads in (1, 2, 8, None)
]
print(json.dumps([hashlib.sha256(text.encode()).hexdigest() for text in texts]))
"""


def test_train_gives_the_same_bytes_in_any_process_with_any_number_of_threads() -> None:
    first, second = (child_process.run(SCRIPT, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert len(set(first[:4])) == len(set(first[4:])) == 1
    assert len(set(first)) == 2


def test_train_ignores_the_order_of_words() -> None:
    counts = {
        word.decode(): count for word, count in mg.WordCounts.count([TRAINING_TEXT], pre_tokenizer="metaspace").items()
    }
    backwards = dict(reversed(counts.items()))
    assert train_from(backwards, vocab_size=190).to_json() == train_from(counts, vocab_size=190).to_json()


def test_train_puts_unk_and_special_tokens_first() -> None:
    tok = mg.train_unigram([TRAINING_TEXT] * 3, vocab_size=220, special_tokens=["<pad>", "<s>"])
    assert [piece for piece, _ in pieces_of(tok)[:3]] == ["<unk>", "<pad>", "<s>"]
    assert tok.n_tokens == 220
    tok = mg.train_unigram([TRAINING_TEXT] * 3, vocab_size=220, special_tokens=["<pad>", "<unk>"])
    assert [piece for piece, _ in pieces_of(tok)[:2]] == ["<pad>", "<unk>"]
    assert json.loads(tok.to_json())["model"]["unk_id"] == 1


def test_train_never_makes_a_piece_of_a_special_token() -> None:
    counts = {"\u2581low": 50, "\u2581lower": 30}
    tok = train_from(counts, vocab_size=11, special_tokens=["\u2581low"], allow_smaller=True)
    assert [piece for piece, _ in pieces_of(tok)].count("\u2581low") == 1
    with pytest.raises(DisallowedSpecialError):
        tok.encode("\u2581low")


def test_train_keeps_required_pieces_and_characters() -> None:
    counts = {"\u2581low": 50, "\u2581lower": 30}
    tok = train_from(counts, vocab_size=20, required_pieces=["owe", "xyz"], required_characters="q", allow_smaller=True)
    assert {"owe", "xyz", "q", "x", "y", "z"} <= {piece for piece, _ in pieces_of(tok)}
    assert all(math.isfinite(score) for _, score in pieces_of(tok))


def test_byte_fallback_gives_back_every_text() -> None:
    tok = mg.train_unigram([TRAINING_TEXT] * 2, vocab_size=430, byte_fallback=True, character_coverage=0.9)
    for text in (TRAINING_TEXT, "\U0001f9ff nie gesehen \x00\x07", "<0x41><0xFF> <0x", "two  spaces  "):
        assert tok.decode(tok.encode(text)) == text
    assert tok.token_bytes(tok.token_to_id("<0x41>") or 0) == b"A"


def test_byte_level_pieces_need_no_unk_token() -> None:
    tok = mg.train_unigram([TRAINING_TEXT] * 3, vocab_size=350, pre_tokenizer="gpt2", unk_token=None)
    for text in (TRAINING_TEXT, "\U0001f9ff nie gesehen \x00\x07"):
        assert tok.decode(tok.encode(text)) == text


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({}, set()),
        ({"split_by_number": False}, {"a1"}),
        ({"split_by_unicode_script": False}, {"a1", "a\u0431", "a."}),
        ({"split_by_unicode_script": False, "split_digits": True}, {"a\u0431", "a."}),
    ],
)
def test_train_keeps_pieces_within_scripts(options: dict[str, bool], allowed: set[str]) -> None:
    counts = {"a1": 1000, "a\u0431": 1000, "a.": 1000, "\u65e5\u306e": 1000, "e\u0301a": 1000}
    pieces = {piece for piece, _ in pieces_of(train_from(counts, vocab_size=13, allow_smaller=True, **options))}
    assert pieces & {"a1", "a\u0431", "a."} == allowed
    assert {"\u65e5\u306e", "e\u0301a"} <= pieces


def test_train_leaves_out_rare_characters_and_says_so() -> None:
    documents = ["aaaa bbbb abab"] * 100 + ["\u6771"]
    tok = mg.train_unigram(documents, vocab_size=8, character_coverage=0.99, allow_smaller=True)
    assert "\u6771" not in {piece for piece, _ in pieces_of(tok)}
    report = tok.training_report
    assert report is not None
    assert [(dropped.n_different, dropped.n_occurrences) for dropped in report.dropped] == [(1, 1)]
    assert tok.encode("\u6771")[-1] == 0


def test_train_says_what_sizes_are_possible() -> None:
    with pytest.raises(ConfigError, match=r"vocab_size must be at least 5, for 4 characters, .* got 3"):
        mg.train_unigram(["abab cc"], vocab_size=3, character_coverage=1)
    with pytest.raises(ConfigError, match=r"vocab_size 500 cannot be reached: .* at least 5 and at most [0-9]+ tokens"):
        mg.train_unigram(["abab cc"], vocab_size=500, character_coverage=1)
    with pytest.raises(ConfigError, match="at most 1 tokens"):
        mg.train_unigram([], vocab_size=500)
    assert mg.train_unigram([], vocab_size=500, allow_smaller=True).n_tokens == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"character_coverage": 1.5}, "character_coverage must be from 0 to 1, got 1.5"),
        ({"character_coverage": math.nan}, "character_coverage must be from 0 to 1, got NaN"),
        ({"shrinking_factor": 1.0}, "shrinking_factor must be from 0.1 to 0.99, got 1"),
        ({"max_piece_length": 0}, "max_piece_length must be at least 1"),
        ({"max_piece_length": 251}, "max_piece_length must be from 1 to 250, got 251"),
        ({"n_sub_iterations": 0}, "n_sub_iterations must be at least 1"),
        ({"seeds": "words"}, "seeds must be .* got 'words'"),
        ({"seeds": "bpe", "pre_tokenizer": "gpt2", "unk_token": None}, "seeds of BPE are made of characters"),
        ({"seed_size": 0}, "seed_size must be at least 1"),
        ({"line_end": "ab"}, "line_end must be one character or None, got 'ab'"),
        ({"required_pieces": [""]}, "required_pieces must not be empty"),
        ({"special_tokens": ["<s>", "<s>"]}, 'special_tokens must be different and not empty, got "<s>"'),
        ({"special_tokens": ["<0x41>"], "byte_fallback": True}, 'must not be byte tokens .* got "<0x41>"'),
        ({"unk_token": None, "byte_fallback": True}, "byte_fallback needs an unk_token"),
        ({"pre_tokenizer": "gpt2", "byte_fallback": True}, "byte_fallback must be false with a byte-level"),
    ],
)
def test_train_refuses_an_option_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mg.train_unigram(["abab"], vocab_size=300, **options)


@pytest.mark.parametrize(("seeds", "longer"), [("suffix-array", {"abcdef"}), ("bpe", {"ab"})])
def test_train_starts_from_substrings_or_bpe_tokens(seeds: str, longer: set[str]) -> None:
    tok = train_from({"abcdef": 10, "ab": 5}, vocab_size=7, seeds=seeds, seed_size=1)
    assert {piece for piece, _ in pieces_of(tok) if len(piece) > 1} == longer


def test_train_refuses_words_that_are_no_text() -> None:
    counts = mg.WordCounts.from_dict({b"\xff\xfe": 3}, pre_tokenizer="metaspace")
    with pytest.raises(ConfigError, match="a word must be UTF-8 text"):
        mg.train_unigram(counts, vocab_size=10)


def test_train_is_linear_in_one_long_word() -> None:
    with deadline(60):
        tok = train_from({"a" * 2_000_000: 1}, vocab_size=6, allow_smaller=True)
        assert {"a", "a" * 16} <= {piece for piece, _ in pieces_of(tok)}
        rng = random.Random(3)
        tok = train_from({"".join(rng.choices("acgt", k=500_000)): 1}, vocab_size=200, seed_size=5_000)
        assert tok.n_tokens == 200


def test_train_keeps_counts_of_64_bits() -> None:
    counts = {"\u2581aa": 2**62, "\u2581ab": 2**62 + 5, "\u2581cab": 3}
    small = {"\u2581aa": 2**32, "\u2581ab": 2**32 + 5, "\u2581cab": 3}
    large, smaller = (train_from(words, vocab_size=7, allow_smaller=True) for words in (counts, small))
    assert {piece for piece, _ in pieces_of(large)} == {piece for piece, _ in pieces_of(smaller)}
    assert all(math.isfinite(score) for _, score in pieces_of(large))


def test_train_tells_progress() -> None:
    told: list[tuple[int, int | None, str]] = []
    mg.train_unigram(
        [TRAINING_TEXT] * 20, vocab_size=210, progress=lambda done, total, phase: told.append((done, total, phase))
    )
    assert {"count", "prune"} <= {phase for _, _, phase in told} <= {"count", "gather", "seed", "em", "prune"}


def test_train_stops_when_interrupted() -> None:
    stopped = child_process.interrupt(
        """
        import random
        import merganser as mg
        rng = random.Random(1)
        counts = {"".join(rng.choices("abcdefghijklmnop", k=rng.randrange(5, 40))): 2 for _ in range(150_000)}
        counts = mg.WordCounts.from_dict(counts, pre_tokenizer="metaspace")
        print("ready")
        try:
            mg.train_unigram(counts, vocab_size=1000)
        except KeyboardInterrupt:
            print(now())
            print(json.dumps("stopped"))
        """,
        after_seconds=0.5,
    )
    assert stopped.result == "stopped"
    assert stopped.seconds < 1.0


def test_trained_tokenizer_is_that_of_its_json() -> None:
    tok = mg.train_unigram([TRAINING_TEXT] * 3, vocab_size=210, special_tokens=["<|end|>"], normalizer="nfkc")
    again = mg.Tokenizer.from_json(tok.to_json())
    assert again == tok
    assert again.to_json() == tok.to_json()
