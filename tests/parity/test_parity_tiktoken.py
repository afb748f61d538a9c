"""merganser gives the ids of tiktoken, with OpenAI's three rank files, on every kind of text."""

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from parity_peers import tiktoken_encoding
from parity_texts import Comparison, corpus, flores, hostile, random_texts, with_special_tokens

import merganser as mg
from merganser.errors import DisallowedSpecialError, TextError

# tiktoken panics on a million spaces: there it gets the beginning.
PANIC_CUT = 100_000

ENCODINGS = ["r50k_base", "cl100k_base", "o200k_base"]


class Pair(NamedTuple):
    """One encoding, in both libraries."""

    name: str
    ours: mg.Tokenizer
    theirs: Any


@functools.cache
def load_pair(tiktoken: ModuleType, name: str, path: Path) -> Pair:
    """Load a rank file into both, without a network."""
    return Pair(name, mg.Tokenizer.load(path), tiktoken_encoding(tiktoken, name, path))


@pytest.fixture(params=ENCODINGS)
def pair(request: pytest.FixtureRequest, data: Path, peer: Callable[[str], ModuleType]) -> Pair:
    return load_pair(peer("tiktoken"), request.param, data / "models" / "tiktoken" / f"{request.param}.tiktoken")


def theirs_or_cut(pair: Pair, text: str) -> tuple[str, list[int]]:
    """Encode with tiktoken; a text on which it panics is cut."""
    try:
        return text, pair.theirs.encode_ordinary(text)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return text[:PANIC_CUT], pair.theirs.encode_ordinary(text[:PANIC_CUT])


def test_special_tokens_and_sizes_equal_tiktoken(pair: Pair) -> None:
    assert pair.ours.special_tokens == pair.theirs._special_tokens
    assert pair.ours.vocab_size == pair.theirs.n_vocab
    for token_id in range(0, pair.theirs.n_vocab, 101):
        try:
            expected = pair.theirs.decode_single_token_bytes(token_id)
        except KeyError:
            continue
        assert pair.ours.token_bytes(token_id) == expected


@pytest.mark.parametrize("name", ["english", "multi", "code"])
def test_corpus_equals_tiktoken(pair: Pair, name: str, data: Path, report_line: Callable[[str], None]) -> None:
    texts = corpus(data, name)
    compare_batch(pair, texts, name).close(report_line)


def test_flores_equals_tiktoken(pair: Pair, data: Path, report_line: Callable[[str], None]) -> None:
    compare_batch(pair, flores(data), "flores, 45 languages").close(report_line)


def test_random_texts_equal_tiktoken(pair: Pair, report_line: Callable[[str], None]) -> None:
    compare_batch(pair, random_texts(), "random").close(report_line)


def compare_batch(pair: Pair, texts: list[str], name: str) -> Comparison:
    """Compare a batch of ordinary texts, there and back."""
    comparison = Comparison(f"tiktoken/{pair.name} {name}")
    theirs = pair.theirs.encode_ordinary_batch(texts, num_threads=2)
    ours = pair.ours.encode_batch(texts, on_special="text")
    for text, our_ids, their_ids in zip(texts, ours.to_list(), theirs, strict=True):
        comparison.add(text, our_ids, their_ids)
    assert pair.ours.decode_batch(ours) == texts
    return comparison


def test_special_tokens_equal_tiktoken(pair: Pair, report_line: Callable[[str], None]) -> None:
    encoded = Comparison(f"tiktoken/{pair.name} special tokens encoded")
    plain = Comparison(f"tiktoken/{pair.name} special tokens as text")
    n_refused = 0
    for text in with_special_tokens(pair.ours.special_tokens):
        encoded.add(text, pair.ours.encode(text, on_special="encode"), pair.theirs.encode(text, allowed_special="all"))
        plain.add(text, pair.ours.encode(text, on_special="text"), pair.theirs.encode(text, disallowed_special=()))
        try:
            expected = pair.theirs.encode(text)
        except ValueError:
            n_refused += 1
            with pytest.raises(DisallowedSpecialError):
                pair.ours.encode(text)
        else:
            assert pair.ours.encode(text) == expected
    encoded.notes.append(f"refused alike: {n_refused}")
    encoded.close(report_line)
    plain.close(report_line)


def test_hostile_files_equal_tiktoken(pair: Pair, data: Path, report_line: Callable[[str], None]) -> None:
    comparison = Comparison(f"tiktoken/{pair.name} hostile")
    n_cut = n_invalid = 0
    for name, raw in hostile(data).items():
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            n_invalid += 1
            with pytest.raises(TextError, match=rf"invalid UTF-8 at byte {error.start}$"):
                pair.ours.encode(raw, on_special="text")
            text = raw.decode(errors="replace")
        compared, theirs = theirs_or_cut(pair, text)
        n_cut += compared != text
        comparison.add(compared, pair.ours.encode(compared, on_special="text"), theirs, label=name)
        assert pair.ours.decode_bytes(pair.ours.encode_to_numpy(text, on_special="text")) == text.encode()
    comparison.notes += [f"cut where tiktoken panics: {n_cut}", f"invalid UTF-8 refused, then replaced: {n_invalid}"]
    comparison.close(report_line)


def test_saved_tokenizer_equals_tiktoken(
    pair: Pair, data: Path, tmp_path: Path, report_line: Callable[[str], None]
) -> None:
    """A rank file becomes a ``tokenizer.json`` and a rank file again, with the same ids."""
    pair.ours.save(tmp_path / "again.tiktoken")
    original = data / "models" / "tiktoken" / f"{pair.name}.tiktoken"
    assert (tmp_path / "again.tiktoken").read_bytes() == original.read_bytes()
    again = mg.Tokenizer.from_json(pair.ours.to_json())
    assert again == pair.ours
    compare_batch(pair._replace(ours=again), random_texts(500), "through tokenizer.json").close(report_line)
