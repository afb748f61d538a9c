"""`Tokenizer`: what its methods mean, on small known vocabularies; the compiled core equals the golden cases."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from common_checks import deadline
from definitions import added_token, load, pre_tokenizer_json, spell, tokenizer_json, vocabulary

import merganser as mg
from merganser.errors import ConfigError, DisallowedSpecialError, TextError, UnknownTokenError
from merganser.reference import bpe

VECTORS = Path(__file__).parent / "vectors"
BYTES = [bytes([byte]) for byte in range(256)]


def read_cases(name: str) -> list[Any]:
    """Read golden cases as parameters; the first line of their file is the header."""
    lines = (VECTORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["name"]) for case in map(json.loads, lines[1:])]


def tokenizer_of_merges(*merges: tuple[bytes, bytes], **options: Any) -> mg.Tokenizer:
    """All bytes and these merges, split as GPT-2 does."""
    products = [left + right for left, right in merges]
    return load(tokenizer_json(bpe.Vocabulary([*BYTES, *products], list(merges)), "gpt2", **options))


@pytest.mark.parametrize("case", read_cases("bpe_encode"))
def test_encode_equals_golden_case(case: dict[str, Any]) -> None:
    vocab = {token: token_id for token_id, token in enumerate(case["tokens"])}
    definition = tokenizer_json(bpe.Vocabulary([], []), case["pattern"], ignore_merges=case["ignore_merges"])
    definition["model"].update(vocab=vocab, merges=case["merges"])
    tok = load(definition)
    assert tok.encode(case["text"]) == case["ids"]
    assert tok.decode(case["ids"]) == case["text"]


@pytest.mark.parametrize("case", read_cases("pre_tokenize"))
def test_pre_tokenize_equals_golden_case(case: dict[str, Any]) -> None:
    tok = load(tokenizer_json(vocabulary(case["pattern"]), case["pattern"]))
    assert tok.pre_tokenize(case["text"]) == case["pieces"]


def test_encode_takes_the_lowest_rank_first_and_the_leftmost_on_ties() -> None:
    tok = tokenizer_of_merges((b"b", b"c"), (b"a", b"b"), (b"a", b"a"))
    assert [tok.token_bytes(token_id) for token_id in tok.encode("abc")] == [b"a", b"bc"]
    assert [tok.token_bytes(token_id) for token_id in tok.encode("aaa")] == [b"aa", b"a"]


def test_encode_never_merges_across_pre_tokens() -> None:
    tok = tokenizer_of_merges((b"a", b" "), (b" ", b"b"))
    assert [tok.token_bytes(token_id) for token_id in tok.encode("a b")] == [b"a", b" b"]


def test_encode_raises_when_a_byte_has_no_token() -> None:
    tok = load(tokenizer_json(bpe.Vocabulary([b"a", b"b", b"ab"], [(b"a", b"b")]), "gpt2"))
    assert tok.encode("abab") == [2, 2]
    with pytest.raises(UnknownTokenError, match="byte"):
        tok.encode("abc")
    with pytest.raises(LookupError, match="text 1"):
        tok.encode_batch(["ab", "é"])


def test_encode_takes_whole_pre_tokens_when_merges_are_ignored() -> None:
    learned = bpe.Vocabulary([*BYTES, b"ab", b" dog"], [])
    for ignore_merges, n_tokens in ((False, 6), (True, 2)):
        assert tok_count(learned, ignore_merges) == n_tokens


def tok_count(learned: bpe.Vocabulary, ignore_merges: bool) -> int:
    """Count the tokens of a fixed text."""
    return load(tokenizer_json(learned, "gpt2", ignore_merges=ignore_merges)).count("ab dog")


def test_encode_of_bytes_equals_encode_of_str(tok: mg.Tokenizer) -> None:
    assert tok.encode("café 東京".encode()) == tok.encode("café 東京")


@pytest.mark.parametrize(("dtype", "expected"), [(None, np.uint16), ("uint16", np.uint16), (np.uint32, np.uint32)])
def test_encode_to_numpy_gives_the_dtype_asked_for(tok: mg.Tokenizer, dtype: Any, expected: type) -> None:
    ids = tok.encode_to_numpy("the quick brown fox", dtype=dtype)
    assert ids.dtype == expected
    assert ids.tolist() == tok.encode("the quick brown fox")
    assert ids.flags.writeable


def test_encode_batch_refuses_uint16_when_the_vocabulary_is_larger() -> None:
    learned = bpe.Vocabulary([*BYTES, b"ab"], [(b"a", b"b")])
    tok = load(tokenizer_json(learned, "gpt2", ids=[*range(256), 1 << 16]))
    assert tok.vocab_size == (1 << 16) + 1
    assert tok.encode_batch(["ab"]).ids.dtype == np.uint32
    with pytest.raises(ConfigError, match="uint16"):
        tok.encode_batch(["ab"], dtype="uint16")
    fits = load(tokenizer_json(learned, "gpt2", ids=[*range(256), (1 << 16) - 1]))
    assert fits.encode_batch(["ab"]).ids.tolist() == [(1 << 16) - 1]
    assert fits.encode_batch(["ab"]).ids.dtype == np.uint16


def test_encode_batch_names_the_first_bad_text_whatever_the_threads(tok: mg.Tokenizer) -> None:
    texts = ["fine"] * 10_000
    texts[7_000] = texts[9_000] = "no <|endoftext|>"
    for n_threads in (1, 2, 8):
        with pytest.raises(DisallowedSpecialError, match=r"^text 7000: .* at byte 3"):
            tok.encode_batch(texts, n_threads=n_threads)


def test_encode_batch_passes_on_what_the_iterator_raises(tok: mg.Tokenizer) -> None:
    def texts() -> Any:
        yield "fine"
        raise KeyError(0)

    with pytest.raises(KeyError, match="0"):
        tok.encode_batch(texts())


def test_encode_batch_takes_a_million_empty_texts(tok: mg.Tokenizer) -> None:
    with deadline():
        batch = tok.encode_batch([""] * 1_000_000)
    assert len(batch) == 1_000_000
    assert not batch.offsets.any()


def test_encode_takes_a_long_text_of_special_tokens(tok: mg.Tokenizer) -> None:
    text = "<|endoftext|>" * 100_000
    with deadline():
        assert tok.encode(text, on_special="encode") == [tok.special_tokens["<|endoftext|>"]] * 100_000
        assert tok.decode(tok.encode(text, on_special="text")) == text
        near = "<|endoftext|" * 100_000
        assert tok.decode(tok.encode(near)) == near


def test_special_tokens_take_the_longest_of_those_that_start_together() -> None:
    tok = tokenizer_of_merges(special_tokens=("<a>", "<a><b>", "<b>"))
    first, both, second = (tok.special_tokens[text] for text in ("<a>", "<a><b>", "<b>"))
    assert tok.encode("<a><b><a><a><b><b>", on_special="encode") == [both, first, both, second]


def test_special_tokens_as_text_are_as_if_there_were_none() -> None:
    learned = vocabulary("cl100k")
    without = load(tokenizer_json(learned, "cl100k"))
    tok = load(tokenizer_json(learned, "cl100k", special_tokens=("<|end|>", "dog", " ", "\n\n")))
    for text in ("the lazy dog <|end|>\n\n x", "dogdog  dogs\n\n\n", "<|end|><|end|>", " "):
        assert tok.encode(text, on_special="text") == without.encode(text)
        assert tok.pre_tokenize(text, on_special="text") == without.pre_tokenize(text)


def test_special_token_that_normalization_would_make_stays_text() -> None:
    tok = load(tokenizer_json(vocabulary("cl100k"), "cl100k", special_tokens=("<é>",), normalizer={"type": "NFC"}))
    assert tok.special_tokens["<é>"] not in tok.encode("<e\u0301>")
    with pytest.raises(DisallowedSpecialError):
        tok.encode("<é>")


def test_normalization_equals_unicodedata() -> None:
    """Characters that are older than the tables of `tokenizers`, alone and among marks that may change places."""
    tok = load(tokenizer_json(vocabulary("gpt2"), "gpt2", normalizer={"type": "NFC"}))
    category = unicodedata.ucd_3_2_0.category
    known = [chr(code) for code in range(0x110000) if category(chr(code)) not in {"Cn", "Cs"}]
    texts = [text for c in known for text in (c, f"a{c}\u0323", f"a\u0301{c}\u0327")]
    for text, ids in zip(texts, tok.encode_batch(texts), strict=True):
        assert tok.decode_bytes(ids) == unicodedata.normalize("NFC", text).encode(), ascii(text)


def test_normalization_leaves_characters_alone_that_tokenizers_does_not_know() -> None:
    """U+07FD of Unicode 11 is a mark below, which would change places with one of Unicode 9 or older."""
    tok = load(tokenizer_json(vocabulary("gpt2"), "gpt2", normalizer={"type": "NFC"}))
    assert tok.decode(tok.encode("a\u0301\u07fd\u0327")) == "\u00e1\u07fd\u0327"


def test_added_tokens_are_found_without_being_asked_for() -> None:
    definition = tokenizer_json(vocabulary("gpt2"), "gpt2")
    first = len(vocabulary("gpt2").tokens)
    definition["added_tokens"] = [added_token("<tool>", first, special=False)]
    tok = load(definition)
    assert tok.special_tokens == {}
    assert tok.encode("a<tool>b")[1] == first
    assert first in tok.encode("a<tool>b", on_special="text")
    assert tok.pre_tokenize("a <tool>b") == ["a", " ", "<tool>", "b"]


@pytest.mark.parametrize("nested", [False, True])
def test_many_added_tokens_are_found_in_time(nested: bool) -> None:
    learned = vocabulary("gpt2")
    contents = ["<" + "a" * n for n in range(1, 2_000)] if nested else [f"<tool_{n}>" for n in range(100_000)]
    definition = tokenizer_json(learned, "gpt2", special_tokens=contents)
    with deadline(60):
        tok = load(definition)
        assert len(tok.special_tokens) == len(contents)
        ids = tok.encode(contents[-1] + " and " + contents[0] + "é" * 100_000, on_special="encode")
        assert ids[0] == tok.special_tokens[contents[-1]]
        assert ids.count(tok.special_tokens[contents[0]]) == 1
        assert tok.decode(ids) == contents[-1] + " and " + contents[0] + "é" * 100_000


def test_add_special_tokens_puts_them_around_each_text() -> None:
    definition = tokenizer_json(vocabulary("gpt2"), "gpt2", special_tokens=("<s>", "</s>"))
    first = len(vocabulary("gpt2").tokens)
    definition["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["</s>", first + 1],
        "cls": ["<s>", first],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    tok = load(definition)
    plain = tok.encode("the dog", add_special_tokens=False)
    assert tok.encode("the dog") == [first, *plain, first + 1]
    assert tok.encode("") == [first, first + 1]
    assert tok.count("the dog") == len(plain) + 2
    assert tok.encode_batch(["", "the dog"]).to_list() == [[first, first + 1], [first, *plain, first + 1]]
    assert tok.decode(tok.encode("the dog"), skip_special_tokens=True) == "the dog"
    assert tok.decode(tok.encode("the dog")) == "<s>the dog</s>"


def test_decode_of_part_of_a_character_replaces_or_raises(tok: mg.Tokenizer) -> None:
    ids = [tok.token_to_id(bytes([byte])) for byte in "東".encode()]
    assert tok.decode(ids) == "東"
    assert tok.decode_bytes(ids[:2]) == "東".encode()[:2]
    assert tok.decode(ids[:2]) == "\ufffd"
    with pytest.raises(TextError, match="byte 1"):
        tok.decode([tok.token_to_id(b"a"), *ids[:2]], errors="strict")


def test_decode_gives_back_every_sequence_of_bytes(tok: mg.Tokenizer) -> None:
    id_of = [tok.token_to_id(byte) for byte in BYTES]
    every_pair = bytes(byte for left in range(256) for right in range(256) for byte in (left, right))
    assert tok.decode_bytes([id_of[byte] for byte in every_pair]) == every_pair


def test_token_to_id_takes_text_not_spelling() -> None:
    tok = tokenizer_of_merges((b" ", b"t"))
    assert tok.token_to_id(" t") == tok.token_to_id(b" t") == 256
    assert tok.token_to_id("Ġt") is None
    assert tok.token_to_id(b"\xff") == 255
    assert tok.vocab()[b" t"] == 256


def test_equality_is_by_definition() -> None:
    one, other = tokenizer_of_merges((b"a", b"b")), tokenizer_of_merges((b"a", b"b"))
    different = tokenizer_of_merges((b"a", b"c"))
    assert one == other
    assert {one, other, different} == {one, different}
    assert one.fingerprint == other.fingerprint != different.fingerprint
    assert int(one.fingerprint, 16) < 1 << 256
    assert one != "a tokenizer"
    assert one != tokenizer_of_merges((b"a", b"b"), ignore_merges=True)
    assert one != tokenizer_of_merges((b"a", b"b"), pre_tokenizer=pre_tokenizer_json("cl100k"))


def test_fingerprint_does_not_depend_on_the_layout_of_the_file() -> None:
    definition = tokenizer_json(vocabulary("gpt2"), "gpt2")
    backwards = json.loads(json.dumps(definition), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    backwards["model"]["merges"] = [" ".join(merge) for merge in definition["model"]["merges"]]
    assert load(backwards) == load(definition)


def test_tokenizer_cannot_be_made_or_changed_by_hand(tok: mg.Tokenizer) -> None:
    with pytest.raises(TypeError, match=r"Tokenizer\.load"):
        mg.Tokenizer()
    with pytest.raises(AttributeError):
        tok.vocab_size = 5
    tok.special_tokens.clear()
    tok.vocab().clear()
    assert tok.special_tokens
    assert tok.vocab()


def test_duplicate_merges_are_harmless() -> None:
    learned = vocabulary("gpt2")
    definition = tokenizer_json(learned, "gpt2")
    definition["model"]["merges"] += definition["model"]["merges"][:50]
    assert load(definition).encode("the lazy dog") == load(tokenizer_json(learned, "gpt2")).encode("the lazy dog")


def test_long_tokens_and_their_spelling_survive() -> None:
    long = bytes(range(256)) * 8
    merges = [(long[:n], long[n : n + 1]) for n in range(1, 60)]
    tokens = [*BYTES, *(left + right for left, right in merges)]
    tok = load(tokenizer_json(bpe.Vocabulary(tokens, merges), "gpt2"))
    assert tok.token_bytes(256 + 58) == long[:60]
    assert json.loads(tok.to_json())["model"]["vocab"][spell(long[:60])] == 256 + 58
