"""Superwords: the second phase of BPE held equal to the reference, with its options, and refused where it cannot be."""

import doctest
import json
from functools import cache
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any

import child_process
import pytest
from definitions import TRAINING_TEXT
from hypothesis import example, given
from hypothesis import strategies as st

import merganser as mg
from merganser.errors import ConfigError, TextError
from merganser.reference import bpe, superwords

TEXTS = [TRAINING_TEXT, "out of the way, out of the blue: out of the past.\nIn the end, in the beginning.\n" * 20]
PIECES = st.sampled_from(
    [*"ab", " a", " b", " ab", " ", "  ", ": ", ",", ".\n", "\n\n  ", "12", "345", "é", " the", "中"]
)
documents = st.lists(st.lists(PIECES, max_size=30).map("".join), min_size=1, max_size=4)


def train(texts: list[str], start: int, vocab_size: int, **options: Any) -> mg.Tokenizer:
    """Train with superwords, to as many tokens as there are."""
    own = {name: options.pop(name) for name in ("max_words", "stops", "pre_tokenizer") if name in options}
    return mg.train_bpe(
        texts, vocab_size=vocab_size, superwords=mg.Superwords(start=start, **own), allow_smaller=True, **options
    )


def merges(tok: mg.Tokenizer) -> list[tuple[bytes, bytes]]:
    """The merges, as bytes."""
    spelled = {character: bytes([byte]) for byte, character in bpe.byte_characters().items()}
    pairs = json.loads(tok.to_json())["model"]["merges"]
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in pairs]
    left_right = [[b"".join(spelled[character] for character in part) for part in pair] for pair in pairs]
    return [(left, right) for left, right in left_right]


def test_module_examples_hold() -> None:
    result = doctest.testmod(superwords)
    assert result.attempted > 0
    assert result.failed == 0


@given(
    texts=documents,
    n_first=st.integers(0, 10),
    n_second=st.integers(1, 30),
    max_words=st.none() | st.integers(1, 4),
    stops=st.sampled_from([(), (": ",), (",", "é")]),
    min_frequency=st.integers(0, 3),
    n_threads=st.integers(1, 3),
)
def test_superwords_match_the_reference(
    texts: list[str],
    n_first: int,
    n_second: int,
    max_words: int | None,
    stops: tuple[str, ...],
    min_frequency: int,
    n_threads: int,
) -> None:
    start = 256 + n_first
    first = bpe.train(bpe.count_words(texts, "cl100k"), start, min_frequency=min_frequency)
    expected = superwords.train(
        texts,
        first,
        start + n_second,
        max_words=max_words,
        stops=[stop.encode() for stop in stops],
        min_frequency=min_frequency,
    )
    tok = train(
        texts,
        start,
        start + n_second,
        max_words=max_words,
        stops=stops,
        min_frequency=min_frequency,
        n_threads=n_threads,
    )
    assert merges(tok) == expected.merges
    assert [tok.token_bytes(token_id) for token_id in range(tok.n_tokens)] == expected.tokens
    for text in texts:
        assert tok.encode(text) == bpe.encode(text, expected, "lines")


def test_superwords_are_the_beginnings_of_one_run_whatever_the_threads() -> None:
    several = mg.train_bpe(TEXTS, vocab_sizes=[420, 380], superwords=mg.Superwords(start=360), n_threads=1)
    for size, tok in several.items():
        single = mg.train_bpe(TEXTS, vocab_size=size, superwords=mg.Superwords(start=360), n_threads=3)
        assert single.vocab() == tok.vocab()
    first = mg.train_bpe(TEXTS, vocab_size=360)
    assert several[420].vocab().items() > first.vocab().items()
    new = [several[420].token_bytes(token_id) for token_id in range(360, 420)]
    assert b" out of the" in new or b"out of the" in new
    assert several[420].count(TEXTS[1]) < mg.train_bpe(TEXTS, vocab_size=420).count(TEXTS[1])


@pytest.mark.parametrize("pre_tokenizer", ["gpt2", "cl100k", "o200k", "qwen2"])
def test_superwords_round_trip_and_stay_in_lines(pre_tokenizer: str) -> None:
    tok = mg.train_bpe(TEXTS, vocab_size=480, pre_tokenizer=pre_tokenizer, superwords=mg.Superwords(start=400))
    for text in TEXTS:
        assert tok.decode(tok.encode(text)) == text
    new = [tok.token_bytes(token_id) for token_id in range(400, tok.n_tokens)]
    assert any(len(token.split()) > 1 for token in new)
    assert all(len(token.split()) <= 4 and b": " not in token for token in new)
    lines = tok.pre_tokenize(TEXTS[1])
    assert len(lines) < len(TEXTS[1].split()) / 3
    assert mg.Tokenizer.from_json(tok.to_json()) == tok


@cache
def both_phases(pre_tokenizer: str) -> tuple[mg.Tokenizer, mg.Tokenizer]:
    """A tokenizer of the first phase alone, and one of both."""
    own = mg.Superwords(start=257)
    first = mg.train_bpe(TEXTS, vocab_size=257, pre_tokenizer=pre_tokenizer)
    return first, mg.train_bpe(TEXTS, vocab_size=258, pre_tokenizer=pre_tokenizer, superwords=own)


@pytest.mark.parametrize("pre_tokenizer", ["gpt2", "cl100k", "o200k", "lines", "qwen2"])
@given(pieces=st.lists(PIECES | st.sampled_from([*" \t\r\n\x0b\u3000/!'"]) | st.characters(codec="utf-8"), max_size=12))
@example(pieces=["!", "\n", "/"])
def test_lines_end_where_words_end(pre_tokenizer: str, pieces: list[str]) -> None:
    text = "".join(pieces)
    words, lines = (set(accumulate(map(len, tok.pre_tokenize(text)))) for tok in both_phases(pre_tokenizer))
    cut = lines - words
    if pre_tokenizer == "o200k":
        # The exception that the docstring has: newlines, and slashes behind them, in one pre-token.
        cut = {end for end in cut if not (text[end - 1] in "\r\n" and text[end] == "/")}
    assert cut == set()


def test_options_hold_in_the_second_phase() -> None:
    tok = train(
        TEXTS,
        400,
        480,
        max_token_length=6,
        max_digits=1,
        one_script=True,
        whole_characters=True,
        forbidden_tokens=["out of"],
        seed_tokens=["beginning"[:5]],
        special_tokens=["<|x|>", "t of"],
    )
    tokens = [tok.token_bytes(token_id) for token_id in range(2, tok.n_tokens)]
    assert max(map(len, tokens)) <= 6
    assert b"begin" in tokens
    assert not {b"out of", b"t of"} & set(tokens)
    assert any(b" " in token[1:] for token in tokens)
    assert tok.special_tokens == {"<|x|>": 0, "t of": 1}


def test_superwords_go_on_from_a_tokenizer_and_from_word_counts() -> None:
    counts = mg.WordCounts.count(TEXTS)
    first = mg.train_bpe(counts, vocab_size=360, special_tokens=["<|x|>"])
    more = mg.train_bpe(TEXTS, vocab_size=420, continue_from=first, superwords=mg.Superwords(start=360))
    whole = mg.train_bpe(TEXTS, vocab_size=420, special_tokens=["<|x|>"], superwords=mg.Superwords(start=360))
    assert more == whole
    again = mg.train_bpe(TEXTS, vocab_size=430, continue_from=more, superwords=mg.Superwords(start=420))
    assert again.vocab() == train(TEXTS, 360, 430, special_tokens=["<|x|>"]).vocab()


def test_superwords_are_in_the_report() -> None:
    tok = mg.train_bpe(TEXTS, vocab_size=420, superwords=mg.Superwords(start=360))
    report = tok.training_report
    assert report is not None
    assert report.superwords is not None
    assert (report.superwords["start"], report.superwords["n_learned"]) == (360, 60)
    assert report.n_learned == 420 - 256
    assert report.superwords["n_occurrences"] >= report.superwords["n_runs"] > 0
    assert report.options["superwords"] == {"start": 360, "max_words": 4, "stops": [": "], "pre_tokenizer": None}
    assert "superwords: 60 after 360 tokens" in str(report)
    assert set(report.seconds) == {"count", "gather", "merge"}
    loaded = mg.Tokenizer.from_json(tok.to_json()).training_report
    assert loaded is not None
    assert loaded.superwords == report.superwords


def test_sources_and_files_are_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXTS[0], encoding="utf-8", newline="")
    (tmp_path / "b.txt").write_text(TEXTS[1], encoding="utf-8", newline="")
    options: dict[str, Any] = {"vocab_size": 420, "superwords": mg.Superwords(start=360)}
    expected = mg.train_bpe(TEXTS, **options)
    assert mg.train_bpe(mg.read(str(tmp_path / "*.txt")), **options).vocab() == expected.vocab()
    sources = {"a": mg.read(str(tmp_path / "a.txt")), "b": [TEXTS[1].encode()]}
    assert mg.train_bpe(sources, **options).vocab() == expected.vocab()
    base = mg.train_bpe(sources, vocab_size=300)
    assert mg.train_bpe(sources, continue_from=base, **options).vocab() == expected.vocab()


def test_any_mapping_is_a_pre_tokenizer_of_the_second_phase() -> None:
    own = MappingProxyType({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False})
    tok = mg.train_bpe(TEXTS, vocab_size=420, superwords=mg.Superwords(start=360, pre_tokenizer=own))
    assert tok.pre_tokenize(TEXTS[1]) == [TEXTS[1]]
    assert tok.training_report is not None
    assert tok.training_report.options["superwords"]["pre_tokenizer"] == dict(own)


def test_superwords_refuse_what_they_cannot_have() -> None:
    own = mg.Superwords(start=300)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (iter(TEXTS), {}, "an iterator gives them once"),
        (mg.WordCounts.count(TEXTS), {}, "WordCounts have only its words"),
        (mg.read("-"), {}, "standard input and pipes give them once"),
        (TEXTS, {"vocab_size": 300}, "start below vocab_size, got start=300 and vocab_size=300"),
        (TEXTS, {"prune": 2}, "prune cannot be had with superwords"),
        (TEXTS, {"like": "tokenizers"}, "like cannot be had with superwords"),
        (TEXTS, {"max_memory": 1 << 20}, "max_memory cannot be had with superwords"),
        (TEXTS, {"alphabet": mg.CharacterAlphabet()}, "CharacterAlphabet cannot be had with superwords"),
        (TEXTS, {"pre_tokenizer": "bert"}, "need a pre_tokenizer of their own where the first phase splits by .bert"),
        (TEXTS, {"superwords": mg.Superwords(start=300, pre_tokenizer="bert")}, "ends in bytes"),
        (["abc"], {}, "the first phase, before superwords: vocab_size 300 cannot be reached"),
        (["a b"], {"superwords": mg.Superwords(start=256)}, "vocab_size 400 cannot be reached"),
    ]
    for texts, options, message in cases:
        with pytest.raises(ConfigError, match=message):
            mg.train_bpe(texts, **{"vocab_size": 400, "superwords": own, **options})
    with pytest.raises(TypeError, match="superwords must be Superwords, got int"):
        mg.train_bpe(TEXTS, vocab_size=400, superwords=300)  # type: ignore[call-overload]
    for wrong, message in [({"start": 0}, "start"), ({"start": 1, "max_words": 0}, "max_words")]:
        with pytest.raises(ConfigError, match=message):
            mg.Superwords(**wrong)
    with pytest.raises(ConfigError, match="stops"):
        mg.Superwords(start=300, stops=[""])
    with pytest.raises(TypeError, match="stops"):
        mg.Superwords(start=300, stops=": ")
    with pytest.raises(TextError):
        mg.train_bpe([b"\xff"], vocab_size=400, superwords=own)


def test_documents_that_change_between_passes_are_refused() -> None:
    class Growing:
        """One text more each time."""

        n_passes = 0

        def __iter__(self) -> Any:
            self.n_passes += 1
            return iter(TEXTS * self.n_passes)

    class Once:
        """The texts the first time, and then none: the iterator is kept."""

        def __init__(self) -> None:
            self.texts = iter(TEXTS)

        def __iter__(self) -> Any:
            return self.texts

    n_bytes = sum(len(text.encode()) for text in TEXTS)
    once = f"2 documents of {n_bytes} bytes became 0 of 0"
    for documents, became in [(Growing(), ""), (Once(), once), ({"a": Once()}, once)]:
        with pytest.raises(ConfigError, match=f"must be the same each time: .*{became}"):
            mg.train_bpe(documents, vocab_size=420, superwords=mg.Superwords(start=360))


def test_special_tokens_part_the_text() -> None:
    text = "x y<|end|>" * 50
    tok = train([text], 257, 300, special_tokens=["<|end|>"])
    tokens = [tok.token_bytes(token_id) for token_id in range(257, tok.n_tokens)]
    assert tokens == [b"x ", b"x y"]


def test_superwords_stop_when_interrupted() -> None:
    stopped = child_process.interrupt(
        """
        import merganser as mg
        texts = [" ".join(f"w{i % 977} of the {i % 89}" for i in range(200_000))] * 4
        print("ready")
        try:
            while True:
                mg.train_bpe(texts, vocab_size=40_000, superwords=mg.Superwords(start=300), allow_smaller=True)
        except KeyboardInterrupt:
            print(now())
            print(json.dumps("stopped"))
        """,
        after_seconds=1.0,
    )
    assert stopped.result == "stopped"
    assert stopped.seconds < 1.0
