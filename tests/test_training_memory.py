"""Memory and disk, for every trainer: counting stays within `max_memory`, spills the rest, and cleans up."""

from __future__ import annotations

import statistics
import sys
import weakref
from pathlib import Path
from typing import Any

import child_process
import pytest
from trainers import OF_COUNTS, TRAINERS, counts_for, random_documents, report_of

import merganser as mg
from merganser.errors import ConfigError
from merganser.training import counting

EVERY = pytest.mark.parametrize("name", TRAINERS)
LIMIT = 6 << 20


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return list(random_documents(25))


@EVERY
def test_spilled_counts_give_the_same_tokenizer(name: str, documents: list[str], tmp_path: Path) -> None:
    train, few = TRAINERS[name], {"vocab_size": 400, "min_count": 2}
    tok = train(documents, max_memory=LIMIT, spill_dir=tmp_path, **few)
    report = report_of(tok)
    assert report.n_spilled_bytes is not None
    assert report.n_spilled_bytes > LIMIT // 3
    assert "MB spilled to disk" in str(report)
    assert report.sources[0]["rare_words_dropped"] > 200_000
    assert list(tmp_path.iterdir()) == []
    expected = train(documents, **few)
    assert tok._inner.to_json(False) == expected._inner.to_json(False)


@EVERY
def test_words_that_outgrow_memory_are_an_error_that_says_what_to_do(
    name: str, documents: list[str], tmp_path: Path
) -> None:
    options = {"max_memory": LIMIT, "spill_dir": tmp_path}
    with pytest.raises(ConfigError, match=r"max_memory=6291456; with min_count=2 those that are left"):
        TRAINERS[name](documents, **options)
    assert TRAINERS[name](documents, min_count=2, vocab_size=400, **options).n_tokens > 10
    assert list(tmp_path.iterdir()) == []


def test_min_count_of_the_message_is_the_least_that_fits() -> None:
    texts = [f"{chr(97 + i // 26)}{chr(97 + i % 26)} " * (1 + i % 9) for i in range(500)]
    for limit in (500, 2_000, 6_000):
        with pytest.raises(ConfigError, match="min_count=") as caught:
            mg.WordCounts.count(texts, pre_tokenizer="whitespace", max_memory=limit)
        least = int(str(caught.value).split("min_count=")[1].split()[0])
        mg.WordCounts.count(texts, pre_tokenizer="whitespace", max_memory=limit, min_count=least)
        with pytest.raises(ConfigError, match=f"min_count={least} "):
            mg.WordCounts.count(texts, pre_tokenizer="whitespace", max_memory=limit, min_count=least - 1)
    with pytest.raises(ConfigError, match=r"allow more$"):
        mg.WordCounts.count(["a " * 10_000], pre_tokenizer="whitespace", max_memory=1)


@pytest.mark.parametrize("continues", [False, True])
def test_the_words_of_a_source_are_added_up_before_the_next_is_counted(
    continues: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[weakref.ref[counting.Counted]] = []

    def count(self: counting.Counting, name: str, documents: Any) -> counting.Counted:
        assert [one() for one in found] == [None] * len(found)
        one = original(self, name, documents)
        found.append(weakref.ref(one))
        return one

    original = counting.Counting.count
    monkeypatch.setattr(counting.Counting, "count", count)
    base = mg.train_bpe([], vocab_size=256) if continues else None
    options = {"vocab_size": 258, "continue_from": base}
    found.clear()
    tok = mg.train_bpe({"a": ["a b"], "b": ["a b", "b c"], "c": ["c b"]}, **options)
    assert len(found) == 3
    assert tok.vocab() == mg.train_bpe(["a b", "a b", "b c", "c b"], **options).vocab()
    assert tok.training_report is not None
    assert [source["documents"] for source in tok.training_report.sources] == [1, 2, 1]


def test_going_on_from_a_tokenizer_spills_too(documents: list[str], tmp_path: Path) -> None:
    base = mg.train_bpe(documents[:1], vocab_size=300)
    options = {"vocab_size": 400, "min_count": 2, "continue_from": base, "allow_smaller": True}
    tok = mg.train_bpe(documents, max_memory=LIMIT, spill_dir=tmp_path, **options)
    assert tok.training_report is not None
    assert tok.training_report.n_spilled_bytes
    assert list(tmp_path.iterdir()) == []
    assert tok._inner.to_json(False) == mg.train_bpe(documents, **options)._inner.to_json(False)
    for wrong in ({"max_memory": 0}, {"spill_dir": tmp_path}, {"min_count": -1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            mg.train_bpe(documents, vocab_size=400, continue_from=base, **wrong)


@pytest.mark.parametrize("name", OF_COUNTS)
@pytest.mark.parametrize("option", [{"max_memory": 1 << 30}, {"min_count": 2}, {"max_memory": 9, "spill_dir": "."}])
def test_what_is_counted_is_not_counted_otherwise(name: str, option: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"is for documents, got WordCounts.*WordCounts\.count"):
        OF_COUNTS[name](counts_for(name, {"ab": 2}), **option)


@EVERY
@pytest.mark.parametrize("wrong", [{"max_memory": 0}, {"max_memory": -1}, {"spill_dir": "."}, {"min_count": -1}])
def test_limits_out_of_range_are_refused(name: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TRAINERS[name](["ab"], **wrong)


PEAK = """
import json, pathlib
from benchmarks.measure import peak_bytes
from trainers import TRAINERS, random_documents
TRAINERS["{name}"](random_documents(3), vocab_size=400)
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = peak_bytes()
TRAINERS["{name}"](random_documents(80), vocab_size=400, min_count=2, n_threads=2, max_memory={limit})
print(json.dumps(peak_bytes() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("name", ["bpe", "wordpiece", "unigram", "sentencepiece_unigram"])
def test_memory_stays_within_the_limit(name: str) -> None:
    # What threads hold when the others hold most differs from run to run.
    bounded, free = (
        statistics.median(child_process.run(PEAK.format(name=name, limit=limit)) for _ in range(3))
        for limit in (LIMIT, None)
    )
    # Text, its normalized copy, and what threads hold come on top.
    assert bounded < LIMIT + (28 << 20)
    assert free > bounded + (4 << 20)


FULL = """
import errno, json, os, resource, signal, sys, tempfile
from trainers import TRAINERS, random_documents
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
documents = list(random_documents(5))
told = {}
with tempfile.TemporaryDirectory() as folder:
    for name, train in TRAINERS.items():
        try:
            train(documents, max_memory=1 << 20, spill_dir=folder)
        except OSError as error:
            told[name] = [errno.errorcode[error.errno], folder in str(error), len(os.listdir(folder))]
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_is_an_error_and_leaves_nothing() -> None:
    told = child_process.run(FULL)
    assert told == {name: ["EFBIG", True, 0] for name in TRAINERS}
