"""`train_sentencepiece`: options, bad input, determinism, and what the file gives back; no other library."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import merganser as mg
from merganser import cli
from merganser.errors import ConfigError, TextError, UnsupportedError

TEXT = [
    "the cat sat on the mat, the dog ran 12 times",
    "a newer network 2024 is not newer than the newest",
    "das Mädchen läuft; кошка сидит; 猫がカーペットに",
    "ﬁne Ｆｕｌｌ width　text\u200bwith\u00a0odd spaces",
] * 3


def train(text: list[str] | None = None, **options: Any) -> mg.Tokenizer:
    """Train on few words, with all characters."""
    options = {"vocab_size": 120, "model_type": "bpe", "character_coverage": 1.0} | options
    return mg.train_sentencepiece(TEXT if text is None else text, **options)


def pieces(tok: mg.Tokenizer) -> list[str]:
    """The vocabulary by id."""
    return [tok.token_text(id) for id in range(tok.n_tokens)]


@pytest.mark.parametrize("model_type", ["bpe", "unigram", "char", "word"])
def test_train_sentencepiece_is_the_same_for_any_threads_and_order(model_type: str) -> None:
    options: dict[str, Any] = {"model_type": model_type, "vocab_size": 110, "hard_vocab_limit": False}
    expected = train(**options).fingerprint
    for n_threads in (1, 2, 8):
        assert train(TEXT[::-1], n_threads=n_threads, **options).fingerprint == expected
    assert train(["\n".join(TEXT)], **options).fingerprint == expected


@pytest.mark.parametrize("model_type", ["bpe", "unigram", "char", "word"])
def test_trained_sentencepiece_survives_its_file(model_type: str, tmp_path: Path) -> None:
    tok = train(model_type=model_type, byte_fallback=True, vocab_size=400, hard_vocab_limit=False)
    tok.save(tmp_path / "a.model")
    loaded = mg.Tokenizer.load(tmp_path / "a.model")
    assert loaded.to_json() == tok.to_json()
    for text in [*TEXT, "", "unseen ☃ \x01 text"]:
        assert loaded.encode(text) == tok.encode(text)
    report, told = loaded.training_report, tok.training_report
    assert report is not None
    assert told is not None
    assert (report.method, report.n_words, report.options) == ("sentencepiece", told.n_words, told.options)


def test_special_pieces_get_the_ids_asked_for() -> None:
    tok = train(
        unk_id=2,
        bos_id=0,
        eos_id=-1,
        pad_id=1,
        pad_piece="[PAD]",
        control_symbols=["<c>"],
        user_defined_symbols=["cat"],
    )
    assert pieces(tok)[:5] == ["<s>", "[PAD]", "<unk>", "<c>", "cat"]
    assert tok.tokens(tok.encode("the cats"))[-2:] == ["cat", "s"]
    assert "cat" not in pieces(tok)[5:]
    assert sum(piece.startswith("<0x") for piece in pieces(train(byte_fallback=True, vocab_size=380))) == 256


def test_user_defined_symbols_are_cut_out_longest_first() -> None:
    tok = train(["abcabd abcd"] * 5, vocab_size=12, user_defined_symbols=["ab", "abc"], hard_vocab_limit=False)
    assert tok.tokens(tok.encode("abcabd")) == ["▁", "abc", "ab", "d"]
    assert not {"▁a", "▁ab", "bd"} & set(pieces(tok))


def test_rules_of_pieces_hold_for_every_piece() -> None:
    assert not any(any(c.isdigit() for c in piece) and len(piece) > 1 for piece in pieces(train(split_digits=True))[3:])
    assert max(map(len, pieces(train(max_sentencepiece_length=3, vocab_size=100))[3:])) == 3
    whole = train(["a b a b a b a b"], vocab_size=10, split_by_whitespace=False, hard_vocab_limit=False)
    assert "▁a▁b" in pieces(whole)
    suffix = train(["ab ab ab"], vocab_size=8, treat_whitespace_as_suffix=True, hard_vocab_limit=False)
    assert "ab▁" in pieces(suffix)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("nmt_nfkc", "ﬁ\tＡ\u200b\x07e\u0301～", "▁fi▁A▁é～"),
        ("nfkc", "ﬁ Ａe\u0301～", "▁fi▁Aé~"),
        ("nfkc_cf", "ﬁ ＡÉẞ", "▁fi▁aéß"),
        ("nmt_nfkc_cf", "Ａ\u2028É～", "▁a▁é～"),
        ("identity", "ﬁ Ａ", "▁ﬁ▁Ａ"),
    ],
)
def test_normalization_rules_do_what_their_names_say(rule: str, text: str, expected: str) -> None:
    tok = train([expected.replace("▁", " ")], model_type="char", normalization_rule_name=rule, vocab_size=99)
    assert "".join(tok.tokens(tok.encode(text))) == expected


def test_what_is_left_out_is_reported() -> None:
    tok = train([*TEXT, "x" * 200, "with \u2585", "", "q" * 3], max_sentence_length=150, vocab_size=110)
    report = tok.training_report
    assert report is not None
    found = {one.what: one.n_different for one in report.dropped}
    assert found == {"sentences of more than 150 bytes": 1, "sentences with U+2585": 1}
    rare = train(["a" * 300 + "ζ"] * 9, character_coverage=0.99, vocab_size=12, hard_vocab_limit=False).training_report
    assert rare is not None
    assert [(one.what, one.n_different, one.n_occurrences) for one in rare.dropped] == [
        ("characters beyond character_coverage 0.99", 2, 18)
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"vocab_size": 5}, "vocab_size must be at least "),
        ({"vocab_size": 100_000}, " and at most "),
        ({"model_type": "bpe2"}, "model_type must be"),
        ({"normalization_rule_name": "nfd"}, "normalization_rule_name must be one of"),
        ({"character_coverage": 0.5}, "character_coverage must be from 0.98 to 1, got 0.5"),
        ({"max_sentencepiece_length": 513}, "max_sentencepiece_length must be from 1 to 512, got 513"),
        ({"unk_id": -1}, "unk_id must be an id"),
        ({"unk_id": -2}, "unk_id must be from -1"),
        ({"pad_id": 1}, "pad_id is 1, as is that of"),
        ({"pad_id": 120}, "pad_id must be less than vocab_size, 120, got 120"),
        ({"bos_piece": ""}, "bos_piece must have from 1 to 256 bytes, got 0"),
        ({"control_symbols": ["<c>", "<c>"]}, 'got "<c>"'),
        ({"user_defined_symbols": [""]}, 'got ""'),
        ({"user_defined_symbols": ["s" * 257]}, "a symbol must have at most 256 bytes, got 257"),
        ({"user_defined_symbols": ["<unk>"]}, "not the unknown piece"),
        ({"required_chars": " "}, "required_chars must not hold a space"),
        ({"max_sentence_length": 1}, "there is no text to learn from"),
    ],
)
def test_train_sentencepiece_refuses_what_cannot_be(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match="^.*" + re.escape(expected)):
        train(**options)


def test_train_sentencepiece_refuses_what_is_no_text() -> None:
    with pytest.raises(ConfigError, match="there is no text to learn from"):
        train([])
    with pytest.raises(TypeError):
        mg.train_sentencepiece("one text", vocab_size=10)
    with pytest.raises(TextError):
        train(["a", "\ud800"])
    with pytest.raises(ConfigError, match="not WordCounts"):
        mg.train_sentencepiece(mg.WordCounts.from_dict({"a": 1}), vocab_size=10)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="treat_whitespace_as_suffix"):
        train(model_type="unigram", treat_whitespace_as_suffix=True)


def test_feasible_vocab_size_of_the_message_trains() -> None:
    with pytest.raises(ConfigError, match="at most") as caught:
        train(vocab_size=100_000)
    most = int(str(caught.value).split("at most ")[1].split()[0])
    assert train(vocab_size=most).n_tokens == most
    with pytest.raises(ConfigError, match=f"at most {most} "):
        train(vocab_size=most + 1)
    assert train(vocab_size=most + 1, hard_vocab_limit=False).n_tokens == most


def test_one_long_line_of_one_character_trains() -> None:
    tok = train(["a" * 300_000], vocab_size=8, hard_vocab_limit=False)
    assert tok.decode(tok.encode("a" * 1000)) == "a" * 1000


def test_files_are_read_in_pieces_of_whole_lines(tmp_path: Path) -> None:
    lines = [f"{TEXT[i % len(TEXT)]} {i:x}" for i in range(120_000)]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines), encoding="utf-8")
    expected = train(lines, vocab_size=300)
    for name in ("a.txt", "b.jsonl"):
        tok = train(mg.read(tmp_path / name), vocab_size=300)  # type: ignore[arg-type]
        assert tok.fingerprint == expected.fingerprint
        report = tok.training_report
        assert report is not None
        assert report.sources[0]["documents"] == (1 if name == "a.txt" else len(lines))


def test_cli_trains_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(TEXT))
    arguments = ["train", "--method", "sentencepiece", "--model-type", "bpe", "--vocab-size", "100"]
    result = CliRunner().invoke(cli.app, [*arguments, "--out", str(tmp_path / "a.model"), str(tmp_path / "a.txt")])
    assert result.exit_code == 0, result.output
    assert mg.Tokenizer.load(tmp_path / "a.model").n_tokens == 100


def test_options_that_the_model_type_does_not_have_are_refused() -> None:
    with pytest.raises(mg.errors.UnsupportedError, match="treat_whitespace_as_suffix"):
        mg.train_sentencepiece(["ab cd ab"], vocab_size=5, model_type="word", treat_whitespace_as_suffix=True)
    with pytest.raises(ConfigError, match="required_chars must occur in the text of a char model, got 'z'"):
        mg.train_sentencepiece(["abc abc"], vocab_size=8, model_type="char", required_chars="z")


def test_symbols_may_come_from_an_iterator() -> None:
    tok = mg.train_sentencepiece(["low lower"], vocab_size=14, model_type="bpe", control_symbols=iter(["<x>"]))
    assert tok.training_report is not None
    assert tok.training_report.options["control_symbols"] == ["<x>"]
