"""A wrong argument is refused by its name, with what it must be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import merganser as mg
from merganser.errors import ConfigError, UnknownTokenError


@pytest.fixture(scope="module")
def tok() -> mg.Tokenizer:
    return mg.train_bpe(["banana bandana"], vocab_size=259, special_tokens=["<|end|>"])


TEXT = "text must be str or bytes, got "
ON_SPECIAL = r'on_special must be "raise", "encode" or "text", got '
IDS_OF_ONE = "ids must be one sequence, got an array of shape"


@pytest.mark.parametrize(
    ("call", "arguments", "options", "message"),
    [
        ("encode", (3,), {}, TEXT + "int"),
        ("encode", (None,), {}, TEXT + "NoneType"),
        ("encode", (Path("a"),), {}, TEXT + "PosixPath"),
        ("encode", (["a"],), {}, TEXT + "list"),
        ("encode", ("a",), {"n_threads": "2"}, "n_threads must be an integer, got str"),
        ("encode", ("a",), {"add_special_tokens": "no"}, "add_special_tokens"),
        ("encode_to_numpy", (3,), {}, TEXT + "int"),
        ("encode_batch", ("text",), {}, "texts must be many texts, got one str; wrap a text in a list"),
        ("encode_batch", (Path("a"),), {}, "texts must be many texts, got one PosixPath"),
        ("encode_batch", (3,), {}, "texts must be many texts, got int"),
        ("encode_batch", ([3],), {}, "text 0: " + TEXT + "int"),
        ("encode_full", (3,), {}, TEXT + "int"),
        ("encode_full", ("a", 3), {}, TEXT + "int"),
        ("encode_full", ("a",), {"truncation": 3}, "truncation"),
        ("encode_full", ("a",), {"padding": 3}, "padding"),
        ("encode_full_batch", ("a",), {}, "texts must be many texts"),
        ("encode_full_batch", (["a"], 3), {}, "pairs must be many texts"),
        ("count", (3,), {}, TEXT + "int"),
        ("pre_tokenize", (3,), {}, TEXT + "int"),
        ("sample", (3,), {"seed": 1, "dropout": 0.1}, TEXT + "int"),
        ("sample", ("a",), {"seed": "1", "dropout": 0.1}, "seed must be an integer, got str"),
        ("sample", ("a",), {"seed": 1.0, "dropout": 0.1}, "seed must be an integer, got float"),
        ("sample", ("a",), {"seed": 1, "dropout": "0.1"}, "dropout must be a number, got str"),
        ("sample", ("a",), {"seed": 1, "alpha": []}, "alpha must be a number, got list"),
        ("sample", ("a",), {"seed": 1, "n_best": 1.5}, "n_best must be an integer, got float"),
        ("sample_batch", ("a",), {"seed": 1, "dropout": 0.1}, "texts must be many texts"),
        ("n_best", ("a", "1"), {}, "n must be an integer, got str"),
        ("decode", (np.zeros((2, 2), np.uint32),), {}, IDS_OF_ONE),
        ("decode", (np.uint32(1),), {}, "ids must be integers, got uint32"),
        ("decode", (3,), {}, "ids must be integers, got int"),
        ("decode", (None,), {}, "ids must be integers, got NoneType"),
        ("decode", ("abc",), {}, "ids must be integers, got str"),
        ("decode", ([[1, 2]],), {}, "ids must be the integers of one sequence, got list at position 0"),
        ("decode", ([1, 1.5],), {}, "ids must be the integers of one sequence, got float at position 1"),
        ("decode_bytes", (np.zeros((1, 1), np.uint16),), {}, IDS_OF_ONE),
        ("decode_batch", (3,), {}, "batch must be many sequences of ids, got int"),
        ("decode_batch", ([3],), {}, "sequence 0: ids must be integers, got int"),
        ("tokens", (3,), {}, "ids must be integers, got int"),
        ("tokens", ([1.5],), {}, "id must be an integer, got float"),
        ("token_to_id", (3,), {}, "token must be str or bytes, got int; token_text gives the text of an id"),
        ("token_to_id", (None,), {}, "token must be str or bytes, got NoneType"),
        ("token_text", ("a",), {}, "id must be an integer, got str"),
        ("token_bytes", (1.0,), {}, "id must be an integer, got float"),
        ("with_added_tokens", ("abc",), {}, "tokens"),
        ("with_truncation", (3,), {}, "truncation"),
        ("with_padding", (3,), {}, "padding"),
        ("save", (3,), {}, "path must be str or os.PathLike, got int"),
        ("load", (3,), {}, "path must be str or os.PathLike, got int"),
        ("from_json", (3,), {}, "text must be str or bytes, got int"),
        ("from_pretrained", (3,), {}, "name must be str, got int"),
    ],
)
def test_wrong_type_is_refused_by_name(
    tok: mg.Tokenizer, call: str, arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        getattr(tok, call)(*arguments, **options)


@pytest.mark.parametrize("call", ["encode", "encode_to_numpy", "encode_full", "count", "pre_tokenize"])
@pytest.mark.parametrize("value", [None, "Raise", 3, "\ud800"])
def test_on_special_is_refused_by_name(tok: mg.Tokenizer, call: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=ON_SPECIAL):
        getattr(tok, call)("a", on_special=value)


@pytest.mark.parametrize("id_", [-1, 1 << 32, 1 << 70, 259])
def test_id_out_of_range_is_not_in_the_vocabulary(tok: mg.Tokenizer, id_: int) -> None:
    calls = (tok.token_text, tok.token_bytes, tok.decode_stream().push, lambda id_: tok.tokens([id_]))
    for call in (*calls, lambda id_: tok.decode([id_])):
        with pytest.raises(UnknownTokenError, match=f"token id {id_}"):
            call(id_)


@pytest.mark.parametrize("id_", [np.uint8(65), np.int64(65), True])
def test_id_of_any_integer_type_is_taken(tok: mg.Tokenizer, id_: Any) -> None:
    assert tok.token_bytes(id_) == tok.token_bytes(int(id_))
    assert tok.decode([id_]) == tok.decode([int(id_)])


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("encode", (3,), "text must be str, got int"),
        ("encode_ordinary", (None,), "text must be str, got NoneType"),
        ("encode_batch", ("abc",), "text must be many texts, got one str"),
        ("decode", (3,), "tokens must be a sequence of ids, got int"),
        ("decode_tokens_bytes", (3,), "tokens must be a sequence of ids, got int"),
        ("decode_single_token_bytes", ("a",), "id must be an integer, got str"),
        ("encode_single_token", (3,), "token must be str or bytes, got int"),
    ],
)
def test_tiktoken_face_refuses_a_wrong_type_by_name(
    tok: mg.Tokenizer, call: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        getattr(tok.as_tiktoken("test"), call)(*arguments)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("encode", (3,), "a text must be str, got int"),
        ("encode_batch", ("abc",), "input must be many texts, got one str"),
        ("encode_batch", ([3],), "a text must be str, or a sequence of two, got int"),
        ("decode", (3,), "ids must be a sequence of ids, got int"),
        ("id_to_token", ("a",), "id must be an integer, got str"),
        ("convert_tokens_to_ids", (3,), "tokens must be str or many of them, got int"),
        ("convert_ids_to_tokens", (1.5,), "ids must be a sequence of ids, got float"),
        ("batch_decode", (3,), "sequences must be many sequences of ids, got int"),
        ("batch_decode", ([3],), "sequences must be a sequence of ids, got int"),
    ],
)
def test_hugging_face_face_refuses_a_wrong_type_by_name(
    tok: mg.Tokenizer, call: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        getattr(tok.as_hf(), call)(*arguments)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        ("char_to_token", ("x",), "char must be an integer, got str"),
        ("char_to_word", (0, "x"), "sequence must be an integer, got str"),
        ("token_to_chars", (1.5,), "token must be an integer, got float"),
        ("token_to_word", (None,), "token must be an integer, got NoneType"),
        ("token_to_sequence", ("x",), "token must be an integer, got str"),
        ("word_to_tokens", ("x",), "word must be an integer, got str"),
        ("word_to_chars", (0, None), "sequence must be an integer, got NoneType"),
    ],
)
def test_encoding_refuses_a_wrong_type_by_name(
    tok: mg.Tokenizer, call: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        getattr(tok.encode_full("banana"), call)(*arguments)


class MapStyle:
    """Can be gone through by index alone, as data sets of torch can."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def test_what_can_be_gone_through_by_index_passes(tok: mg.Tokenizer) -> None:
    texts = ["ab", "b"]
    ids = tok.encode("ab")
    assert tok.encode_batch(MapStyle(texts)) == tok.encode_batch(texts)  # type: ignore[arg-type]
    assert tok.decode(MapStyle(ids)) == "ab"  # type: ignore[arg-type]
    assert tok.decode_batch(MapStyle([ids])) == ["ab"]  # type: ignore[arg-type]
    assert tok.as_hf().decode(MapStyle(ids)) == "ab"
    assert tok.as_tiktoken().decode(MapStyle(ids)) == "ab"
    assert tok.as_tiktoken().encode_batch(iter(texts)) == tok.as_tiktoken().encode_batch(texts)
    assert tok.as_tiktoken().decode(bytes([65, 66])) == tok.decode([65, 66])
