"""Training WordPiece: equal to its specification, the same bytes on every road, errors that say where, BERT's files."""

import json
import pickle
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import child_process
import pytest
from common_checks import deadline
from definitions import TRAINING_TEXT
from hypothesis import given, settings
from hypothesis import strategies as st

import merganser as mg
from merganser.errors import ConfigError, TextError, UnsupportedError
from merganser.reference import wordpiece

CRITERIA = ["likelihood", "frequency"]
SPECIAL = list(wordpiece.SPECIAL_TOKENS)


def vocabulary(tok: mg.Tokenizer) -> list[str]:
    """The spelling of each token, by id."""
    return sorted(tokens := json.loads(tok.to_json())["model"]["vocab"], key=tokens.get)


def counts_of(words: Mapping[str | bytes, int]) -> mg.WordCounts:
    """Counts as BERT's stages would make them."""
    return mg.WordCounts.from_dict(dict(words), pre_tokenizer="bert", normalizer="bert")


def train_from(words: Mapping[str | bytes, int], **options: Any) -> mg.Tokenizer:
    """Train on word counts, as far as they go."""
    return mg.train_wordpiece(counts_of(words), **{"allow_smaller": True, "vocab_size": 1_000, **options})


def learned(words: Mapping[str | bytes, int], n_learned: int, **options: Any) -> list[str]:
    """What is learned beyond special tokens and alphabet."""
    n_first = len(SPECIAL) + len(wordpiece.alphabet([*words]))
    return vocabulary(train_from(words, vocab_size=n_first + n_learned, **options))[n_first:]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    words=st.dictionaries(
        st.text(alphabet="abcé中#", min_size=1, max_size=12), st.integers(1, 30) | st.integers(1, 2**54), max_size=12
    ),
    n_learned=st.integers(0, 40),
    min_frequency=st.integers(0, 6),
    max_token_length=st.none() | st.integers(1, 6),
    criterion=st.sampled_from(CRITERIA),
    prefix=st.sampled_from(["##", "@@", "", "a"]),
)
def test_train_equals_the_reference(
    words: dict[str, int], n_learned: int, min_frequency: int, max_token_length: int | None, criterion: str, prefix: str
) -> None:
    vocab_size = len(SPECIAL) + len(wordpiece.alphabet([*words], prefix)) + n_learned
    expected = wordpiece.train(
        words,
        vocab_size,
        criterion,
        min_frequency=min_frequency,
        prefix=prefix,
        max_token_length=max_token_length,
    )
    tok = train_from(
        words,
        vocab_size=vocab_size,
        criterion=criterion,
        min_frequency=min_frequency,
        continuing_subword_prefix=prefix,
        max_token_length=max_token_length,
    )
    assert vocabulary(tok) == expected


@settings(derandomize=True, deadline=None)
@given(
    words=st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=9), st.integers(1, 9), min_size=1, max_size=9),
    word=st.text(alphabet="abcd", min_size=1, max_size=9),
    criterion=st.sampled_from(CRITERIA),
)
def test_trained_tokenizer_encodes_as_the_reference(words: dict[str, int], word: str, criterion: str) -> None:
    tok = train_from(words, criterion=criterion, vocab_size=30)
    assert tok.tokens(tok.encode(word, add_special_tokens=False)) == wordpiece.encode(word, vocabulary(tok))


SCRIPT = """
import hashlib, json
import merganser as mg
from definitions import TRAINING_TEXT
words = TRAINING_TEXT.split(" ")
documents = [" ".join(words[n % 17 :: 1 + n % 5]) for n in range(3000)]
texts = [
    mg.train_wordpiece(documents, vocab_size=600, criterion=criterion, n_threads=n, allow_smaller=True).to_json()
    for criterion in ("frequency", "likelihood")
    for n in (1, 2, 8, None)
]
print(json.dumps([hashlib.sha256(text.encode()).hexdigest() for text in texts]))
"""


def test_train_gives_the_same_bytes_in_any_process_with_any_number_of_threads() -> None:
    first, second = (child_process.run(SCRIPT, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert (len({*first[:4]}), len({*first[4:]}), len({*first})) == (1, 1, 2)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_train_ignores_the_order_of_documents_and_of_words(criterion: str) -> None:
    documents = [part + " " for part in TRAINING_TEXT.split("\n")]
    expected = mg.train_wordpiece(documents, vocab_size=400, criterion=criterion)
    shuffled = documents.copy()
    random.Random(3).shuffle(shuffled)
    assert mg.train_wordpiece(shuffled, vocab_size=400, criterion=criterion) == expected
    backwards = dict(reversed(mg.WordCounts.count(documents, pre_tokenizer="bert", normalizer="bert").items()))
    assert vocabulary(train_from(backwards, vocab_size=400, criterion=criterion)) == vocabulary(expected)


def test_likelihood_chooses_the_largest_floor_that_fills_the_vocabulary() -> None:
    rng = random.Random(11)
    words = ("".join(rng.choices("abcde", weights=(9, 7, 4, 2, 1), k=rng.randint(1, 8))) for _ in range(300))
    counts = counts_of({word: 5_000 // rank for rank, word in enumerate(words, 1)})
    floors = []
    for vocab_size in (30, 60, 120):
        tok = mg.train_wordpiece(counts, vocab_size=vocab_size, criterion="likelihood")
        floor = tok.training_report.min_frequency
        floors.append(floor)
        again = mg.train_wordpiece(counts, vocab_size=vocab_size, criterion="likelihood", min_frequency=floor)
        assert vocabulary(again) == vocabulary(tok)
        with pytest.raises(ConfigError, match="cannot be reached"):
            mg.train_wordpiece(counts, vocab_size=vocab_size, criterion="likelihood", min_frequency=floor + 1)
    assert floors == sorted(floors, reverse=True)
    assert floors[0] > 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_counts_near_64_bits_stay_exact(criterion: str) -> None:
    # As floats, the counts of both pairs are equal, and so are their scores.
    assert learned({"ab": 2**62, "cd": 2**62 + 1}, 1, criterion="frequency") == ["cd"]
    words = {"ab": 2**62, "ac": 1, "de": 2**62, "df": 2}
    assert learned(words, 1, criterion=criterion, min_frequency=3) == ["ab"]
    words = {"ab": 2**62, "ac": 2, "de": 2**62, "df": 1}
    assert learned(words, 1, criterion="likelihood", min_frequency=3) == ["de"]
    with pytest.raises(ConfigError, match="64 bits"):
        train_from({"abbbb": 2**62}, criterion=criterion)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_vocab_size_out_of_range_tells_the_range(criterion: str) -> None:
    words = {"abc": 9, "abd": 9}
    options = {"criterion": criterion, "allow_smaller": False}
    with pytest.raises(ConfigError, match="at least 12 "):
        train_from(words, vocab_size=11, **options)
    assert train_from(words, vocab_size=12, **options).n_tokens == 12
    with pytest.raises(ConfigError, match="from 12 to 15 tokens"):
        train_from(words, vocab_size=16, **options)
    assert train_from(words, vocab_size=15, **options).n_tokens == 15


@pytest.mark.parametrize("criterion", CRITERIA)
def test_train_on_nothing_gives_the_special_tokens(criterion: str) -> None:
    for nothing in ([], [""], [" \n"], counts_of({}), counts_of({"": 5, "a": 0})):
        tok = mg.train_wordpiece(nothing, vocab_size=5, criterion=criterion)
        assert vocabulary(tok) == SPECIAL
        assert tok.tokens(tok.encode("a b", add_special_tokens=False)) == ["[UNK]", "[UNK]"]
    with pytest.raises(ConfigError, match="from 5 to 5 tokens"):
        mg.train_wordpiece([], vocab_size=6, criterion=criterion)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("word", ["a" * 1_000_000, "ab" * 500_000], ids=["one_letter", "two_letters"])
def test_one_long_word_is_left_out_and_told_or_learned_from(word: str, criterion: str) -> None:
    with deadline():
        tok = mg.train_wordpiece([word], vocab_size=100, criterion=criterion, allow_smaller=True)
        assert vocabulary(tok) == SPECIAL
        (dropped,) = tok.training_report.dropped
        assert (dropped.what, dropped.n_different, dropped.n_occurrences) == ("words of more than 100 characters", 1, 1)
        tok = mg.train_wordpiece(
            [word], vocab_size=26, criterion=criterion, max_input_chars_per_word=10**6, allow_smaller=True
        )
        assert tok.n_tokens == 26
        assert len(tok.encode(word)) < 3 + len(word) // 8


def test_alphabet_is_cut_to_the_most_frequent_characters_and_told() -> None:
    words = {"ab": 10, "cd": 5, "ce": 1, "f": 5}
    tok = train_from(words, limit_alphabet=4, vocab_size=11, criterion="frequency")
    assert vocabulary(tok)[5:] == ["a", "b", "c", "d", "##b", "##d"]
    told = {one.what: (one.n_different, one.n_occurrences) for one in tok.training_report.dropped}
    assert told == {
        "characters beyond limit_alphabet or character_coverage": (2, 6),
        "words with a character beyond the alphabet": (2, 6),
    }
    assert tok.tokens(tok.encode("cd ce", add_special_tokens=False)) == ["c", "##d", "[UNK]"]
    # a and b are 20 of 37 characters, with c they are 26.
    assert vocabulary(train_from(words, character_coverage=20 / 37))[5:7] == ["a", "b"]
    assert vocabulary(train_from(words, character_coverage=0.55))[5:8] == ["a", "b", "c"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_text_never_becomes_a_special_token(criterion: str) -> None:
    words = {"ab": 100, "abab": 90, "cab": 9}
    options = {"special_tokens": ["[UNK]", "ab", "##ab", "ca"], "criterion": criterion}
    tok = train_from(words, **options)
    tokens = vocabulary(tok)
    assert len({*tokens}) == len(tokens)
    assert tokens[:4] == options["special_tokens"]
    for word in words:
        assert not {*tok.encode(word, on_special="text", add_special_tokens=False)} & {0, 1, 2, 3}
    left_out = mg.train_wordpiece(["[MASK] ab [MASK]"], vocab_size=8, allow_smaller=True)
    assert vocabulary(left_out)[5:] == ["a", "b", "##b"]


@pytest.mark.parametrize("special_token", ["a", "##b"])
def test_special_token_that_is_a_character_is_refused(special_token: str) -> None:
    with pytest.raises(ConfigError, match=f'special_tokens must not be a character.*"{special_token}"'):
        train_from({"ab": 1}, special_tokens=["[UNK]", special_token])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "best"}, 'criterion must be "likelihood" or "frequency", got "best"'),
        ({"special_tokens": ["[CLS]"]}, "unk_token must be one of special_tokens"),
        ({"special_tokens": ["[UNK]", "[UNK]"]}, "special_tokens must be different"),
        ({"special_tokens": ["[UNK]", ""]}, "special_tokens must be different and not empty"),
        ({"character_coverage": 0.0}, "character_coverage must be above 0"),
        ({"character_coverage": float("nan")}, "character_coverage must be above 0"),
        ({"character_coverage": 1.5}, "character_coverage must be above 0"),
        ({"vocab_size": 0}, "vocab_size must be at least 1"),
        ({"vocab_size": 2**40}, "vocab_size must be at most"),
        ({"min_frequency": -1}, "min_frequency must be at least 0"),
        ({"limit_alphabet": 0}, "limit_alphabet must be at least 1"),
        ({"max_token_length": 0}, "max_token_length must be at least 1"),
        ({"max_input_chars_per_word": 0}, "max_input_chars_per_word must be at least 1"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_from({"ab": 3}, **options)


@pytest.mark.parametrize(
    "pre_tokenizer",
    ["gpt2", "cl100k", {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}],
)
def test_byte_level_pre_tokenizer_is_refused(pre_tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="needs a pre_tokenizer that is not byte-level"):
        mg.train_wordpiece(["a b c"] * 9, vocab_size=20, pre_tokenizer=pre_tokenizer)


def test_words_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"word 1 of the counts.*not UTF-8 at byte 1"):
        train_from({b"a": 1, b"a\xff": 2})
    with pytest.raises(TextError, match="2: "):
        mg.train_wordpiece(["fine", "fine", b"\xff"], vocab_size=10)
    with pytest.raises(TypeError, match="many texts"):
        mg.train_wordpiece("text", vocab_size=10)
    with pytest.raises(ConfigError, match="count anew"):
        mg.train_wordpiece(counts_of({"a": 1}), vocab_size=10, normalizer="bert-cased")


@pytest.mark.parametrize("criterion", CRITERIA)
def test_progress_is_told_to_its_end(criterion: str) -> None:
    told: list[tuple[int, int | None, str]] = []
    mg.train_wordpiece([TRAINING_TEXT], vocab_size=300, criterion=criterion, progress=lambda *now: told.append(now))
    assert {phase for _, _, phase in told} == {"count", "gather", "merge"}
    done, total, _ = told[-1]
    assert done == total


def test_trained_tokenizer_is_as_berts() -> None:
    tok = mg.train_wordpiece([TRAINING_TEXT], vocab_size=400)
    assert mg.Tokenizer.from_json(tok.to_json()) == tok
    assert pickle.loads(pickle.dumps(tok)) == tok
    parts = json.loads(tok.to_json())
    kinds = {
        name: parts[name]["type"] for name in ("normalizer", "pre_tokenizer", "model", "decoder", "post_processor")
    }
    assert kinds == {
        "normalizer": "BertNormalizer",
        "pre_tokenizer": "BertPreTokenizer",
        "model": "WordPiece",
        "decoder": "WordPiece",
        "post_processor": "TemplateProcessing",
    }
    tokens = tok.tokens(tok.encode("The dog"))
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    plain = mg.train_wordpiece([TRAINING_TEXT], vocab_size=400, special_tokens=["[UNK]"])
    assert "[CLS]" not in plain.tokens(plain.encode("The dog"))


@pytest.mark.parametrize("normalizer", ["bert", "bert-cased"])
def test_vocab_txt_gives_the_tokenizer_back(normalizer: str, tmp_path: Path) -> None:
    tok = mg.train_wordpiece([TRAINING_TEXT], vocab_size=400, normalizer=normalizer)
    tok.save(tmp_path / "vocab.txt")
    assert (tmp_path / "vocab.txt").read_text("utf-8").split("\n")[:-1] == vocabulary(tok)
    again = mg.Tokenizer.load(tmp_path / "vocab.txt", lowercase=normalizer == "bert")
    assert vocabulary(again) == vocabulary(tok)
    text = "The Café déjà-vu, 中文 unfathomable!"
    assert again.encode(text) == tok.encode(text)
    assert again.decode(again.encode(text)) == tok.decode(tok.encode(text))


def test_vocab_txt_refuses_what_it_would_lose(tmp_path: Path) -> None:
    for options in (
        {"continuing_subword_prefix": "@@"},
        {"max_input_chars_per_word": 50},
        {"pre_tokenizer": "whitespace"},
    ):
        tok = mg.train_wordpiece([TRAINING_TEXT], vocab_size=400, **options)
        with pytest.raises(UnsupportedError):
            tok.save(tmp_path / "vocab.txt")
