"""`Tokenizer.as_tiktoken` does what ``tiktoken.Encoding`` does, call by call."""

import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from parity_peers import tiktoken_encoding
from parity_texts import random_texts, with_special_tokens

import merganser as mg
from merganser.compat.tiktoken import TiktokenEncoding

NAMES = ["r50k_base", "cl100k_base", "o200k_base"]
OPTIONS: list[dict[str, Any]] = [
    {"allowed_special": "all"},
    {"disallowed_special": ()},
    {"allowed_special": {"<|endoftext|>"}, "disallowed_special": ()},
    {"allowed_special": {"<|endoftext|>"}},
    {"disallowed_special": {"dog", "<|fim_prefix|>"}},
    {},
]
SURROGATES = ["a\ud800b", "\ud83d\ude42!", "\udfff", "<|endoftext|>\ud800"]


class Pair(NamedTuple):
    """One encoding, in both libraries."""

    ours: TiktokenEncoding
    theirs: Any


@functools.cache
def load_pair(tiktoken: ModuleType, name: str, path: Path) -> Pair:
    """Load a rank file into both, with the pattern and special tokens that tiktoken has for it."""
    return Pair(mg.Tokenizer.load(path).as_tiktoken(name), tiktoken_encoding(tiktoken, name, path))


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, data: Path, peer: Callable[[str], ModuleType]) -> Pair:
    return load_pair(peer("tiktoken"), request.param, data / "models" / "tiktoken" / f"{request.param}.tiktoken")


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the built-in kind of what it raises."""
    try:
        return call()
    except (ValueError, KeyError) as error:
        return KeyError if isinstance(error, KeyError) else ValueError


@pytest.fixture(scope="session")
def texts() -> list[str]:
    specials = ["<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>", "dog"]
    return [*random_texts(400), *with_special_tokens(specials, 400), *SURROGATES, ""]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_encode_equals_tiktoken(pair: Pair, options: dict[str, Any], texts: list[str]) -> None:
    n_raised = 0
    for text in texts:
        theirs = outcome(lambda text=text: pair.theirs.encode(text, **options))
        assert outcome(lambda text=text: pair.ours.encode(text, **options)) == theirs, repr(text)
        n_raised += theirs is ValueError
        if text.isascii():
            array = outcome(lambda text=text: pair.ours.encode_to_numpy(text, **options).tolist())
            assert array == theirs
    assert n_raised > 0 or options != {}


def test_batches_equal_tiktoken(pair: Pair, texts: list[str]) -> None:
    assert pair.ours.encode_ordinary_batch(texts) == pair.theirs.encode_ordinary_batch(texts)
    for options in OPTIONS[:3]:
        ids = pair.theirs.encode_batch(texts, **options)
        assert pair.ours.encode_batch(texts, **options) == ids
    assert pair.ours.decode_batch(ids) == pair.theirs.decode_batch(ids)
    assert pair.ours.decode_bytes_batch(ids) == pair.theirs.decode_bytes_batch(ids)


def test_unstable_ids_equal_tiktoken(pair: Pair, texts: list[str]) -> None:
    endings = ["hello fanta", "def f(", "x \n", "a\n ", "a\r ", " \u00a0", "\n\n", "   ", "1234", "it's", "é", "東"]
    for text in [*endings, *(text[:12] for text in texts[:40] if text.isprintable())]:
        stable, completions = pair.theirs.encode_with_unstable(text, disallowed_special=())
        ours_stable, ours_completions = pair.ours.encode_with_unstable(text, disallowed_special=())
        assert ours_stable == stable, repr(text)
        assert set(map(tuple, ours_completions)) == set(map(tuple, completions)), repr(text)


def test_vocabulary_equals_tiktoken(pair: Pair) -> None:
    assert pair.ours.token_byte_values() == pair.theirs.token_byte_values()
    for name in ("eot_token", "special_tokens_set", "n_vocab", "max_token_value", "name"):
        assert getattr(pair.ours, name) == getattr(pair.theirs, name), name
    for token in [*range(0, pair.theirs.n_vocab, 199), pair.theirs.max_token_value, pair.theirs.n_vocab]:
        decoded = outcome(lambda token=token: pair.theirs.decode_single_token_bytes(token))
        assert outcome(lambda token=token: pair.ours.decode_single_token_bytes(token)) == decoded
        assert pair.ours.is_special_token(token) == pair.theirs.is_special_token(token)
        if isinstance(decoded, bytes):
            assert pair.ours.encode_single_token(decoded) == pair.theirs.encode_single_token(decoded) == token


def test_decoding_equals_tiktoken(pair: Pair, texts: list[str]) -> None:
    for text in texts:
        ids = pair.theirs.encode(text, disallowed_special=())
        for some in (ids, ids[1:], ids[:-1]):
            assert pair.ours.decode(some) == pair.theirs.decode(some)
            assert pair.ours.decode_bytes(some) == pair.theirs.decode_bytes(some)
            assert pair.ours.decode_tokens_bytes(some) == pair.theirs.decode_tokens_bytes(some)
            ours = outcome(lambda some=some: pair.ours.decode_with_offsets(some))
            assert ours == outcome(lambda some=some: pair.theirs.decode_with_offsets(some))
    assert outcome(lambda: pair.ours.decode([1 << 30])) is KeyError
    assert outcome(lambda: pair.theirs.decode([1 << 30])) is KeyError
