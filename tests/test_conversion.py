"""A tokenizer in another format: the same ids, or a word on what changes."""

from pathlib import Path

import pytest
from definitions import tokenizer_json, vocabulary
from typer.testing import CliRunner

import merganser as mg
from merganser.cli import app
from merganser.conversion import convert
from merganser.errors import ConfigError, UnsupportedError

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "sat", "."]
TEXT = "The cats sat."


@pytest.fixture
def vocab_txt(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCAB) + "\n")
    return path


@pytest.fixture
def gpt2() -> mg.Tokenizer:
    import json

    return mg.Tokenizer.from_json(json.dumps(tokenizer_json(vocabulary("gpt2"), "gpt2")))


def test_word_piece_goes_through_json_and_back(vocab_txt: Path, tmp_path: Path) -> None:
    tok = mg.Tokenizer.load(vocab_txt, lowercase=True)
    assert [tok.token_text(id_) for id_ in tok.encode(TEXT)] == ["[CLS]", "the", "cat", "##s", "sat", ".", "[SEP]"]
    assert convert(tok, tmp_path / "tokenizer.json") == []
    again = mg.Tokenizer.load(tmp_path / "tokenizer.json")
    assert again == tok
    (note,) = convert(again, tmp_path / "again" / "vocab.txt") if (tmp_path / "again").mkdir() is None else ()
    assert "lower-casing" in note
    assert (tmp_path / "again" / "vocab.txt").read_bytes() == vocab_txt.read_bytes()


def test_casing_of_a_vocab_txt_is_asked_for_or_read_beside_it(vocab_txt: Path) -> None:
    with pytest.raises(ConfigError, match="lowercase is required"):
        mg.Tokenizer.load(vocab_txt)
    (vocab_txt.parent / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tok = mg.Tokenizer.load(vocab_txt)
    assert tok.token_text(tok.encode(TEXT)[1]) == "[UNK]"


def test_ranks_and_merges_keep_ids(gpt2: mg.Tokenizer, tmp_path: Path) -> None:
    (note,) = convert(gpt2, tmp_path / "ranks.tiktoken")
    assert "pattern" in note
    assert mg.Tokenizer.load(tmp_path / "ranks.tiktoken", pattern="gpt2").encode(TEXT) == gpt2.encode(TEXT)
    convert(gpt2, tmp_path / "vocab.json")
    assert mg.Tokenizer.load(tmp_path / "vocab.json").encode(TEXT) == gpt2.encode(TEXT)


def test_what_a_format_cannot_say_is_refused(vocab_txt: Path, tmp_path: Path) -> None:
    tok = mg.Tokenizer.load(vocab_txt, lowercase=True)
    for name in ("a.tiktoken", "a.model", "tekken.json", "vocab.json"):
        with pytest.raises(UnsupportedError):
            convert(tok, tmp_path / name)
        assert not (tmp_path / name).exists()


def test_command_says_what_is_left_out(vocab_txt: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["convert", str(vocab_txt), str(tmp_path / "tokenizer.json"), "--lowercase"])
    assert result.exit_code == 0, result.output
    assert "10 tokens" in result.stdout
    result = CliRunner().invoke(app, ["convert", str(vocab_txt), str(tmp_path / "x.tiktoken"), "--lowercase"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
