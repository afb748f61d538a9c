"""What a tokenizer tells of its training."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from trainers import report_of

import merganser as mg

MEASURED = ["merges_per_second", "peak_memory_bytes", "n_spilled_bytes"]
TEXTS = ["low lower lowest", "new newer newest"]


def trained(**options: Any) -> mg.Tokenizer:
    return mg.train_bpe(TEXTS, vocab_size=260, special_tokens=["<end>"], **options)


def test_training_report_tells_what_was_asked_and_seen() -> None:
    report = report_of(trained(min_frequency=2, n_threads=1))
    assert report.method == "bpe"
    assert report.version == mg.__version__
    assert report.options == {"vocab_size": 260, "special_tokens": ["<end>"], "min_frequency": 2}
    assert (report.n_words, report.n_occurrences) == (6, 6)
    assert (report.n_alphabet, report.n_learned) == (256, 3)
    assert set(report.seconds) == {"count", "gather", "merge"}
    assert min(report.seconds.values()) >= 0
    assert report.peak_memory_bytes is None or report.peak_memory_bytes > 1 << 20


def test_training_report_is_saved_without_times(tmp_path: Path) -> None:
    tok = trained()
    tok.save(tmp_path / "tokenizer.json")
    for again in (mg.Tokenizer.load(tmp_path / "tokenizer.json"), pickle.loads(pickle.dumps(tok))):
        report = report_of(again)
        assert report.to_dict() == report_of(tok).to_dict() | {"seconds": {}} | dict.fromkeys(MEASURED)
        assert again == tok
    assert not {"seconds", *MEASURED} & json.loads(tok.to_json())["model"]["training"].keys()


def test_training_report_changes_no_fingerprint() -> None:
    tok = trained()
    document = json.loads(tok.to_json())
    del document["model"]["training"]
    bare = mg.Tokenizer.from_json(json.dumps(document))
    assert bare.training_report is None
    assert bare == tok


def test_training_report_is_none_where_a_file_says_something_else() -> None:
    document = json.loads(trained().to_json())
    for training in ({}, {"method": "bpe"}, {"dropped": 3}):
        document["model"]["training"] = training
        tok = mg.Tokenizer.from_json(json.dumps(document))
        assert tok.training_report is None
        assert json.loads(tok.to_json())["model"]["training"] == training


def test_training_report_reads_as_text() -> None:
    text = str(trained().training_report)
    assert text.startswith("bpe, merganser ")
    assert "words: 6 different, 6 in all" in text
    assert "options: vocab_size=260, special_tokens=['<end>']" in text
