"""`train_unigram` beside SentencePiece 0.2.3 on the same lines, and its file in `tokenizers`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from parity_texts import corpus

import merganser as mg

TRAINING_BYTES, HELD_OUT_BYTES = 3_000_000, 300_000
LONGEST_LINE = 4000  # SentencePiece passes over lines beyond 4192 bytes
RESERVED = {"\u2581", "\u2585", "\t", "\0"}
SPECIAL_TOKENS = ["<unk>", "<s>", "</s>"]


def lines_of(data: Path, name: str) -> tuple[list[str], list[str]]:
    """Lines to train on and lines held out, without what SentencePiece's normalizer takes away."""
    documents = corpus(data, name, TRAINING_BYTES + HELD_OUT_BYTES)
    lines = (" ".join(line.split()) for document in documents for line in document.split("\n"))
    kept = [line for line in lines if line and len(line.encode()) < LONGEST_LINE and not RESERVED & set(line)]
    held_out, n_bytes = [], 0
    while n_bytes < HELD_OUT_BYTES:
        held_out.append(kept.pop())
        n_bytes += len(held_out[-1].encode())
    return kept, held_out


@pytest.mark.parametrize(("name", "vocab_size"), [("english", 8000), ("multi", 8000)])
def test_train_agrees_with_sentencepiece(
    name: str,
    vocab_size: int,
    data: Path,
    peer: Callable[[str], ModuleType],
    report_line: Callable[[str], None],
) -> None:
    sentencepiece = peer("sentencepiece")
    lines, held_out = lines_of(data, name)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=vocab_size,
        model_type="unigram",
        normalization_rule_name="identity",
        num_threads=2,
        minloglevel=2,
    )
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ours = mg.train_unigram(
        (line + "\n" for line in lines), vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, line_end="\n"
    )
    pieces = {piece for piece, _ in json.loads(ours.to_json())["model"]["vocab"]}
    n_shared = sum(theirs.id_to_piece(token_id) in pieces for token_id in range(vocab_size)) / vocab_size
    n_bytes = sum(len(line.encode()) for line in held_out)
    n_theirs = sum(map(len, theirs.encode(held_out)))
    n_ours = sum(len(ours.encode(line, on_special="text")) for line in held_out)
    report_line(
        f"unigram {vocab_size} {name}: {n_shared:.2%} of pieces shared, bytes per token "
        f"{n_bytes / n_ours:.4f}, sentencepiece {n_bytes / n_theirs:.4f}"
    )
    assert n_shared >= 0.97
    assert n_ours / n_theirs == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("options", [{}, {"byte_fallback": True}, {"pre_tokenizer": "gpt2", "unk_token": None}])
def test_trained_file_means_the_same_in_tokenizers(
    options: dict[str, object], data: Path, peer: Callable[[str], ModuleType]
) -> None:
    tokenizers = peer("tokenizers")
    texts = corpus(data, "multi", 400_000)
    tok = mg.train_unigram(texts[: len(texts) // 2], vocab_size=4000, special_tokens=["<s>"], **options)  # type: ignore[arg-type]
    theirs = tokenizers.Tokenizer.from_str(tok.to_json())
    for text in texts:
        assert theirs.encode(text, add_special_tokens=False).ids == tok.encode(text, on_special="encode")
