"""The worked exercises of `examples/`, each at a small size and held to the result that it states."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from merganser.lm import LmSettings
from merganser.transformer import load_pretrained, read_log

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def exercise(monkeypatch):
    """Import an exercise by name."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def test_transformer_from_scratch_equals_the_library(exercise):
    assert exercise("build_a_transformer").main() < 1e-5


def test_language_model_learns_is_saved_and_fine_tuned(exercise, tmp_path):
    folder = tmp_path / "model"
    sizes = {"n_steps": 60, "vocab_size": 512, "width": 32, "n_bytes": 200_000}
    before, after = exercise("train_a_language_model").main(str(folder), **sizes)
    assert before > 3.5
    assert after < before - 0.7
    model, params = load_pretrained(folder)
    assert model.config.vocab_size == 512
    assert len(params) == len(model.shapes())
    assert [record["step"] for record in read_log(folder / "log.jsonl")] == list(range(1, 61))
    assert (folder / "curve.svg").stat().st_size > 1000
    result = exercise("fine_tune").main(str(folder), n_steps=30, n_documents=9)
    assert result["fine-tuned"] < result["pretrained"]
    assert result["fine-tuned"] < result["fresh"]


def test_simple_bpe_equals_the_library(exercise):
    assert exercise("simple_bpe").main()


def test_tokenizations_are_compared(exercise):
    settings = LmSettings(
        train_bytes=60_000,
        held_out_bytes=8_000,
        context_bytes=64,
        seeds=(0, 1, 2),
        d_model=16,
        d_ff=32,
        n_layers=1,
        n_heads=2,
        rate=0.01,
    )
    counts, models = exercise("compare_tokenizations").main(n_bytes=500_000, vocab_size=512, settings=settings)
    assert [row.name for row in models] == ["BPE", "WordPiece", "Unigram", "SentencePiece BPE", "WordPiece, BERT"]
    assert {row.vocab_size for row in models} == {512}
    *lossless, bert = models
    for row in lossless:
        assert row.n_lossy == 0
        assert counts[row.name].round_trip == 1.0
        assert counts[row.name].bytes_per_token > 1.6
        # A uniform choice of bytes costs 8 bits.
        assert 2 < row.low < row.bits_per_byte < row.high < 6
        assert (row.n_bytes, row.train_bytes) == (bert.n_bytes, bert.train_bytes)
    assert abs(models["WordPiece"].difference) < 0.3
    # What is dropped need not be predicted: the figure is low, and said not to be comparable.
    assert bert.n_lossy == models.n_training_documents + models.n_held_out_documents
    assert bert.bits_per_byte < min(row.bits_per_byte for row in lossless)
    assert "WordPiece, BERT (lossy)" in str(models)


def test_tokenizer_is_analysed(exercise, capsys):
    result = exercise("analyse_a_tokenizer").main(n_bytes=200_000, vocab_size=800)
    assert 0.3 < result["used"] < 1
    # Bytes a token: a script that training did not see costs about a token a byte, code's indentation little.
    assert result["Japanese"] < 2 < result["indentation"]
    assert "word after a space" in capsys.readouterr().out


def test_translation_is_learned(exercise):
    result = exercise("translate").main(n_steps=150, n_training=1500, n_testing=30, width=48)
    assert result["right"] > 0.5
    if math.isnan(result["bleu"]):
        pytest.skip("sacrebleu is not installed")
    assert result["bleu"] > 70


def test_text_to_text_answers(exercise):
    result = exercise("text_to_text").main(n_steps=250, n_pretraining=60, width=48)
    assert result["span_loss"] < np.log(25) / 2
    assert result["right"] > 0.5


def test_classification_beats_chance_by_far(exercise):
    result = exercise("classify").main(n_bytes=700_000, n_pretraining=60, n_steps=150, width=32)
    assert result["accuracy"] > 0.85
