"""The transformer beside PyTorch on a CPU: the same weights, the same batch, the same loss, then steps in turn.

``python -m benchmarks.transformer`` runs every task and keeps the results; ``--quick`` at small sizes, which only shows
that it works. Each library has a process of its own, so that memory is its own, too, and all wait while one works. An
engine whose losses (or logits, or tokens) differ from torch's ends the task before anything is timed.

| task | ours | torch |
|---|---|---|
| gpt-step | `Gpt` with `AdamW`, clipping | the same model in torch's eager mode, its fused attention and AdamW |
| pair-step | `Seq2Seq`, paper base, with `Adam` | `MarianMTModel` of transformers, the same architecture, fused Adam |
| gpt2-forward | `Gpt.logits`, GPT-2 small, 1 x 512 | as gpt-step |
| generate-1, generate-8 | `generate`, GPT-2 small, greedy with a cache | `transformers.generate` |

Ours runs a second time without its kernels, in NumPy alone. The GPT step is shown in jax (compiled) and autograd, too,
where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure, result_files, transformer_report
from benchmarks.summary import SUBJECT, spread
from benchmarks.transformer_engines import ENGINES, NUMPY_ALONE, REFERENCE_TASKS, WEIGHTS, build
from benchmarks.transformer_report import PEER
from benchmarks.workers import environment, turns

SIZES: dict[str, dict[str, Any]] = {
    "gpt-step": {"vocab": 8192, "width": 256, "layers": 4, "heads": 4, "rows": 8, "columns": 256},
    "pair-step": {"vocab": 32000, "width": 512, "layers": 6, "heads": 8, "rows": 16, "columns": 64},
    "gpt2-forward": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 1, "columns": 512},
    "generate-1": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 1, "columns": 32, "new": 64},
    "generate-8": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 8, "columns": 32, "new": 32},
}
QUICK = {"vocab": 512, "width": 64, "layers": 2, "heads": 4, "rows": 2, "columns": 32, "new": 8}
TOLERANCE = 1e-4


def work(engine: str, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
    """Answer each line on standard input with one run of the task."""
    subject = ENGINES[engine](task, size, n_threads, folder)
    for _ in sys.stdin:
        began, cpu_began = time.perf_counter(), time.process_time()
        values = subject.run()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        # Kilobytes on Linux.
        peak_mb = measure.peak_bytes() / 2**20
        answer = {"values": values, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}
        print(json.dumps(answer), flush=True)


def engines_of(task: str) -> list[str]:
    """Return the engines that do a task and are installed; the first three always."""
    others = [name for name in ("jax", "autograd") if task in REFERENCE_TASKS and importlib.util.find_spec(name)]
    return [SUBJECT, NUMPY_ALONE, PEER, *others]


def compare(task: str, size: dict[str, Any], *, n_threads: int, n_repeats: int) -> dict[str, Any]:
    """Check that all engines agree, then time them in turn."""
    from merganser.transformer import save_pretrained
    from merganser.transformer.tensor_file import write_tensors

    engines = engines_of(task)
    result: dict[str, Any] = {
        "task": task,
        "size": size,
        **result_files.about(n_threads, n_repeats, [*engines, "numpy", "transformers"]),
    }
    with tempfile.TemporaryDirectory() as folder:
        model, params = build(size, task)
        write_tensors(Path(folder, WEIGHTS), params)
        if task == "pair-step" or task.startswith("generate"):
            save_pretrained(folder, model, params)
        del params
        workers = {engine: _start(engine, task, size, n_threads, folder) for engine in engines}
        try:
            first = {engine: np.array(_ask(workers[engine])["values"]) for engine in engines}
            expected = first["torch"]
            for engine, values in first.items():
                bound = TOLERANCE * max(1, np.abs(expected).max())
                if values.shape != expected.shape or np.abs(values - expected).max() > bound:
                    error = f"results differ: {engine} {values[:4].tolist()}, torch {expected[:4].tolist()}"
                    return result | {"error": error}
            runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
            for engine in turns(engines, n_repeats):
                runs[engine].append(_ask(workers[engine]))
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()
    return result | {"engines": {engine: _summary(runs[engine]) for engine in engines}}


def _start(engine: str, task: str, size: dict[str, Any], n_threads: int, folder: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.transformer", "--worker", engine, "--tasks", task]
    command += ["--size", json.dumps(size), "--threads", str(n_threads), "--folder", folder]
    pipe = subprocess.PIPE
    kernels = {"MERGANSER_KERNELS": "0" if engine == NUMPY_ALONE else "1"}
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(n_threads) | kernels)


def _ask(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        msg = "a worker ended; its error is above"
        raise RuntimeError(msg)
    answer: dict[str, Any] = json.loads(line)
    return answer


def _summary(runs: list[dict[str, Any]]) -> dict[str, float]:
    seconds = spread([run["seconds"] for run in runs])
    return {
        "seconds_median": seconds.median,
        "seconds_min": seconds.low,
        "seconds_max": seconds.high,
        "cpu_seconds_median": spread([run["cpu_seconds"] for run in runs]).median,
        "peak_mb": max(run["peak_mb"] for run in runs),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(SIZES), help="which, separated by commas")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes, which say nothing of speed, not kept")
    parser.add_argument("--output", type=Path, help="result file (default: results/transformer/MACHINE.json)")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.tasks, options.size, options.threads, options.folder)
        return
    done = []
    for task in options.tasks.split(","):
        size = QUICK if options.quick else SIZES[task]
        result = compare(task, size, n_threads=options.threads, n_repeats=options.repeats)
        print(transformer_report.line(result), flush=True)
        done.append(result)
    timed = [result for result in done if "error" not in result]
    path = options.output
    if path is None and not options.quick:
        path = result_files.path_of("transformer")
    if path is not None and timed:
        result_files.write(path, timed, SIZES)
        print(f"results in {path}; now run python -m benchmarks.report")
    if len(timed) < len(done):
        sys.exit(1)


if __name__ == "__main__":
    main()
