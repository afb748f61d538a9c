"""Cases that once went wrong: each test is named for what broke."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import merganser as mg
from merganser.errors import ConfigError, TextError, UnknownTokenError, VocabError


@pytest.fixture(scope="module")
def tok() -> mg.Tokenizer:
    return mg.train_bpe(["low lower lowest", "new newer newest"], vocab_size=262, pre_tokenizer="gpt2")


def with_added_token(tok: mg.Tokenizer, content: str, **flags: bool) -> mg.Tokenizer:
    data = json.loads(tok.to_json())
    token = {"id": tok.vocab_size, "content": content, "single_word": False, "lstrip": False, "rstrip": False}
    data["added_tokens"].append({**token, "normalized": False, "special": False, **flags})
    return mg.Tokenizer.from_json(json.dumps(data))


def test_white_space_swallowed_by_one_token_holds_no_other(tok: mg.Tokenizer) -> None:
    added = with_added_token(tok, "\u2003", lstrip=True, rstrip=True)
    assert added.encode("\u2003\u2003") == [tok.vocab_size]
    assert added.encode("new\u2003 \u2003new") == [*tok.encode("new"), tok.vocab_size, *tok.encode("new")]


@pytest.mark.parametrize("flag", ["lstrip", "rstrip"])
def test_stripping_token_costs_linear_time(tok: mg.Tokenizer, flag: str) -> None:
    added = with_added_token(tok, "\u2003", **{flag: True})
    assert len(added.encode("\u2003" * 300_000)) == 300_000


def test_absurd_thread_counts_take_no_memory(tok: mg.Tokenizer) -> None:
    text = "new newer newest " * 50_000
    assert tok.encode(text, n_threads=10**9) == tok.encode(text)
    assert mg.WordCounts.count(["a b"], n_threads=2**62).total == 2
    with pytest.raises(ConfigError, match="n_threads"):
        tok.encode(text, n_threads=10**30)


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="needs root to become a user without threads")
def test_no_thread_to_start_leaves_the_callers_own() -> None:
    code = """
import resource, os
import merganser as mg
tok = mg.train_bpe(["low lower lowest"], vocab_size=258)
os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
text = "low lower " * 100_000
print(tok.decode(tok.encode(text)) == text, tok.decode(tok.encode_batch([text] * 3)[2]) == text)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "True True", done.stderr


def test_length_that_lies_is_not_believed(tok: mg.Tokenizer) -> None:
    class Liar:
        def __len__(self) -> int:
            return 2**62

        def __iter__(self):
            return iter([65])

    assert tok.decode_bytes(Liar()) == tok.token_bytes(65)


def test_exception_of_an_id_passes_through(tok: mg.Tokenizer) -> None:
    class Id:
        def __index__(self) -> int:
            raise MemoryError

    with pytest.raises(MemoryError):
        tok.decode([Id()])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint64, np.int16, np.uint8])
def test_decode_takes_every_integer_dtype(tok: mg.Tokenizer, dtype: type) -> None:
    assert tok.decode(np.array([65, 66], dtype)) == tok.decode([65, 66])


def test_decode_names_the_position_in_any_dtype(tok: mg.Tokenizer) -> None:
    for bad in (-1, 2**40):
        with pytest.raises(UnknownTokenError, match="at position 1"):
            tok.decode(np.array([65, bad], np.int64))


def test_decode_batch_names_the_sequence(tok: mg.Tokenizer) -> None:
    with pytest.raises(UnknownTokenError, match="sequence 1: token id 999 at position 0"):
        tok.decode_batch([[65], [999]])


def test_tokenizer_cannot_be_changed(tok: mg.Tokenizer) -> None:
    for name in ("_inner", "fingerprint", "anything"):
        with pytest.raises(AttributeError):
            setattr(tok, name, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda tok: tok.token_to_id("\ud800"),
        lambda _: mg.Tokenizer.from_json("\ud800"),
        lambda _: mg.WordCounts.from_dict({"\ud800": 1}),
        lambda _: mg.WordCounts.from_dict({"a": 1})["\ud800"],
    ],
)
def test_lone_surrogate_is_named_everywhere(tok: mg.Tokenizer, call) -> None:
    with pytest.raises(TextError, match=r"U\+D800 at character 0"):
        call(tok)


def test_word_counts_are_a_collection_of_words() -> None:
    counts = mg.WordCounts.from_dict({"a": 1, "b": 2})
    assert list(counts) == [b"a", b"b"]
    assert b"a" in counts
    assert "c" not in counts


def test_wrong_arguments_are_refused_alike(tok: mg.Tokenizer) -> None:
    with pytest.raises(ConfigError, match="dtype must be"):
        tok.encode_batch(["a"], dtype="zzz")
    with pytest.raises(ConfigError, match="pre_tokenizer must be"):
        mg.WordCounts.count(["a"], pre_tokenizer="")
    with pytest.raises(ConfigError, match="pre_tokenizer must be"):
        mg.WordCounts.from_dict({"a": 1}, pre_tokenizer="q")
    with pytest.raises(ConfigError, match="progress must be"):
        mg.WordCounts.count(["a"], progress=5)
    with pytest.raises(ConfigError, match="integers"):
        mg.Ragged(np.zeros(1), np.array([0, 1]))


def test_file_that_cannot_be_written_is_named(tok: mg.Tokenizer, tmp_path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OSError, match=r"folder\.json'$"):
        tok.save(tmp_path / "folder.json")


def test_long_added_token_is_refused_at_once() -> None:
    """Building what finds it would take the square of its length."""
    tok = mg.train_bpe(["banana"], vocab_size=258)
    with pytest.raises(VocabError, match="at most 2048 bytes"):
        tok.with_added_tokens(["x" * 1_100_000])


@pytest.mark.parametrize("setting", [3, "x", {"max_length": 3}])
def test_setting_of_another_type_is_named(setting: object) -> None:
    tok = mg.train_bpe(["banana"], vocab_size=258)
    for name in ("truncation", "padding"):
        with pytest.raises(TypeError, match=f"{name} must be"):
            tok.encode_full("banana", **{name: setting})
        with pytest.raises(TypeError, match=f"{name} must be"):
            getattr(tok, f"with_{name}")(setting)


def test_empty_prefix_is_no_prefix() -> None:
    """Files write none as null or as an empty text: the same tokenizer."""
    plain = mg.train_bpe(["banana"], vocab_size=258)
    spelled = plain.to_json().replace('"continuing_subword_prefix":null', '"continuing_subword_prefix":""')
    assert spelled != plain.to_json()
    assert mg.Tokenizer.from_json(spelled) == plain
