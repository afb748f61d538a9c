"""Bad and extreme input, for every trainer: never an abort nor a silent skip, and errors say where and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from common_checks import deadline
from definitions import TRAINING_TEXT
from trainers import OF_COUNTS, TRAINERS, counts_for, report_of

import merganser as mg
from merganser.errors import ConfigError, TextError

EVERY = pytest.mark.parametrize("name", TRAINERS)
EVERY_OF_COUNTS = pytest.mark.parametrize("name", OF_COUNTS)
TEXTS = [TRAINING_TEXT] * 3


def outcome(train: Callable[[], mg.Tokenizer]) -> str:
    """What the error says; "ab" or nothing, if there is a tokenizer, by whether it is in the vocabulary."""
    try:
        tok = train()
    except ConfigError as error:
        return str(error)
    assert tok.n_tokens < 400
    return "ab" if {"ab", "\u2581ab"} & {tok.token_text(i) for i in range(tok.n_tokens)} else ""


@EVERY
@pytest.mark.parametrize("nothing", [[], [""], ["", ""]], ids=str)
def test_no_text_gives_the_alphabet_or_an_error(name: str, nothing: list[str]) -> None:
    if name.startswith("sentencepiece"):
        with pytest.raises(ConfigError, match="no text to learn from"):
            TRAINERS[name](iter(nothing))
        return
    report = report_of(TRAINERS[name](iter(nothing)))
    assert (report.n_words, report.n_learned) == (0, 0)
    with pytest.raises(ConfigError, match=r"cannot be reached: these word counts give .*\d"):
        TRAINERS[name](nothing, allow_smaller=False)


@EVERY_OF_COUNTS
@pytest.mark.parametrize("option", ["allow_smaller", "min_count"])
def test_options_of_another_type_are_refused_by_name(name: str, option: str) -> None:
    with pytest.raises(TypeError, match=option):
        TRAINERS[name](TEXTS, **{option: None})


def test_arguments_of_another_type_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="criterion"):
        mg.train_wordpiece(TEXTS, vocab_size=100, criterion=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="initial_alphabet"):
        mg.train_bpe(TEXTS, vocab_size=300, initial_alphabet="ab")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="start"):
        mg.Superwords(start=None)  # type: ignore[arg-type]


@EVERY
def test_ten_million_times_one_character(name: str) -> None:
    # Unigram takes about a second for a million, and ten for ten.
    with deadline(60):
        tok = TRAINERS[name](["a" * (10**6 if "unigram" in name else 10**7)])
    report = report_of(tok)
    if name.startswith("wordpiece"):
        (dropped,) = report.dropped
        assert (dropped.n_different, dropped.n_occurrences) == (1, 1)
        assert "100" in dropped.what
    elif name == "bpe":
        assert tok.decode(tok.encode("aaaaa")) == "aaaaa"
        assert not report.dropped
    elif name != "bpe_characters":
        # The mark of the space before it is one character of a million.
        (dropped,) = report.dropped
        assert (dropped.what, dropped.n_different) == ("characters beyond character_coverage 0.9995", 1)


LINE = f"{TRAINING_TEXT} ".replace("\n", " ")


@pytest.mark.parametrize("name", ["bpe", "wordpiece", "unigram", "sentencepiece_unigram"])
def test_one_line_of_fifty_million_bytes(name: str) -> None:
    n_times = 50_000_000 // len(LINE.encode()) + 1
    with deadline(60):
        report = report_of(TRAINERS[name]([LINE * n_times]))
    expected = report_of(TRAINERS[name]([LINE]))
    assert report.n_occurrences >= (n_times - 1) * (expected.n_occurrences - 2)
    assert report.n_words <= expected.n_words + 2


def feasible(message: str) -> tuple[int, int]:
    """The range that a message tells."""
    least = re.search(r"(?:at least|from) (\d+)", message)
    most = re.search(r"(?:at most|no more than|to) (\d+)", message)
    assert least, message
    assert most, message
    return int(least[1]), int(most[1])


@EVERY
def test_a_vocabulary_too_small_or_too_large_tells_the_feasible_range(name: str) -> None:
    train = TRAINERS[name]
    with pytest.raises(ConfigError, match=r"vocab_size.*got 4") as too_small:
        train(TEXTS, vocab_size=4, special_tokens=["<a>", "<b>", "[UNK]", "<c>", "<d>"], allow_smaller=False)
    least, bound = feasible(str(too_small.value))
    options = {"special_tokens": ["<a>", "<b>", "[UNK]", "<c>", "<d>"], "allow_smaller": False}
    assert train(TEXTS, vocab_size=least, **options).n_tokens == least
    with pytest.raises(ConfigError, match=f"vocab_size.*got {least - 1}"):
        train(TEXTS, vocab_size=least - 1, **options)
    if name == "sentencepiece_char":
        assert train(TEXTS, vocab_size=bound, **options).n_tokens == bound
        return
    with pytest.raises(ConfigError, match="vocab_size 1000000 cannot be reached") as too_large:
        train(TEXTS, vocab_size=1_000_000, **options)
    least_again, most = feasible(str(too_large.value))
    assert (least_again, most <= bound) == (least, True)
    assert train(TEXTS, vocab_size=most, **options).n_tokens == most


@EVERY_OF_COUNTS
@pytest.mark.parametrize("count", [-1, 1 << 64, 1 << 70])
def test_counts_out_of_range_are_refused(name: str, count: int) -> None:
    with pytest.raises(ConfigError, match=r"a count must be from 0 to 2\*\*64 - 1, got"):
        counts_for(name, {"ab": count})


@EVERY_OF_COUNTS
def test_counts_of_62_bits_are_exact(name: str) -> None:
    # 2**31 and 2**32, where 32 bits end; twice 2**62, where a sum needs 63.
    for many in (3_000_000_000, 1 << 62):
        few = counts_for(name, {"aab": 3 << 20, "aa": 2 << 20, "cc": 1 << 20})
        tok = OF_COUNTS[name](counts_for(name, {"aab": 3 * (many // 4), "aa": 2 * (many // 4), "cc": many // 4}))
        assert report_of(tok).n_occurrences == 6 * (many // 4)
        expected = OF_COUNTS[name](few)
        assert [tok.token_text(i) for i in range(tok.n_tokens)] == [
            expected.token_text(i) for i in range(expected.n_tokens)
        ]


@EVERY_OF_COUNTS
def test_counts_that_overflow_are_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=r"64 bits|63 bits"):
        counts_for(name, {"ab": (1 << 64) - 1, "abc": 1})
    counts = counts_for(name, {"abab": (1 << 63) - 2, "ab": 1 << 62})
    assert outcome(lambda: OF_COUNTS[name](counts)) in {
        "ab",
        "the pair counts add up to more than 63 bits hold",
        "a character occurs more often in the words than 64 bits hold",
    }


@EVERY
def test_a_special_token_that_text_would_make_is_never_made(name: str) -> None:
    specials = ["[UNK]", "<unk>", "the", " the"][: 4 if name.startswith("bpe") else 3]
    if name.startswith("sentencepiece"):
        specials = ["the"]
    tok = TRAINERS[name](["teeth hat eat hen the then"] * 50, special_tokens=specials)
    special_ids = {tok.special_tokens[text] for text in specials}
    for text in ("the", " the", "the then the"):
        assert not special_ids & set(tok.encode(text, on_special="text", add_special_tokens=False))
    assert sum(tok.token_text(i) == "the" for i in range(tok.n_tokens)) == 1


@EVERY
@pytest.mark.parametrize(
    ("bad", "place"),
    [(b"ab\xff", "byte 2"), ("ab\ud800", "character 2"), (b"\xe2\x96", "byte 0")],
    ids=["byte", "surrogate", "cut"],
)
def test_bad_text_is_named_by_document_and_place(name: str, bad: str | bytes, place: str) -> None:
    with pytest.raises(TextError, match=f"^text 2: .*{place}"):
        TRAINERS[name](["fine", b"fine", bad])


@EVERY
@pytest.mark.parametrize("bad", [None, 5, ["a"]], ids=str)
def test_what_is_no_text_is_named(name: str, bad: object) -> None:
    with pytest.raises(TypeError, match="document 1 must be str or bytes"):
        TRAINERS[name](["fine", bad])  # type: ignore[list-item]


@EVERY
def test_what_the_source_raises_passes_through(name: str) -> None:
    class MineError(Exception):
        pass

    def documents() -> Iterator[str]:
        yield "fine"
        raise MineError

    with pytest.raises(MineError):
        TRAINERS[name](documents())
    with pytest.raises(MineError):
        TRAINERS[name](documents(), max_memory=1 << 20)


@EVERY
@pytest.mark.parametrize("vocab_size", [2**31, 2**40, 2**62, 2**63, 2**70, -1, 0])
def test_an_absurd_vocab_size_takes_no_memory(name: str, vocab_size: int) -> None:
    told = outcome(lambda: TRAINERS[name](["the lazy dog"], vocab_size=vocab_size))
    assert told == "" or "vocab_size" in told
