"""`Tokenizer.as_hf` does what `tokenizers` and `transformers` do, call by call: every list of every encoding."""

import copy
import functools
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from parity_peers import tokenizer_json_of
from parity_texts import flores, random_texts, with_special_tokens

import merganser as mg
from merganser.compat.hf import HFTokenizer
from merganser.errors import FormatError

MODELS = [
    "gpt2",
    "roberta-base",
    "llama-3.1",
    "qwen2.5",
    "deepseek-v3",
    "modernbert",
    "bert-base-uncased",
    "bert-base-multilingual-cased",
    "t5-small",
    "phi-3-mini",
]
LISTS = ("ids", "type_ids", "tokens", "offsets", "word_ids", "sequence_ids", "special_tokens_mask", "attention_mask")
NAMED = {
    "gpt2": {"pad_token": "<|endoftext|>"},
    "roberta-base": {"pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"},
    "modernbert": {"pad_token": "[PAD]", "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    "bert-base-uncased": {"pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"},
    "t5-small": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
}
TRUNCATIONS: list[dict[str, Any] | None] = [
    None,
    {"max_length": 12},
    {"max_length": 9, "stride": 2, "direction": "left"},
    {"max_length": 20, "strategy": "only_second"},
    {"max_length": 11, "stride": 1, "strategy": "only_first"},
]
PADDINGS: list[dict[str, Any] | None] = [
    None,
    {"pad_id": 1, "pad_token": "<pad>"},
    {"length": 16, "direction": "left", "pad_type_id": 3},
    {"pad_to_multiple_of": 8},
]
CALLS: list[dict[str, Any]] = [
    {},
    {"padding": True, "return_tensors": "np", "return_offsets_mapping": True},
    {"padding": "max_length", "max_length": 24, "truncation": True, "return_special_tokens_mask": True},
    {"truncation": True, "max_length": 10, "stride": 2, "return_overflowing_tokens": True, "return_length": True},
    {"truncation": "only_first", "max_length": 14, "return_token_type_ids": True, "return_attention_mask": False},
    {"max_length": 7},
    {"padding": "longest", "pad_to_multiple_of": 8, "padding_side": "left", "add_special_tokens": False},
    {"split_special_tokens": True},
]


class Pair(NamedTuple):
    """One tokenizer: the face, and the peer's."""

    name: str
    ours: HFTokenizer
    theirs: Any


@functools.cache
def load_pair(tokenizers: ModuleType, name: str, folder: Path) -> Pair | str:
    """Load a model into both; or say why it cannot be."""
    text = tokenizer_json_of(folder)
    if text is None:
        return f"{name} has no tokenizer.json"
    try:
        ours = mg.Tokenizer.from_json(text)
    except FormatError as error:
        return f"{name} is refused: {error}"
    return Pair(name, ours.as_hf(), tokenizers.Tokenizer.from_str(text.decode()))


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, data: Path, peer: Callable[[str], ModuleType]) -> Pair:
    found = load_pair(peer("tokenizers"), request.param, data / "models" / request.param)
    if isinstance(found, str):
        pytest.skip(found)
    # Both change when settings are made.
    return found._replace(ours=copy.copy(found.ours), theirs=copy.deepcopy(found.theirs))


def texts_for(ours: HFTokenizer, data: Path, n_texts: int = 150) -> list[str]:
    """Random texts, lines of many languages, and special tokens in all company."""
    specials = [token for token in ours.tokenizer.special_tokens if not any(c in token for c in ("reserved", "unused"))]
    lines = flores(data)
    return [
        *random_texts(n_texts),
        *with_special_tokens(specials[:20] or ["<s>"], n_texts // 2),
        *lines[:: max(1, len(lines) // n_texts)],
        "",
        " ",
    ]


def assert_equal(ours: Any, theirs: Any, label: object, names: Sequence[str] = LISTS) -> None:
    """Compare two encodings in every list named, and what overflows."""
    for name in names:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if mine != other:
            at = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), "the end")
            assert mine == other, f"{name} of {label!r} from {at}"
    assert ours.n_sequences == theirs.n_sequences
    assert len(ours.overflowing) == len(theirs.overflowing), label
    for one, another in zip(ours.overflowing, theirs.overflowing, strict=True):
        for name in names:
            mine, other = getattr(one, name), getattr(another, name)
            assert mine == other, f"{name} of what overflows of {label!r}"


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives; ``None`` if it raises, by a panic too."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, AssertionError)):
            raise
        return None


def test_flags_of_added_tokens_equal_tokenizers(pair: Pair) -> None:
    ours, theirs = pair.ours.get_added_tokens_decoder(), pair.theirs.get_added_tokens_decoder()
    names = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    assert {id_: [getattr(token, name) for name in names] for id_, token in ours.items()} == {
        id_: [getattr(token, name) for name in names] for id_, token in theirs.items()
    }


@pytest.mark.parametrize("add_special_tokens", [True, False])
def test_encodings_equal_tokenizers(
    pair: Pair, add_special_tokens: bool, data: Path, report_line: Callable[[str], None]
) -> None:
    texts = texts_for(pair.ours, data)
    ours = pair.ours.encode_batch(texts, add_special_tokens=add_special_tokens)
    theirs = pair.theirs.encode_batch(texts, add_special_tokens=add_special_tokens)
    for text, mine, other in zip(texts, ours, theirs, strict=True):
        assert_equal(mine, other, text)
    report_line(f"parity: tokenizers/{pair.name} face: {len(texts):,} encodings with offsets, words and masks equal")


@pytest.mark.parametrize("are_words", [False, True], ids=["texts", "words"])
@pytest.mark.parametrize("truncation", TRUNCATIONS, ids=str)
def test_truncation_and_padding_equal_tokenizers(
    pair: Pair, truncation: dict[str, Any] | None, are_words: bool, data: Path
) -> None:
    texts: list[Any] = random.Random(5).sample(texts_for(pair.ours, data), 24)
    if are_words:
        texts = [text.split(" ") for text in texts]
    inputs = [*texts[:8], *zip(texts[8:16], texts[16:], strict=True)]
    n_equal = 0
    for padding in PADDINGS:
        for face in (pair.ours, pair.theirs):
            face.no_truncation()
            face.no_padding()
            if truncation is not None:
                face.enable_truncation(**truncation)
            if padding is not None:
                face.enable_padding(**padding)
        assert pair.ours.truncation == pair.theirs.truncation
        assert pair.ours.padding == pair.theirs.padding
        for one, two in itertools.pairwise(inputs):
            theirs = outcome(lambda one=one, two=two: pair.theirs.encode_batch([one, two], is_pretokenized=are_words))
            ours = outcome(lambda one=one, two=two: pair.ours.encode_batch([one, two], is_pretokenized=are_words))
            assert (ours is None) == (theirs is None), (one, two)
            for mine, other in zip(ours or (), theirs or (), strict=True):
                assert_equal(mine, other, (one, two, truncation, padding))
                n_equal += 1
    assert n_equal > 0


def test_places_equal_tokenizers(pair: Pair, data: Path) -> None:
    texts = texts_for(pair.ours, data, 12)
    for one, two in zip(texts[::2], texts[1::2], strict=False):
        ours, theirs = pair.ours.encode(one, two), pair.theirs.encode(one, two)
        for sequence, text in enumerate((one, two)):
            for char in range(len(text) + 1):
                assert ours.char_to_token(char, sequence) == theirs.char_to_token(char, sequence)
                assert ours.char_to_word(char, sequence) == theirs.char_to_word(char, sequence)
            for word in range(12):
                assert ours.word_to_tokens(word, sequence) == theirs.word_to_tokens(word, sequence)
                assert ours.word_to_chars(word, sequence) == theirs.word_to_chars(word, sequence)
        for token in range(len(theirs.ids) + 1):
            assert ours.token_to_chars(token) == theirs.token_to_chars(token)
            assert ours.token_to_word(token) == theirs.token_to_word(token)
            assert ours.token_to_sequence(token) == theirs.token_to_sequence(token)


def test_vocabulary_and_decoding_equal_tokenizers(pair: Pair, data: Path) -> None:
    assert pair.ours.get_vocab() == pair.theirs.get_vocab()
    assert pair.ours.get_vocab(with_added_tokens=False) == pair.theirs.get_vocab(with_added_tokens=False)
    for with_added_tokens in (True, False):
        assert pair.ours.get_vocab_size(with_added_tokens) == pair.theirs.get_vocab_size(with_added_tokens)
    for is_pair in (False, True):
        theirs = pair.theirs.num_special_tokens_to_add(is_pair)
        assert pair.ours.num_special_tokens_to_add(is_pair) == theirs
    n_ids = pair.theirs.get_vocab_size()
    for token_id in [*range(0, n_ids, 501), n_ids + 10_000]:
        token = pair.theirs.id_to_token(token_id)
        assert pair.ours.id_to_token(token_id) == token
        if token is not None:
            assert pair.ours.token_to_id(token) == pair.theirs.token_to_id(token)
    batch = [encoding.ids for encoding in pair.theirs.encode_batch(texts_for(pair.ours, data))]
    batch += [ids[1:] for ids in batch[:100]]
    batch.append([n_ids + 10_000, *batch[0]])
    for skip in (True, False):
        assert pair.ours.decode_batch(batch, skip) == pair.theirs.decode_batch(batch, skip)
        assert pair.ours.decode(batch[0], skip) == pair.theirs.decode(batch[0], skip)


def test_added_tokens_equal_tokenizers(pair: Pair, peer: Callable[[str], ModuleType], data: Path) -> None:
    added_token = peer("tokenizers").AddedToken
    # An added token that a normalizer changes is decoded as that there, and no longer known as special.
    decodes_alike = '"Prepend"' not in pair.theirs.to_str()
    known = next(token for token in pair.theirs.get_vocab() if token.isascii() and token.isalpha() and len(token) > 2)
    for tokens in (
        ["<foo>", "b a r", known, ""],
        [added_token("<l>", lstrip=True), added_token("zz", single_word=True)],
    ):
        assert pair.ours.add_tokens(tokens) == pair.theirs.add_tokens(tokens)
    for tokens in (["<new>", "<foo>"], [added_token("<r>", rstrip=True)], ["<new>"]):
        assert pair.ours.add_special_tokens(tokens) == pair.theirs.add_special_tokens(tokens)
    assert pair.ours.get_vocab() == pair.theirs.get_vocab()
    texts = with_special_tokens(["<foo>", "b a r", known, "<l>", "zz", "<new>", "<r>"], 300)
    for text, mine, other in zip(texts, pair.ours.encode_batch(texts), pair.theirs.encode_batch(texts), strict=True):
        assert_equal(mine, other, text)
        if decodes_alike:
            assert pair.ours.decode(mine.ids) == pair.theirs.decode(other.ids)
    again = HFTokenizer.from_str(pair.ours.to_str())
    assert again.encode(texts[0]).ids == pair.theirs.encode(texts[0]).ids


def test_saved_face_is_what_tokenizers_saves(pair: Pair) -> None:
    for face in (pair.ours, pair.theirs):
        face.enable_truncation(9, stride=1, strategy="only_first", direction="left")
        face.enable_padding(length=12, pad_id=1, pad_token="<p>")
    assert json.loads(pair.ours.to_str()) == json.loads(pair.theirs.to_str())


@pytest.fixture
def called(pair: Pair, data: Path, peer: Callable[[str], ModuleType], tmp_path: Path) -> Pair:
    """The face and ``PreTrainedTokenizerFast``, with special tokens by name."""
    transformers = peer("transformers")
    text = tokenizer_json_of(data / "models" / pair.name)
    assert text is not None
    (tmp_path / "tokenizer.json").write_bytes(text)
    named = {**NAMED.get(pair.name, {"pad_token": "<my_pad>"}), "model_max_length": 64}
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"), **named)
    return Pair(pair.name, mg.Tokenizer.from_json(text).as_hf(**named), theirs)


def assert_batches_equal(ours: Any, theirs: Any, label: object) -> None:
    """Compare two mappings, and what they know of their encodings."""
    assert list(ours) == list(theirs), label
    for name, values in theirs.items():
        if isinstance(values, np.ndarray):
            assert ours[name].dtype == values.dtype, (name, label)
            assert np.array_equal(ours[name], values), (name, label)
        else:
            assert ours[name] == values, (name, label)
    for index in range(len(theirs.encodings)):
        assert ours.tokens(index) == theirs.tokens(index)
        assert ours.word_ids(index) == theirs.word_ids(index)
        assert ours.sequence_ids(index) == theirs.sequence_ids(index)
        for char in (0, 3):
            assert ours.char_to_token(index, char) == theirs.char_to_token(index, char)
        assert ours.token_to_chars(index, 1) == theirs.token_to_chars(index, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", CALLS, ids=str)
def test_calls_equal_transformers(called: Pair, options: dict[str, Any], data: Path) -> None:
    if options.get("split_special_tokens") and called.ours.tokenizer.family == "Unigram":
        # There, the model makes special tokens of ordinary text; here no model does.
        return
    texts = random.Random(3).sample(texts_for(called.ours, data), 40)
    words = [text.split(" ") for text in texts]
    inputs: list[tuple[Any, Any, bool]] = [
        (texts[:9], None, False),
        (texts[:9], texts[9:18], False),
        (list(zip(texts[:9], texts[9:18], strict=True)), None, False),
        (texts[20], None, False),
        (texts[21], texts[22], False),
        (texts[23], "", False),
        (words[:9], None, True),
        (words[:9], words[9:18], True),
        (words[20], None, True),
    ]
    for text, text_pair, are_words in inputs:
        keywords = {**options, "is_split_into_words": are_words}
        theirs = outcome(lambda t=text, p=text_pair, k=keywords: called.theirs(t, p, **k))
        ours = outcome(lambda t=text, p=text_pair, k=keywords: called.ours(t, p, **k))
        assert (ours is None) == (theirs is None), (text, text_pair)
        if theirs is not None:
            assert_batches_equal(ours, theirs, (text, text_pair, options))


@pytest.mark.filterwarnings("ignore")
def test_padding_afterwards_equals_transformers(called: Pair, data: Path) -> None:
    texts = texts_for(called.ours, data)[:24]
    options = {"return_special_tokens_mask": True, "return_token_type_ids": True, "truncation": True, "max_length": 40}
    for side in ("right", "left"):
        called.ours.padding_side = called.theirs.padding_side = side
        for keywords in (
            {},
            {"padding": "max_length", "max_length": 48},
            {"pad_to_multiple_of": 8, "return_tensors": "np"},
            {"return_attention_mask": False},
            {"padding": False},
        ):
            rows = [dict(called.theirs(text, **options)) for text in texts]
            ours, theirs = called.ours.pad(copy.deepcopy(rows), **keywords), called.theirs.pad(rows, **keywords)
            assert_same_arrays(ours, theirs)
            one = dict(called.theirs(texts[0], **options))
            assert_same_arrays(called.ours.pad(copy.deepcopy(one), **keywords), called.theirs.pad(one, **keywords))


def assert_same_arrays(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Compare mappings of lists or arrays."""
    assert dict(ours).keys() == dict(theirs).keys()
    for name, values in theirs.items():
        same = np.array_equal(ours[name], values) if isinstance(values, np.ndarray) else ours[name] == values
        assert same, f"{name}: {ours[name]!r}, not {values!r}"


@pytest.mark.filterwarnings("ignore")
def test_names_and_masks_equal_transformers(called: Pair) -> None:
    for name in ("pad_token", "mask_token", "cls_token", "eos_token", "model_max_length", "padding_side"):
        assert getattr(called.ours, name) == getattr(called.theirs, name), name
    for name in ("pad_token_id", "mask_token_id", "all_special_tokens", "all_special_ids", "special_tokens_map"):
        assert getattr(called.ours, name) == getattr(called.theirs, name), name
    assert len(called.ours) == len(called.theirs)
    assert called.ours.vocab_size == called.theirs.vocab_size
    ids = [*called.theirs("a dog")["input_ids"], called.theirs.pad_token_id]
    theirs = called.theirs.get_special_tokens_mask(ids, already_has_special_tokens=True)
    assert called.ours.get_special_tokens_mask(ids, already_has_special_tokens=True) == theirs
    assert called.ours.convert_ids_to_tokens(ids) == called.theirs.convert_ids_to_tokens(ids)
    tokens = called.theirs.convert_ids_to_tokens(ids)
    assert called.ours.convert_tokens_to_ids(tokens) == called.theirs.convert_tokens_to_ids(tokens)
    assert called.ours.batch_decode([ids]) == called.theirs.batch_decode([ids])
    assert called.ours.tokenize("a dog") == called.theirs.tokenize("a dog")


@pytest.mark.filterwarnings("ignore")
def test_data_collators_take_the_face(called: Pair, peer: Callable[[str], ModuleType], data: Path) -> None:
    transformers = peer("transformers")
    texts = [text for text in texts_for(called.ours, data) if text.strip()][:16]
    rows = [dict(called.theirs(text, truncation=True, max_length=32)) for text in texts]

    def collated(tokenizer: Any, name: str, **options: Any) -> dict[str, Any]:
        collator = getattr(transformers, name)(tokenizer=tokenizer, return_tensors="np", **options)
        return dict(collator(copy.deepcopy(rows)))

    makers = [("DataCollatorWithPadding", {}), ("DataCollatorForLanguageModeling", {"mlm": False})]
    if called.theirs.mask_token is not None:
        makers.append(("DataCollatorForLanguageModeling", {"mlm": True, "seed": 7}))
    for name, options in makers:
        ours, theirs = (collated(tokenizer, name, **options) for tokenizer in (called.ours, called.theirs))
        assert ours.keys() == theirs.keys()
        for key, values in theirs.items():
            assert np.array_equal(ours[key], values), (name, key)
