"""How trainers compare: `python -m benchmarks.training`. CPU time, memory, and what the vocabularies are worth.

Each engine trains in a process of its own, the engines of a task in turn, each repeat beginning with another. CPU time
is that of the whole process from opening the file to the finished vocabulary, without importing the library. Where two
engines learn the same merges the table says so; of the others, the saved tokenizers encode text that none has seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import machine
from benchmarks.corpora import END_OF_DOCUMENT, data_path, read_corpus
from benchmarks.workers import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBJECT = "merganser"
_HELD_OUT_BYTES = 4_000_000
_MEGA = 1_000_000


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes
    ----------
    name : str
        How it is called for.
    method : str
        A key of `benchmarks.trainers.TRAINERS`.
    corpus : str
        A corpus of `MERGANSER_DATA`, or ``"one-word"``.
    n_bytes, vocab_size : int
        How much of it, and tokens to learn.
    engines : tuple of str
        Who takes part, merganser first.
    limit_seconds : int
        When an engine is given up.
    """

    name: str
    method: str
    corpus: str
    n_bytes: int
    vocab_size: int
    engines: tuple[str, ...]
    limit_seconds: int = 900


_WORD_ENGINES = (_SUBJECT, "ffbpe", "rustbpe", "gigatoken", "tokenizers")
_BYTE_LEVEL = (_SUBJECT, "gigatoken", "ffbpe", "rustbpe", "tokenizers", "sentencepiece")
TASKS = (
    Task("bpe-32k", "bpe-gpt2", "english", 100 * _MEGA, 32_000, _BYTE_LEVEL),
    Task("bpe-128k", "bpe-gpt2", "english", 100 * _MEGA, 128_000, (_SUBJECT, "gigatoken", "ffbpe")),
    Task("bpe-multi", "bpe-gpt2", "multi", 50 * _MEGA, 32_000, _BYTE_LEVEL),
    Task("bpe-cl100k", "bpe-cl100k", "english", 100 * _MEGA, 32_000, (_SUBJECT, "ffbpe", "rustbpe")),
    Task("wordpiece", "wordpiece", "english", 100 * _MEGA, 30_522, (_SUBJECT, "merganser-likelihood", "tokenizers")),
    Task("unigram", "unigram", "english", 100 * _MEGA, 32_000, (_SUBJECT, "sentencepiece")),
    Task("spm-bpe", "spm-bpe", "english", 100 * _MEGA, 32_000, (_SUBJECT, "sentencepiece")),
    Task("word-1M", "bpe-gpt2", "one-word", _MEGA, 1_024, _WORD_ENGINES, 60),
    Task("word-10M", "bpe-gpt2", "one-word", 10 * _MEGA, 1_024, _WORD_ENGINES[:4], 60),
    *(Task(f"growth-{n}", "bpe-gpt2", "mixed", n * _MEGA, 32_000, (_SUBJECT,)) for n in (10, 100, 500)),
)


def main() -> None:
    """Run tasks, print their tables, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default=",".join(task.name for task in TASKS), help="which, by commas")
    parser.add_argument("--engines", default="", help="only these")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the bytes: 0.01 shows that it works")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    names = options.tasks.split(",")
    unknown = set(names) - {task.name for task in TASKS}
    if unknown:
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    rows = []
    for task in TASKS:
        if task.name in names:
            rows += _run(task, options)
            print(f"\n{_title(task, options.scale)}\n\n{table([row for row in rows if row['task'] == task.name])}")
    if options.output:
        document = {"machine": machine.describe_machine(), "rows": rows, "tasks": [asdict(task) for task in TASKS]}
        options.output.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _run(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train with every engine in turn; the first repeat keeps the vocabularies to be compared."""
    asked = options.engines.split(",") if options.engines else task.engines
    engines = [engine for engine in task.engines if engine in asked]
    samples: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        n_bytes = round(task.n_bytes * options.scale)
        text.write_bytes(_text(task.corpus, n_bytes))
        held_out = _held_out(task.corpus)
        for repeat in range(options.repeats):
            for place in range(len(engines)):
                engine = engines[(place + repeat) % len(engines)]
                if any("error" in sample for sample in samples[engine]):
                    continue
                saved = Path(folder, engine)
                samples[engine].append(_train(task, engine, text, saved, options.threads))
        return [
            {
                "task": task.name,
                "engine": engine,
                "n_bytes": n_bytes,
                "samples": found,
                "quality": _quality(Path(folder, engine), held_out),
            }
            for engine, found in samples.items()
        ]


def _train(task: Task, engine: str, text: Path, saved: Path, n_threads: int) -> dict[str, Any]:
    """Train once in a fresh process."""
    arguments = [task.method, engine, str(text), str(saved), str(task.vocab_size), str(n_threads)]
    command = [sys.executable, "-m", "benchmarks.trainers", *arguments]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=task.limit_seconds,
            env=environment(n_threads),
        )
    except subprocess.TimeoutExpired:
        return {"error": f"gave up after {task.limit_seconds} s"}
    if done.returncode != 0:
        return {"error": (done.stderr.strip().splitlines() or ["died"])[-1][:200]}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _text(corpus: str, n_bytes: int) -> bytes:
    """Cut a training text; a corpus that is shorter starts over."""
    if corpus == "one-word":
        letters = b"acgt"
        state, out = 1, bytearray()
        while len(out) < n_bytes:
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            out += bytes(letters[state >> shift & 3] for shift in range(32, 64, 2))
        return bytes(out[:n_bytes])
    if corpus == "mixed":
        third = n_bytes // 3
        return b"".join(_text(name, third) for name in ("english", "multi", "code"))
    data = read_corpus(data_path() / "corpora" / f"{corpus}.txt.zst")[_HELD_OUT_BYTES:]
    data = data[data.find(END_OF_DOCUMENT.encode()) + len(END_OF_DOCUMENT) + 1 :]
    text = (data * (n_bytes // len(data) + 1))[:n_bytes]
    return text[: text.rfind(b"\n") + 1]


def _held_out(corpus: str) -> list[str]:
    """Give documents that are not trained on; none where there is no corpus."""
    if corpus not in {"english", "multi"}:
        return []
    data = read_corpus(data_path() / "corpora" / f"{corpus}.txt.zst")[:_HELD_OUT_BYTES]
    text = data[: data.rfind(END_OF_DOCUMENT.encode())].decode()
    return [document for document in text.split(f"{END_OF_DOCUMENT}\n") if document.strip()]


def _quality(saved: Path, held_out: list[str]) -> dict[str, float]:
    """Measure a saved tokenizer on text that it was not trained on: nothing where it saved none.

    Rényi efficiency of order 2.5 over the whole vocabulary (Zouhar et al. 2023, section 4); unigram bits per byte is
    the entropy of the tokens' frequencies a byte of text.
    """
    found = [path for path in (saved.with_suffix(".json"), saved.with_suffix(".model")) if path.exists()]
    if not found or not held_out:
        return {}
    import merganser as mg

    tok = mg.Tokenizer.load(found[0])
    counts = np.bincount(tok.encode_batch(held_out, add_special_tokens=False).ids)
    shares = counts[counts > 0] / counts.sum()
    n_bytes = sum(len(document.encode()) for document in held_out)
    order = 2.5
    return {
        "bytes_per_token": n_bytes / counts.sum(),
        "renyi_efficiency": np.log((shares**order).sum()) / (1 - order) / np.log(tok.n_tokens),
        "unigram_bits_per_byte": -(shares * np.log2(shares)).sum() * counts.sum() / n_bytes,
    }


def _title(task: Task, scale: float) -> str:
    size = f"{task.n_bytes * scale / _MEGA:g} MB"
    return f"#### {task.name}: {task.method}, {task.corpus} {size}, {task.vocab_size:,} tokens"


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows of a task in Markdown: medians, spreads of CPU time, and ratios to merganser."""
    lines = [
        "| engine | CPU s | wall s | peak MB | x CPU | x memory | tokens | bytes/token | Rényi | bits/byte |",
        "| --- " + "| ---: " * 9 + "|",
    ]
    subject = next((row for row in rows if row["engine"] == _SUBJECT), None)
    lines += [f"| {' | '.join(_cells(row, subject))} |" for row in rows]
    return "\n".join(lines)


def _cells(row: dict[str, Any], subject: dict[str, Any] | None) -> Iterator[str]:
    yield row["engine"]
    error = next((sample["error"] for sample in row["samples"] if "error" in sample), None)
    if error or not row["samples"]:
        yield error or "-"
        yield from ["-"] * 8
        return
    cpu, wall, peak = (_values(row, name) for name in ("cpu", "wall", "peak_bytes"))
    yield f"{statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f})"
    yield f"{statistics.median(wall):.2f}"
    yield f"{max(peak) / _MEGA:.0f}"
    is_subject = subject is None or "error" in subject["samples"][0]
    yield "-" if is_subject else f"{statistics.median(cpu) / statistics.median(_values(subject, 'cpu')):.2f}x"
    yield "-" if is_subject else f"{max(peak) / max(_values(subject, 'peak_bytes')):.2f}x"
    yield _agreement(row, subject)
    for name, form in (("bytes_per_token", ".4f"), ("renyi_efficiency", ".4f"), ("unigram_bits_per_byte", ".4f")):
        value = row["quality"].get(name)
        yield "-" if value is None else format(value, form)


def _values(row: dict[str, Any] | None, name: str) -> list[float]:
    return [sample[name] for sample in row["samples"]] if row else []


def _agreement(row: dict[str, Any], subject: dict[str, Any] | None) -> str:
    """Say how an engine's tokens stand to merganser's."""
    mine, theirs = row["samples"][0], subject["samples"][0] if subject else {}
    if row is subject or "digest" not in theirs:
        return f"{mine['n_tokens']:,}"
    if mine["digest"] == theirs["digest"]:
        return "the same"
    return "the same, ordered otherwise" if mine["unordered_digest"] == theirs["unordered_digest"] else "others"


if __name__ == "__main__":
    main()
