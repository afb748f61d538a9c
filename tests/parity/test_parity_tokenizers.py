"""merganser gives the ids of Hugging Face tokenizers: published models, custom patterns, and what we train and save."""

import functools
import itertools
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from definitions import SUBJECTS, Subject, pre_tokenizer_json, tokenizer_json, vocabulary
from parity_peers import tokenizer_json_of
from parity_texts import Comparison, corpus, flores, hostile, random_texts, with_special_tokens

import merganser as mg
from merganser.errors import FormatError, PatternLimitError
from merganser.reference import bpe

MODELS = ["gpt2", "roberta-base", "llama-3.1", "qwen2.5", "deepseek-v3", "modernbert"]
HOSTILE_CUT = 20_000

PATTERNS = [
    r"\s+",
    r"\s",
    r"\d",
    r"[\p{L}\p{M}]+",
    r"\p{L}+",
    r" ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+",
    r"[A-Z][a-z]*|\d{1,3}",
    r"(?i:the|dog)",
    r"\s+(?!\S)|[,.;!?]",
    r"(?<=[a-z])(?=[A-Z])|'",
    r"\n|\r\n",
    r"[^\r\n]*[\r\n]?",
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


class Pair(NamedTuple):
    """One tokenizer, in both libraries."""

    name: str
    ours: mg.Tokenizer
    theirs: Any


@functools.cache
def load_pair(tokenizers: ModuleType, name: str, folder: Path) -> Pair:
    """Load a ``tokenizer.json`` into both."""
    text = tokenizer_json_of(folder)
    assert text is not None
    return Pair(name, mg.Tokenizer.from_json(text), tokenizers.Tokenizer.from_str(text.decode()))


@pytest.fixture(scope="session")
def tokenizers(peer: Callable[[str], ModuleType]) -> ModuleType:
    return peer("tokenizers")


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, data: Path, tokenizers: ModuleType) -> Pair:
    return load_pair(tokenizers, request.param, data / "models" / request.param)


def compare(pair: Pair, texts: list[str], name: str, **options: bool) -> Comparison:
    """Compare a batch, there and back."""
    comparison = Comparison(f"tokenizers/{pair.name} {name}")
    theirs = [encoding.ids for encoding in pair.theirs.encode_batch_fast(texts, **options)]
    ours = pair.ours.encode_batch(texts, on_special="encode", **options).to_list()
    for text, our_ids, their_ids in zip(texts, ours, theirs, strict=True):
        comparison.add(text, our_ids, their_ids)
    for skip in (False, True):
        our_texts = pair.ours.decode_batch(theirs, skip_special_tokens=skip)
        assert our_texts == pair.theirs.decode_batch(theirs, skip_special_tokens=skip)
    return comparison


@pytest.mark.parametrize("name", ["english", "multi", "code"])
def test_corpus_equals_tokenizers(pair: Pair, name: str, data: Path, report_line: Callable[[str], None]) -> None:
    compare(pair, corpus(data, name, 600_000), name).close(report_line)


def test_flores_equals_tokenizers(pair: Pair, data: Path, report_line: Callable[[str], None]) -> None:
    compare(pair, flores(data)[::15], "flores, 45 languages", add_special_tokens=False).close(report_line)


def test_random_texts_equal_tokenizers(pair: Pair, report_line: Callable[[str], None]) -> None:
    compare(pair, random_texts(), "random").close(report_line)


def test_special_tokens_equal_tokenizers(pair: Pair, report_line: Callable[[str], None]) -> None:
    specials = [token for token in pair.ours.special_tokens if "reserved" not in token]
    compare(pair, with_special_tokens(specials), "special tokens").close(report_line)


@functools.cache
def marks_unknown_to(tokenizers: ModuleType) -> str:
    """Marks that the peer's normalizer takes for letters, as its tables are older: Python's are taken for right."""
    nfc = tokenizers.normalizers.NFC()
    marks = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Mn", "Mc", "Cn"}]
    texts = {mark: f"a{mark}\u0323\u0301" for mark in marks}
    ours = mg.Tokenizer.from_json(json.dumps(tokenizer_json(vocabulary("gpt2"), "gpt2", normalizer={"type": "NFC"})))
    unlike = [mark for mark, text in texts.items() if nfc.normalize_str(text) != ours.decode(ours.encode(text))]
    for mark in unlike:
        if unicodedata.category(mark) != "Cn":
            assert ours.decode(ours.encode(texts[mark])) == unicodedata.normalize("NFC", texts[mark])
    return "".join(unlike)


def test_hostile_files_equal_tokenizers(
    pair: Pair, data: Path, tokenizers: ModuleType, report_line: Callable[[str], None]
) -> None:
    texts = [raw.decode(errors="replace")[:HOSTILE_CUT] for raw in hostile(data).values()]
    note = ""
    if '"NFC"' in pair.ours.to_json():
        marks = marks_unknown_to(tokenizers)
        texts = [text.translate(dict.fromkeys(map(ord, marks))) for text in texts]
        note = f", without {len(marks)} marks that NFC of tokenizers does not know"
    compare(pair, texts, f"hostile, first {HOSTILE_CUT:,} characters{note}").close(report_line)


def test_vocabulary_equals_tokenizers(pair: Pair) -> None:
    assert pair.ours.n_tokens == pair.theirs.get_vocab_size()
    for content, token_id in pair.ours.special_tokens.items():
        assert pair.theirs.token_to_id(content) == token_id
    for token_id in range(0, pair.ours.vocab_size, 97):
        if pair.theirs.id_to_token(token_id) is not None:
            decoded = pair.theirs.decode([token_id], skip_special_tokens=False)
            assert pair.ours.decode([token_id]) == decoded


def test_model_survives_our_writer(pair: Pair, tokenizers: ModuleType, report_line: Callable[[str], None]) -> None:
    written = tokenizers.Tokenizer.from_str(pair.ours.to_json())
    compare(pair._replace(theirs=written), random_texts(1_000), "random, as we write it").close(report_line)


def test_custom_patterns_equal_tokenizers_or_are_refused(
    tokenizers: ModuleType, report_line: Callable[[str], None]
) -> None:
    """Patterns, behaviors and `invert`: equal ids, or an error that says so; never other ids in silence."""
    comparison = Comparison("tokenizers/custom patterns")
    texts = [*random_texts(300), "The DOG's camelCaseWord, 12345!\r\n\r\n  end  ", "", " ", "\n"]
    n_loaded = 0
    refused = set()
    for pattern, behavior, invert in itertools.product(PATTERNS, BEHAVIORS, (False, True)):
        definition = tokenizer_json(vocabulary("gpt2"), pattern)
        definition["pre_tokenizer"] = pre_tokenizer_json(pattern)
        definition["pre_tokenizer"]["pretokenizers"][0].update(behavior=behavior, invert=invert)
        text = json.dumps(definition)
        theirs = tokenizers.Tokenizer.from_str(text)
        try:
            ours = mg.Tokenizer.from_json(text)
            encoded = ours.encode_batch(texts).to_list()
        except (FormatError, PatternLimitError):
            refused.add(pattern)
            continue
        n_loaded += 1
        label = f"{pattern} {behavior} {invert}"
        for one, our_ids, encoding in zip(texts, encoded, theirs.encode_batch(texts), strict=True):
            comparison.add(one, our_ids, encoding.ids, label=f"{label}: {one!r}")
    comparison.notes.append(f"{n_loaded} pipelines equal, patterns refused: {sorted(refused)}")
    comparison.close(report_line)
    assert len(refused) <= len(PATTERNS) // 3, f"refused without need: {sorted(refused)}"


@pytest.mark.parametrize("flags", [*itertools.product((False, True), repeat=4)], ids=str)
def test_added_token_flags_equal_tokenizers_or_are_refused(
    flags: tuple[bool, ...], tokenizers: ModuleType, report_line: Callable[[str], None]
) -> None:
    definition = tokenizer_json(vocabulary("cl100k"), "cl100k", special_tokens=("<s>", "<|tool|>", "dog"))
    for entry in definition["added_tokens"]:
        entry.update(zip(("lstrip", "rstrip", "single_word", "normalized"), flags, strict=True))
    text = json.dumps(definition)
    try:
        ours = mg.Tokenizer.from_json(text)
    except FormatError:
        return
    pair = Pair(f"added token flags {flags}", ours, tokenizers.Tokenizer.from_str(text))
    texts = [
        "a dog",
        "dogs",
        "hot-dog.",
        "  <s>  x",
        "\n<|tool|>\n",
        "dog dog",
        "x<s>dog",
        "édog",
        "dog_",
        "<s><s> <s>",
    ]
    texts += with_special_tokens(["<s>", "<|tool|>", "dog"], 300)
    compare(pair, texts, "texts").close(report_line)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_saved_tokenizer_loads_in_tokenizers(
    subject: Subject, tokenizers: ModuleType, tmp_path: Path, report_line: Callable[[str], None]
) -> None:
    path = tmp_path / "tokenizer.json"
    subject.build().save(path)
    pair = Pair(f"saved {subject.name}", subject.build(), tokenizers.Tokenizer.from_file(str(path)))
    texts = random_texts(1_000) + with_special_tokens(pair.ours.special_tokens, 300)
    compare(pair, texts, "random and special").close(report_line)


def test_saved_tokenizer_loads_in_transformers(
    tok: mg.Tokenizer, tmp_path: Path, optional_peer: Callable[[str], ModuleType]
) -> None:
    transformers = optional_peer("transformers")
    tok.save(tmp_path / "tokenizer.json")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    for text in random_texts(300):
        assert theirs(text)["input_ids"] == tok.encode(text, on_special="encode")


def peer_train(tokenizers: ModuleType, pattern: str, texts: list[str], **options: Any) -> dict[str, Any]:
    """Train with tokenizers and return the model of its ``tokenizer.json``."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    if pattern == "gpt2":
        tokenizer.pre_tokenizer = byte_level(add_prefix_space=False)
    else:
        split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(bpe.PATTERNS[pattern]), "isolated")
        stages = [split, byte_level(add_prefix_space=False, use_regex=False)]
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(stages)
    alphabet = byte_level.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False, **options)
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())["model"]


@pytest.mark.parametrize(
    ("pattern", "name", "n_bytes", "options"),
    [
        ("gpt2", "english", 4_000_000, {"vocab_size": 5_000}),
        ("cl100k", "english", 4_000_000, {"vocab_size": 5_000, "special_tokens": ["<|endoftext|>", "<|pad|>"]}),
        ("cl100k", "multi", 1_500_000, {"vocab_size": 3_000, "min_frequency": 3}),
        ("o200k", "code", 1_500_000, {"vocab_size": 3_000, "max_token_length": 6}),
    ],
    ids=["gpt2-english", "cl100k-english", "cl100k-multi", "o200k-code"],
)
def test_train_bpe_equals_tokenizers(
    pattern: str,
    name: str,
    n_bytes: int,
    options: dict[str, Any],
    data: Path,
    tokenizers: ModuleType,
    report_line: Callable[[str], None],
) -> None:
    texts = corpus(data, name, n_bytes)
    # The limit of tokenizers is one more than the longest token that it makes.
    longer = {"max_token_length": options["max_token_length"] + 1} if "max_token_length" in options else {}
    theirs = peer_train(tokenizers, pattern, texts, **{**options, **longer})
    ours = json.loads(mg.train_bpe(texts, pre_tokenizer=pattern, **options).to_json())["model"]
    merges = list(zip(ours["merges"], theirs["merges"], strict=False))
    n_different = sum(a != b for a, b in merges) + abs(len(ours["merges"]) - len(theirs["merges"]))
    n_tokens_different = len(ours["vocab"].items() ^ theirs["vocab"].items())
    report_line(
        f"parity: tokenizers/train_bpe {pattern} on {n_bytes / 1e6:.1f} MB {name}, {options}: "
        f"{len(ours['merges']):,} merges, {n_different} differences; "
        f"{len(ours['vocab']):,} tokens, {n_tokens_different} differences"
    )
    assert ours["merges"] == theirs["merges"]
    assert ours["vocab"] == theirs["vocab"]
