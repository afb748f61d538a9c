"""`train_sentencepiece` beside SentencePiece 0.2.3: rules, pieces, scores, and what its library does with our file."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from parity_texts import corpus

import merganser as mg

RULES = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"]
LONGEST_LINE = 4192


def lines_of(data: Path, name: str, n_bytes: int = 3_000_000) -> list[str]:
    """Lines of a corpus; the last is empty."""
    return [line for document in corpus(data, name, n_bytes) for line in document.split("\n")]


def train_theirs(sentencepiece: ModuleType, lines: list[str], **options: Any) -> Any:
    """Train with the other library."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, num_threads=2, minloglevel=2, **options
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def vocabulary(processor: Any) -> list[tuple[str, float]]:
    """Pieces and scores by id."""
    return [(processor.id_to_piece(id), processor.get_score(id)) for id in range(processor.get_piece_size())]


def loaded(sentencepiece: ModuleType, tok: mg.Tokenizer) -> Any:
    """Load our file in the other library."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ours.model"
        tok.save(path)
        return sentencepiece.SentencePieceProcessor(model_file=str(path))


def check_encodes_the_same(processor: Any, tok: mg.Tokenizer, texts: list[str]) -> int:
    """Hold ids and pieces equal; return how many tokens there were."""
    n_tokens = 0
    for text in texts:
        expected = processor.encode(text)
        ids = tok.encode(text, on_special="text")
        assert ids == expected, text
        n_tokens += len(ids)
    return n_tokens


@pytest.mark.parametrize("rule", RULES)
def test_rules_equal_those_of_sentencepiece_on_every_character(
    rule: str, data: Path, peer: Callable[[str], ModuleType]
) -> None:
    sentencepiece = peer("sentencepiece")
    pb = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")
    train: dict[str, Any] = {"vocab_size": 11, "model_type": "char", "normalization_rule_name": rule}
    theirs = train_theirs(sentencepiece, ["some text"], **train)
    ours = loaded(sentencepiece, mg.train_sentencepiece(["some text"], **train))
    maps = []
    for processor in (theirs, ours):
        model = pb.ModelProto()
        model.ParseFromString(processor.serialized_model_proto())
        maps.append(rules_of(model.normalizer_spec.precompiled_charsmap))
    assert maps[0] == maps[1]
    for lines in (lines_of(data, "multi", 300_000), lines_of(data, "code", 100_000)):
        assert ours.normalize(lines) == theirs.normalize(lines)


def rules_of(charsmap: bytes) -> dict[bytes, bytes]:
    """Every key of a character map with its text."""
    n_bytes = int.from_bytes(charsmap[:4], "little")
    units = memoryview(charsmap[4 : 4 + n_bytes]).cast("I")
    texts = charsmap[4 + n_bytes :]

    def offset(unit: int) -> int:
        return (unit >> 10) << ((unit & 512) >> 6)

    found = {}
    left = [(b"", offset(units[0]))]
    while left:
        key, base = left.pop()
        for byte in range(256):
            unit = units[base ^ byte]
            if unit & 0x800000FF == byte:
                longer, children = key + bytes([byte]), base ^ byte ^ offset(unit)
                if unit >> 8 & 1:
                    place = units[children] & 0x7FFFFFFF
                    found[longer] = texts[place : texts.index(0, place)]
                left.append((longer, children))
    return found


BPE: dict[str, tuple[str, dict[str, Any]]] = {
    "english": ("english", {"vocab_size": 8000}),
    "multi": ("multi", {"vocab_size": 8000}),
    "code": ("code", {"vocab_size": 4000, "character_coverage": 1.0}),
    "bytes": ("multi", {"vocab_size": 6000, "byte_fallback": True, "character_coverage": 0.99}),
    "digits": ("code", {"vocab_size": 3000, "split_digits": True, "normalization_rule_name": "identity"}),
    "numbers": ("english", {"vocab_size": 3000, "split_by_number": False, "split_by_unicode_script": False}),
    "symbols": (
        "english",
        {"vocab_size": 3000, "user_defined_symbols": ["the", "ing", "\u2581of", "1"], "control_symbols": ["<c>"]},
    ),
    "ids": (
        "english",
        {"vocab_size": 2000, "unk_id": 3, "bos_id": -1, "eos_id": 1, "pad_id": 0, "required_chars": "☃日é"},
    ),
    "case": ("multi", {"vocab_size": 5000, "normalization_rule_name": "nmt_nfkc_cf"}),
    "suffix": ("english", {"vocab_size": 2000, "treat_whitespace_as_suffix": True}),
    "spaces": (
        "code",
        {
            "vocab_size": 2000,
            "allow_whitespace_only_pieces": True,
            "remove_extra_whitespaces": False,
            "add_dummy_prefix": False,
            "normalization_rule_name": "identity",
        },
    ),
    "whole": ("english", {"vocab_size": 1000, "split_by_whitespace": False, "max_sentencepiece_length": 8}),
}


@pytest.mark.parametrize("case", BPE)
def test_bpe_equals_sentencepiece_piece_for_piece(
    case: str, data: Path, peer: Callable[[str], ModuleType], report_line: Callable[[str], None]
) -> None:
    sentencepiece = peer("sentencepiece")
    corpus_name, options = BPE[case]
    lines = lines_of(data, corpus_name, 500_000 if case == "whole" else 3_000_000)
    options = {"model_type": "bpe", "max_sentence_length": LONGEST_LINE} | options
    theirs = train_theirs(sentencepiece, lines, **options)
    tok = mg.train_sentencepiece(lines, **options)
    ours = loaded(sentencepiece, tok)
    expected = vocabulary(theirs)
    assert vocabulary(ours) == expected
    texts = lines_of(data, "multi", 50_000) + lines_of(data, "code", 20_000) + lines[:500]
    n_tokens = check_encodes_the_same(theirs, tok, texts)
    report_line(f"sentencepiece bpe {case}: {len(expected)} pieces and scores equal, {n_tokens} tokens equal")


@pytest.mark.parametrize("model_type", ["char", "word"])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_char_and_word_equal_sentencepiece(
    model_type: str, byte_fallback: bool, data: Path, peer: Callable[[str], ModuleType]
) -> None:
    sentencepiece = peer("sentencepiece")
    lines = lines_of(data, "multi", 1_000_000)
    options: dict[str, Any] = {"model_type": model_type, "vocab_size": 1500, "byte_fallback": byte_fallback}
    options |= {"max_sentence_length": LONGEST_LINE, "user_defined_symbols": ["the"]}
    theirs = train_theirs(sentencepiece, lines, **options)
    tok = mg.train_sentencepiece(lines, **options)
    expected, found = vocabulary(theirs), vocabulary(loaded(sentencepiece, tok))
    assert [piece for piece, _ in found] == [piece for piece, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-6)
    assert check_encodes_the_same(theirs, tok, lines[:2000])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("english", {"vocab_size": 8000}),
        ("multi", {"vocab_size": 8000}),
        ("english", {"vocab_size": 4000, "byte_fallback": True, "split_digits": True}),
    ],
)
def test_unigram_agrees_with_sentencepiece(
    name: str,
    options: dict[str, Any],
    data: Path,
    peer: Callable[[str], ModuleType],
    report_line: Callable[[str], None],
) -> None:
    sentencepiece = peer("sentencepiece")
    lines = lines_of(data, name)
    held_out, lines = lines[-1500:], lines[:-1500]
    options = {"model_type": "unigram", "max_sentence_length": LONGEST_LINE} | options
    theirs = train_theirs(sentencepiece, lines, **options)
    tok = mg.train_sentencepiece(lines, **options)
    ours = loaded(sentencepiece, tok)
    expected, found = dict(vocabulary(theirs)), dict(vocabulary(ours))
    n_shared = len(expected.keys() & found.keys()) / len(expected)
    n_theirs = sum(map(len, theirs.encode(held_out)))
    n_ours = check_encodes_the_same(ours, tok, held_out)
    report_line(f"sentencepiece unigram {name}: {n_shared:.2%} of pieces shared, tokens {n_ours}, theirs {n_theirs}")
    assert n_shared >= 0.97
    assert n_ours / n_theirs == pytest.approx(1, abs=0.005)
