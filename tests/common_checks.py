"""What holds for every tokenizer, of any kind: one list of checks, run on each.

A check takes a tokenizer, and fails by `AssertionError`. A new kind of tokenizer joins by one line in
`definitions.SUBJECTS`.
"""

import contextlib
import copy
import faulthandler
import functools
import itertools
import pickle
import random
import unicodedata
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from definitions import TRAINING_TEXT

import merganser as mg
from merganser.errors import ConfigError, DisallowedSpecialError, TextError, UnknownTokenError

Check = Callable[[mg.Tokenizer], None]

_N_LONG = 1_000_000
_DEADLINE_SECONDS = 20
_SHAPES = {
    "letter": "a",
    "space": " ",
    "digit": "7",
    "newline": "\n",
    "carriage_return": "\r\n",
    "tab": "\t",
    "punctuation": "!",
    "dash": "-",
    "angle": "<",
    "two_letters": "ab",
    "cases": "aA",
    "contraction": "'s",
    "word_and_space": "x ",
    "space_and_newline": " \n",
    "no_break_space": "\u00a0",
    "nul": "\0",
    "cjk": "東",
    "emoji": "🙂",
    "marks": "e\u0301",
    "devanagari": "हि",
    "zero_width_joiner": "\u200d",
    "half_a_special_token": "<|im_start|",
}


@contextlib.contextmanager
def deadline(seconds: float = _DEADLINE_SECONDS) -> Iterator[None]:
    """End the process, with every stack shown, if the body takes longer: quadratic work would take hours."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@functools.cache
def unicode_blocks() -> list[str]:
    """Every Unicode scalar value once, 256 to a text."""
    blocks = (range(start, start + 256) for start in range(0, 0x110000, 256) if not 0xD800 <= start < 0xE000)
    return ["".join(map(chr, block)) for block in blocks]


@functools.cache
def mixed_texts() -> list[str]:
    """Texts from pieces that decide where patterns cut, as long as needed to be cut in parallel too."""
    rng = random.Random(7)
    pieces = ["  ", "'s", "'LL", "\r\n", "\n\n", "🙂", "é", "e\u0301", "中文", "12345", "The", " dog", "<|", "|>", "\0"]
    pieces += TRAINING_TEXT.split(" ")
    texts = ["".join(rng.choices(pieces, k=rng.randrange(0, 60))) for _ in range(300)]
    return [*texts, "", " ".join(texts) * 8]


def kept(tok: mg.Tokenizer, text: str) -> str:
    """Return what the normalizer leaves of a text: all that decoding can give back."""
    return unicodedata.normalize("NFC", text) if '"NFC"' in tok.to_json() else text


def encode_all(tok: mg.Tokenizer) -> list[list[int]]:
    """Encode what every worker encodes; here, where other processes find it by name."""
    texts = mixed_texts()
    single = [tok.encode(text, on_special="text") for text in texts]
    assert tok.encode_batch(texts, on_special="text").to_list() == single
    return single


def check_empty_text(tok: mg.Tokenizer) -> None:
    """Nothing in, nothing out, by every path."""
    for empty in ("", b""):
        assert tok.encode(empty, add_special_tokens=False) == []
        assert tok.count(empty, add_special_tokens=False) == 0
        assert tok.encode_to_numpy(empty, add_special_tokens=False).shape == (0,)
    assert tok.pre_tokenize("") == []
    assert (tok.decode([]), tok.decode_bytes([])) == ("", b"")
    assert tok.encode_batch([]).to_list() == []
    assert tok.encode_batch(["", ""], add_special_tokens=False).offsets.tolist() == [0, 0, 0]
    assert tok.decode_batch([]) == []


def check_round_trip_of_every_character(tok: mg.Tokenizer) -> None:
    """Decoding gives back each Unicode scalar value, control characters and NUL among them."""
    blocks = unicode_blocks()
    if kept(tok, "e\u0301") != "e\u0301":
        # Normalization forms are those of Unicode 9, as in `tokenizers`: leave out what may be newer.
        category = unicodedata.ucd_3_2_0.category
        blocks = ["".join(c for c in block if category(c) != "Cn") or "a" for block in blocks]
    batch = tok.encode_batch(blocks, add_special_tokens=False)
    for block, ids in zip(blocks, batch, strict=True):
        assert tok.decode_bytes(ids) == kept(tok, block).encode(), f"the block of U+{ord(block[0]):04X}"


def check_round_trip_of_mixed_texts(tok: mg.Tokenizer) -> None:
    """Decoding gives back texts, and token by token too."""
    for text in mixed_texts():
        ids = tok.encode(text, add_special_tokens=False, on_special="text")
        assert tok.decode_bytes(ids) == kept(tok, text).encode()
        assert tok.decode(ids, errors="strict") == kept(tok, text)
        assert tok.count(text, add_special_tokens=False, on_special="text") == len(ids)
    assert b"".join(map(tok.token_bytes, ids)) == kept(tok, text).encode()


def check_threads_give_the_same_ids(tok: mg.Tokenizer) -> None:
    """One thread, two or eight: the same ids of one text and of many."""
    texts = mixed_texts()
    for n_threads in (1, 2, 8, None):
        batch = tok.encode_batch(texts, n_threads=n_threads, on_special="text")
        one = [tok.encode(text, n_threads=n_threads, on_special="text") for text in texts[-20:]]
        if n_threads == 1:
            expected_batch, expected = batch, one
        assert batch == expected_batch
        assert one == expected


def check_batch_equals_single(tok: mg.Tokenizer) -> None:
    """A batch gives what its texts give one by one, as `str` or as bytes."""
    texts = mixed_texts()
    single = [tok.encode(text, on_special="text") for text in texts]
    batch = tok.encode_batch(texts, on_special="text")
    assert batch.to_list() == single
    assert tok.encode_batch([text.encode() for text in texts], on_special="text") == batch
    assert batch.ids.dtype == (np.uint16 if tok.vocab_size <= 1 << 16 else np.uint32)
    wide = tok.encode_batch(iter(texts), on_special="text", dtype="uint32")
    assert wide.ids.dtype == np.uint32
    assert wide == batch
    assert tok.encode_to_numpy(texts[-1], on_special="text").tolist() == single[-1]
    assert tok.decode_batch(batch) == [tok.decode(ids) for ids in single]


def check_copies_are_equal(tok: mg.Tokenizer) -> None:
    """Pickling, copying, and JSON keep what a tokenizer is."""
    text = mixed_texts()[-1]
    expected = tok.encode(text, on_special="text")
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copied = pickle.loads(pickle.dumps(tok, protocol))
        assert copied == tok
        assert hash(copied) == hash(tok)
        assert copied.encode(text, on_special="text") == expected
    for other in (copy.copy(tok), copy.deepcopy([tok])[0], mg.Tokenizer.from_json(tok.to_json(pretty=True))):
        assert other == tok
        assert (other.vocab(), other.special_tokens) == (tok.vocab(), tok.special_tokens)
    assert copied.to_json() == tok.to_json()


def check_vocabulary_is_consistent(tok: mg.Tokenizer) -> None:
    """Ids, bytes and counts of tokens agree with each other."""
    vocab = tok.vocab()
    assert list(vocab.values()) == sorted(vocab.values())
    assert max(vocab.values()) + 1 <= tok.vocab_size
    assert len(tok) == tok.n_tokens <= tok.vocab_size
    for token, token_id in vocab.items():
        assert tok.token_bytes(token_id) == token
        assert tok.decode_bytes([token_id]) == token
    for content, token_id in tok.special_tokens.items():
        assert tok.token_to_id(content) == token_id
        assert tok.token_bytes(token_id) == content.encode()
    assert tok.token_to_id("no such token ever") is None


def check_invalid_ids_are_refused(tok: mg.Tokenizer) -> None:
    """An id outside the vocabulary is an error that names id and place; what is no integer is a `TypeError`."""
    known = next(iter(tok.vocab().values()))
    for bad in (tok.vocab_size, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + known, 2**63, 2**64 + known, -1, -(2**63)):
        with pytest.raises(UnknownTokenError, match=rf"{bad} at position 2\b"):
            tok.decode([known, known, bad])
        with pytest.raises(UnknownTokenError, match=str(bad)):
            tok.token_bytes(bad)
        with pytest.raises(UnknownTokenError):
            tok.decode_batch([[known], [bad]])
    for dtype, bad in ((np.int64, -1), (np.uint64, 2**32 + known), (np.int32, -1), (np.uint32, 2**32 - 1)):
        with pytest.raises(UnknownTokenError, match="position 1"):
            tok.decode(np.array([known, bad], dtype=dtype))
    for bad in (0.0, float("nan"), None, "1", b"1", [known], object(), np.float32(1)):
        with pytest.raises(TypeError):
            tok.decode([known, bad])
        with pytest.raises(TypeError):
            tok.token_bytes(bad)
    for bad in (None, known, "abc", b"abc", np.array([1.0]), np.array([[known]], dtype=np.uint32), 1.5):
        with pytest.raises(TypeError):
            tok.decode(bad)
    for dtype in (np.uint16, np.uint32, np.int32, np.int64, np.uint64):
        assert tok.decode_bytes(np.array([known, known], dtype=dtype)) == 2 * tok.token_bytes(known)


def check_lone_surrogates_are_refused(tok: mg.Tokenizer) -> None:
    """Half a character is an error that gives its position, by every path."""
    for text, place in (("\ud800", 0), ("ab\udfff", 2), ("é🙂\ud83dx", 2), ("x" * 300_000 + "\udc00", 300_000)):
        message = rf"lone surrogate U\+{ord(text[place]):04X} at character {place}\b"
        for call in (tok.encode, tok.count, tok.encode_to_numpy, tok.pre_tokenize):
            with pytest.raises(TextError, match=message):
                call(text)
        with pytest.raises(TextError, match=f"text 1: {message}"):
            tok.encode_batch(["fine", text, "fine"])


def check_invalid_utf8_is_refused(tok: mg.Tokenizer) -> None:
    """Bytes that are not UTF-8 are an error that gives the byte offset, by every path."""
    cases = [
        (b"\xff", 0),
        (b"ab\xc3", 2),
        (b"\xc3\xa9\xed\xa0\x80", 2),
        (b"ab\xc0\xaf", 2),
        (b"x" * 300_000 + b"\x80", 300_000),
    ]
    for data, offset in cases:
        message = rf"invalid UTF-8 at byte {offset}\b"
        for call in (tok.encode, tok.count, tok.encode_to_numpy, tok.pre_tokenize):
            with pytest.raises(TextError, match=message):
                call(data)
        with pytest.raises(TextError, match=f"text 2: {message}"):
            tok.encode_batch(["fine", b"fine", data])


def check_special_tokens_are_never_made_by_text(tok: mg.Tokenizer) -> None:
    """The text of a special token raises, or becomes its id, or is ordinary text: as asked, and nothing else."""
    special_ids = set(tok.special_tokens.values())
    for content, token_id in tok.special_tokens.items():
        for before, after in itertools.product(("", "x", " ", "é\n"), ("", "y", " ", content)):
            text = before + content + after
            with pytest.raises(DisallowedSpecialError, match=f"at byte {len(before.encode())}"):
                tok.encode(text)
            with pytest.raises(DisallowedSpecialError, match=r"^text 1: "):
                tok.encode_batch(["fine", text])
            encoded = tok.encode(text, on_special="encode", add_special_tokens=False)
            assert encoded.count(token_id) == text.count(content)
            assert tok.decode(encoded) == text
            assert tok.decode(encoded, skip_special_tokens=True) == text.replace(content, "")
            plain = tok.encode(text, on_special="text", add_special_tokens=False)
            assert special_ids.isdisjoint(plain)
            assert tok.decode(plain) == text


def check_near_misses_of_special_tokens_are_text(tok: mg.Tokenizer) -> None:
    """All but the exact text of a special token is ordinary text, in each of the three modes."""
    special_ids = set(tok.special_tokens.values())
    for content in tok.special_tokens:
        misses = {
            content[:-1],
            content[1:],
            content.upper(),
            content[:2] + " " + content[2:],
            content[:2] + "\u200b" + content[2:],
        }
        misses |= {content.replace("|", "\uff5c"), content[0] + content[:-1], content[:-1] + content[:-1]}
        for text in misses - {content, ""}:
            if any(other in text for other in tok.special_tokens):
                continue
            ids = [tok.encode(text, on_special=mode, add_special_tokens=False) for mode in ("raise", "encode", "text")]
            assert ids[0] == ids[1] == ids[2]
            assert special_ids.isdisjoint(ids[0])


def check_long_repetition_ends(tok: mg.Tokenizer) -> None:
    """A million characters of one shape are encoded in seconds, and come back."""
    with deadline():
        for name, shape in _SHAPES.items():
            text = (shape * (_N_LONG // len(shape) + 1))[:_N_LONG]
            ids = tok.encode_to_numpy(text, add_special_tokens=False)
            assert tok.decode_bytes(ids) == kept(tok, text).encode(), name


def check_types_of_text(tok: mg.Tokenizer) -> None:
    """What is no text is a `TypeError`; what is a `str` by inheritance counts for its characters."""
    for bad in (None, 5, 1.5, ["a"], ("a",), {"a": 1}, bytearray(b"a"), memoryview(b"a"), object(), np.array(["a"])):
        for call in (tok.encode, tok.count, tok.encode_to_numpy, tok.pre_tokenize):
            with pytest.raises(TypeError, match="str or bytes"):
                call(bad)
        with pytest.raises(TypeError, match="text 1: "):
            tok.encode_batch(["fine", bad])
    for bad in (None, 5, "text", b"text"):
        with pytest.raises(TypeError):
            tok.encode_batch(bad)
    expected = tok.encode("low dog")
    assert tok.encode(np.str_("low dog")) == tok.encode(EvilStr("low dog")) == expected
    assert tok.encode(EvilBytes(b"low dog")) == expected
    assert tok.encode_batch([np.str_("low dog"), EvilStr("low dog")]).to_list() == [expected, expected]


def check_options_are_validated(tok: mg.Tokenizer) -> None:
    """An option outside its range is an error that names it."""
    for n_threads in (0, -1):
        with pytest.raises(ConfigError, match="n_threads"):
            tok.encode("a", n_threads=n_threads)
        with pytest.raises(ConfigError, match="n_threads"):
            tok.encode_batch(["a"], n_threads=n_threads)
    for on_special in ("", "RAISE", "all"):
        with pytest.raises(ConfigError, match="on_special"):
            tok.encode("a", on_special=on_special)
    for dtype in ("int64", "float32", np.uint8):
        with pytest.raises(ConfigError, match="dtype"):
            tok.encode_batch(["a"], dtype=dtype)
    with pytest.raises(ConfigError, match="errors"):
        tok.decode([], errors="ignore")


class EvilStr(str):
    """A `str` that lies in each of its methods."""

    __slots__ = ()

    def __str__(self) -> str:
        return "evil"

    def __len__(self) -> int:
        return 10**9

    def __iter__(self) -> Iterator[str]:
        return iter("evil")

    def encode(self, *_args: object, **_options: object) -> bytes:
        """Return other text."""
        return b"evil"


class EvilBytes(bytes):
    """The same for bytes."""

    __slots__ = ()

    def __len__(self) -> int:
        return 10**9

    def decode(self, *_args: object, **_options: object) -> str:
        """Return other text."""
        return "evil"


CHECKS: list[Check] = [value for name, value in list(globals().items()) if name.startswith("check_")]
