"""How a run of any trainer goes: Ctrl-C at any moment, progress, the same bytes in any process with any threads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import child_process
import pytest
from definitions import TRAINING_TEXT
from trainers import TRAINERS

EVERY = pytest.mark.parametrize("name", TRAINERS)

# Times a run, then sends Ctrl-C at moments that are spread over it, and once in each phase as it begins.
INTERRUPTED = """
import json, os, random, signal, threading, time
from trainers import TRAINERS

numbers = random.Random(3)
letters = str.maketrans("0123456789", "ghijklmnop")
words = [f"{{numbers.getrandbits(numbers.choice((8, 16, 24, 32))):x}}".translate(letters) for _ in range({n_words})]
documents = [" ".join(words[i : i + 500]) for i in range(0, len(words), 500)]
options = {{"vocab_size": {vocab_size}, "min_count": 0, "max_memory": 1 << 28}}
train = TRAINERS["{name}"]
seen = {{}}
start = time.perf_counter()
train(documents, progress=lambda done, total, phase: seen.setdefault(phase, time.perf_counter() - start), **options)
seconds = time.perf_counter() - start
latencies = []
for moment in [*seen.values(), *(seconds * share for share in (0.2, 0.5, 0.8, 0.97))]:
    sent = []
    def interrupt():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(moment, interrupt)
    try:
        timer.start()
        train(documents, **options)
        timer.join()
        time.sleep(0.2)
    except KeyboardInterrupt:
        latencies.append(time.perf_counter() - sent[0])
usable = train(documents[:1], vocab_size=300).n_tokens > 0
print(json.dumps([sorted(seen), latencies, usable]))
"""
PHASES = {
    "bpe": ["count", "gather", "merge"],
    "wordpiece_likelihood": ["count", "gather", "merge"],
    "unigram": ["count", "em", "gather", "prune", "seed"],
    "sentencepiece_unigram": ["count", "em", "gather", "prune", "seed"],
    "sentencepiece_bpe": ["count", "gather", "merge"],
}


@pytest.mark.parametrize("name", PHASES)
def test_ctrl_c_stops_training_at_any_moment(name: str, report_line: Callable[[str], None]) -> None:
    script = INTERRUPTED.format(name=name, n_words=80_000, vocab_size=30_000)
    phases, latencies, is_usable = child_process.run(script)
    # A phase that is over before the next look at the time is not told.
    assert "count" in phases
    assert set(phases) <= set(PHASES[name])
    assert is_usable
    assert len(latencies) >= len(phases)
    report_line(f"Ctrl-C in train {name}: {1000 * max(latencies):.0f} ms at the most of {len(latencies)} moments")
    assert max(latencies) < 1.0


SAME = """
import hashlib, json
from definitions import TRAINING_TEXT
from trainers import TRAINERS
texts = [TRAINING_TEXT, TRAINING_TEXT[::-1], "low lower lowest " * 9]
print(json.dumps({
    name: [
        hashlib.sha256(train(texts, vocab_size=700, n_threads=n)._inner.to_json(False).encode()).hexdigest()
        for n in (1, 2, 8)
    ]
    for name, train in TRAINERS.items()
}))
"""


def test_training_gives_the_same_bytes_in_any_process_with_any_number_of_threads() -> None:
    first, other = (child_process.run(SAME, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == other
    for name, digests in first.items():
        assert len(set(digests)) == 1, name


# What these trainers made when this was written, on x86-64 Linux: any machine makes the same.
FINGERPRINTS = {
    "bpe": "b5af6247b796e13a5bc638a141f58ea789a513451a00c1fc53da4a8699dab151",
    "bpe_characters": "d59d6c776dbb711364e9e61b3f806d46ae518139c907c5dd8096222b8e11170c",
    "wordpiece": "6a57fc27ec88531650cf038cb267eaa77e51260595c772431617a48c68b13df0",
    "wordpiece_likelihood": "af53fa5207e37a06b984c17c7c00211e97974d5da3db86c2b183d480f6f60cca",
    "unigram": "8cc875cd6babe041ccbe86ce4782e1eadef2cb86b98e631b1e571a02a8f63510",
    "unigram_bpe_seeds": "6f605b112469d4bcbf5a7c0ddf712b036f32eb60b1512897dd8bf1242b72a1c1",
    "sentencepiece_unigram": "33f0240773f9f3f9fb1baabccbba5cd32ce8e290d37131d0c48a9c5862438b7f",
    "sentencepiece_bpe": "d11685b209b18bbffc074914498b3505f58ba968a9298bfab7ff2f9649c3247a",
    "sentencepiece_char": "66e6f9b56526580ca48c84dbc493df2c7ef872df36d4f1293b78c202dd847178",
    "sentencepiece_word": "40a9a5d407d33473ed212da90c0b939aab6609fd00778dce1a01d13b11955c72",
}


@EVERY
def test_training_gives_the_same_on_any_machine(name: str) -> None:
    tok = TRAINERS[name]([TRAINING_TEXT, "low lower lowest " * 9], vocab_size=500)
    assert tok.fingerprint == FINGERPRINTS[name]


@EVERY
def test_progress_goes_forward_through_every_phase(name: str) -> None:
    told: list[tuple[int, int | None, str]] = []
    TRAINERS[name]([TRAINING_TEXT] * 50, progress=lambda *step: told.append(step))
    # Phases that take turns count on.
    rows = {"prune": "em"}
    last: dict[str, int] = {}
    for done, total, phase in told:
        row = rows.get(phase, phase)
        assert done >= last.get(row, 0), phase
        assert total is None or done <= total, phase
        last[row] = done
    assert {"count", "gather"} <= last.keys()


def test_report_tells_merges_per_second_where_there_are_merges() -> None:
    from merganser.training_report import TrainingReport

    report = TrainingReport("bpe", "0", 1, 1, 256, 1000)
    options: dict[str, Any] = {"peak_memory_bytes": 3_000_000, "n_spilled_bytes": 0}
    told = report.measured({"count": 1.0, "merge": 0.5}, **options)
    assert (told.merges_per_second, told.n_spilled_bytes) == (2000.0, 0)
    assert "(2,000 merges a second)" in str(told)
    assert "memory: 3 MB at most" in str(told)
    assert told.to_dict()["merges_per_second"] == 2000.0
    assert json.dumps(told.to_dict())
    for seconds in ({"count": 1.0}, {"merge": 0.01}, {"merge": 2.0, "em": 1.0}):
        assert report.measured(seconds, **options).merges_per_second is None
