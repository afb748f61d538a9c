"""How trainers compare: `python -m benchmarks.training`. CPU time, memory, and what the vocabularies are worth.

Each engine trains in a process of its own, the engines of a task in turn, each repeat beginning with another. CPU time
is that of the whole process from opening the file to the finished vocabulary, without importing the library. Where two
engines learn the same merges the table says so; of the others, the saved tokenizers encode text that none has seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report, result_files, training_report
from benchmarks.corpora import END_OF_DOCUMENT, data_path, read_corpus
from benchmarks.summary import SUBJECT
from benchmarks.workers import environment, turns

_LIBRARIES = (SUBJECT, "ffbpe", "gigatoken", "rustbpe", "sentencepiece", "tokenizers")
_HELD_OUT_BYTES = 4_000_000
# What takes longer is not run again.
_LONG_SECONDS = 60
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


_WORD_ENGINES = (SUBJECT, "ffbpe", "rustbpe", "gigatoken", "tokenizers")
_BYTE_LEVEL = (SUBJECT, "gigatoken", "ffbpe", "rustbpe", "tokenizers", "sentencepiece")
TASKS = (
    Task("bpe-32k", "bpe-gpt2", "english", 100 * _MEGA, 32_000, _BYTE_LEVEL),
    Task("bpe-128k", "bpe-gpt2", "english", 100 * _MEGA, 128_000, (SUBJECT, "gigatoken", "ffbpe")),
    Task("bpe-multi", "bpe-gpt2", "multi", 50 * _MEGA, 32_000, _BYTE_LEVEL),
    Task("bpe-cl100k", "bpe-cl100k", "english", 100 * _MEGA, 32_000, (SUBJECT, "ffbpe", "rustbpe")),
    Task("wordpiece", "wordpiece", "english", 100 * _MEGA, 30_522, (SUBJECT, "merganser-likelihood", "tokenizers")),
    Task("unigram", "unigram", "english", 100 * _MEGA, 32_000, (SUBJECT, "merganser-preset", "sentencepiece")),
    Task("spm-bpe", "spm-bpe", "english", 100 * _MEGA, 32_000, (SUBJECT, "sentencepiece")),
    Task("word-1M", "bpe-gpt2", "one-word", _MEGA, 1_024, _WORD_ENGINES, 60),
    Task("word-10M", "bpe-gpt2", "one-word", 10 * _MEGA, 1_024, _WORD_ENGINES[:4], 60),
    *(Task(f"growth-{n}", "bpe-gpt2", "mixed", n * _MEGA, 32_000, (SUBJECT,)) for n in (10, 100, 500)),
)


def main() -> None:
    """Run tasks, print their tables, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(task.name for task in TASKS), help="which, by commas")
    parser.add_argument("--engines", default="", help="only these; shown, not kept")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the bytes; unless 1, not kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="result file (default: results/training/MACHINE.json)")
    options = parser.parse_args()
    names = options.tasks.split(",")
    unknown = set(names) - {task.name for task in TASKS}
    if unknown:
        parser.error(f"no such task: {', '.join(sorted(unknown))}")
    path = options.output
    if path is None and not options.engines and options.scale == 1:
        path = result_files.path_of("training")
    for task in TASKS:
        if task.name in names:
            result = _run(task, options)
            print(f"\n{training_report.title(result)}\n\n{report.markdown(training_report.table(result))}", flush=True)
            if path is not None:
                result_files.write(path, [result], [task.name for task in TASKS])


def _run(task: Task, options: argparse.Namespace) -> dict[str, Any]:
    """Train with every engine in turn; each repeat writes the vocabulary anew, and the last is compared."""
    asked = options.engines.split(",") if options.engines else task.engines
    engines = [engine for engine in task.engines if engine in asked]
    samples: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    about = result_files.about(options.threads, options.repeats, _LIBRARIES)
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        n_bytes = round(task.n_bytes * options.scale)
        text.write_bytes(_text(task.corpus, n_bytes))
        held_out = _held_out(task.corpus)
        for engine in turns(engines, options.repeats):
            if not any("error" in sample or sample["wall"] > _LONG_SECONDS for sample in samples[engine]):
                saved = Path(folder, engine)
                samples[engine].append(_train(task, engine, text, saved, options.threads))
        rows = [
            {"engine": engine, "samples": found, "quality": _quality(Path(folder, engine), held_out)}
            for engine, found in samples.items()
        ]
    what = {"task": task.name, "method": task.method, "corpus": task.corpus, "vocab_size": task.vocab_size}
    return what | {"n_bytes": n_bytes} | about | {"rows": rows}


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


if __name__ == "__main__":
    main()
