"""The face of tiktoken: what its calls mean, on a small vocabulary."""

import pickle

import numpy as np
import pytest
from definitions import TRAINING_TEXT

import merganser as mg
from merganser.compat.tiktoken import TiktokenEncoding
from merganser.errors import ConfigError, DisallowedSpecialError, UnsupportedError

END = "<|endoftext|>"
START = "<|im_start|>"


@pytest.fixture(scope="session")
def enc(tok: mg.Tokenizer) -> TiktokenEncoding:
    return tok.as_tiktoken("small")


def test_special_tokens_raise_unless_allowed(enc: TiktokenEncoding, tok: mg.Tokenizer) -> None:
    text = f"dog{END}dog{START}"
    end, start = tok.special_tokens[END], tok.special_tokens[START]
    dog = tok.encode("dog")
    for call in (enc.encode, enc.encode_to_numpy, enc.encode_with_unstable, lambda text: enc.encode_batch(["a", text])):
        with pytest.raises(ValueError, match=r"'<\|endoftext\|>' at character 3"):
            call(text)
    with pytest.raises(DisallowedSpecialError, match="im_start"):
        enc.encode(text, allowed_special={END})
    assert enc.encode(text, allowed_special="all") == [*dog, end, *dog, start]
    assert enc.encode(text, disallowed_special=()) == tok.encode(text, on_special="text")
    assert enc.encode(text, disallowed_special=None) == tok.encode(text, on_special="text")
    assert enc.encode(text, disallowed_special=enc.special_tokens_set - {END, START}) == enc.encode_ordinary(text)
    mixed = enc.encode(text, allowed_special={END}, disallowed_special=())
    assert mixed == [*dog, end, *dog, *tok.encode(START, on_special="text")]
    assert enc.encode_to_numpy(text, allowed_special={END}, disallowed_special=()).tolist() == mixed
    assert enc.encode_batch([text], allowed_special={END}, disallowed_special=()) == [mixed]
    assert start in enc.encode(START, allowed_special={START})


def test_any_text_can_be_disallowed(enc: TiktokenEncoding) -> None:
    with pytest.raises(ValueError, match="'dog' at character 4"):
        enc.encode("the dog", disallowed_special={"dog"})
    assert enc.encode("the cat", disallowed_special={"dog"}) == enc.encode_ordinary("the cat")


def test_every_way_of_encoding_agrees(enc: TiktokenEncoding) -> None:
    texts = [TRAINING_TEXT, "", "é 東京", " x"]
    ids = [enc.encode(text) for text in texts]
    assert enc.encode_batch(texts) == enc.encode_ordinary_batch(texts, num_threads=2) == ids
    for text, expected in zip(texts, ids, strict=True):
        array = enc.encode_to_numpy(text)
        assert array.dtype == np.uint32
        assert array.tolist() == enc.encode_ordinary(text) == expected
        assert enc.decode(expected) == text
        assert enc.decode_bytes(expected) == b"".join(enc.decode_tokens_bytes(expected)) == text.encode()
    assert enc.decode_batch(ids) == texts
    assert enc.decode_bytes_batch(ids) == [text.encode() for text in texts]


def test_surrogates_are_joined_or_replaced(enc: TiktokenEncoding) -> None:
    assert enc.encode("a\ud83d\ude42") == enc.encode("a🙂")
    assert enc.encode("a\ud800b") == enc.encode_ordinary("a\ud800b") == enc.encode("a\ufffdb")
    assert enc.encode_batch(["\udfff"]) == [enc.encode("\ufffd")]


def test_single_tokens(enc: TiktokenEncoding, tok: mg.Tokenizer) -> None:
    (the,) = enc.encode("The")[:1]
    assert enc.decode_single_token_bytes(the) == tok.token_bytes(the)
    assert enc.encode_single_token(tok.token_bytes(the)) == the
    assert enc.encode_single_token(END) == tok.special_tokens[END] == enc.eot_token
    for missing in ("no such token", b"\xff\xff"):
        with pytest.raises(KeyError):
            enc.encode_single_token(missing)
    with pytest.raises(KeyError, match="100000"):
        enc.decode_single_token_bytes(100_000)
    with pytest.raises(KeyError, match="100000"):
        enc.decode([100_000])


def test_offsets_count_characters(enc: TiktokenEncoding) -> None:
    text = "a東🙂é"
    decoded, offsets = enc.decode_with_offsets([enc.encode_single_token(bytes([byte])) for byte in text.encode()])
    assert decoded == text
    assert offsets == [0, 1, 1, 1, 2, 2, 2, 2, 3, 3]


def test_errors_of_decoding_are_as_asked(enc: TiktokenEncoding) -> None:
    half = [enc.encode_single_token(b"\xe6")]
    assert enc.decode(half) == "\ufffd"
    assert enc.decode(half, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        enc.decode(half, errors="strict")
    with pytest.raises(UnicodeDecodeError):
        enc.decode_with_offsets(half)


def test_vocabulary(enc: TiktokenEncoding, tok: mg.Tokenizer) -> None:
    values = enc.token_byte_values()
    assert values == sorted(values)
    assert len(values) == tok.n_tokens - 3
    assert enc.n_vocab == enc.max_token_value + 1 == tok.vocab_size
    assert enc.special_tokens_set == set(tok.special_tokens)
    assert enc.is_special_token(enc.eot_token)
    assert not enc.is_special_token(enc.encode("a")[0])
    assert enc.name == "small"
    assert repr(enc) == "<Encoding 'small'>"


def test_encoding_survives_pickling(enc: TiktokenEncoding) -> None:
    enc.token_byte_values()
    copy = pickle.loads(pickle.dumps(enc))
    assert copy.name == enc.name
    assert copy.encode(f"dog{END}", allowed_special="all") == enc.encode(f"dog{END}", allowed_special="all")


def test_unstable_ids_are_those_that_more_text_changes() -> None:
    # Ids in the order of merges, as in tiktoken: bytes, then the merges; special tokens last.
    tok = mg.train_bpe(["fantastic fantasy fan"], vocab_size=266)
    enc = tok.as_tiktoken()
    for text in ("a fan", "fanta", "x\n", "  "):
        stable, completions = enc.encode_with_unstable(text)
        assert text.encode().startswith(enc.decode_bytes(stable))
        assert completions
        for completion in completions:
            assert enc.decode_bytes(stable + completion).startswith(text.encode())
        for more in ("sy", "stic", " ", "\n0", "é"):
            longer = enc.encode(text + more)
            assert longer[: len(stable)] == stable
            assert any(longer[len(stable) :][: len(completion)] == completion for completion in map(list, completions))


def test_unstable_ids_need_merges_in_the_order_of_ids(tokenizer: mg.Tokenizer) -> None:
    enc = tokenizer.as_tiktoken()
    try:
        stable, _ = enc.encode_with_unstable("a dog")
    except UnsupportedError:
        with pytest.raises(UnsupportedError):
            tokenizer._inner.to_tiktoken()
    else:
        assert b"a dog".startswith(enc.decode_bytes(stable))


def test_truncation_and_padding_are_refused(tok: mg.Tokenizer) -> None:
    for changed in (tok.with_truncation(mg.Truncation(9)), tok.with_padding(mg.Padding())):
        with pytest.raises(ConfigError, match="with_truncation"):
            changed.as_tiktoken()
