"""The transformer beside PyTorch on a CPU: the same weights, the same batch, the same loss, then steps in turn.

``python -m benchmarks.transformer`` runs every task; ``--quick`` at small sizes, which only shows that it works. Each
library has a process of its own, so that memory is its own, too, and both wait while the other works. A task whose
losses (or logits, or tokens) differ is not timed.

| task | ours | theirs |
|---|---|---|
| gpt-step | `Gpt` with `AdamW`, clipping | the same model in torch's eager mode, its fused attention and AdamW |
| pair-step | `Seq2Seq`, paper base, with `Adam` | `MarianMTModel` of transformers, the same architecture, fused Adam |
| gpt2-forward | `Gpt.logits`, GPT-2 small, 1 x 512 | as gpt-step |
| generate-1, generate-8 | `generate`, GPT-2 small, greedy with a cache | `transformers.generate` |
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SIZES: dict[str, dict[str, Any]] = {
    "gpt-step": {"vocab": 8192, "width": 256, "layers": 4, "heads": 4, "rows": 8, "columns": 256},
    "pair-step": {"vocab": 32000, "width": 512, "layers": 6, "heads": 8, "rows": 16, "columns": 64},
    "gpt2-forward": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 1, "columns": 512},
    "generate-1": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 1, "columns": 32, "new": 64},
    "generate-8": {"vocab": 50257, "width": 768, "layers": 12, "heads": 12, "rows": 8, "columns": 32, "new": 32},
}
QUICK = {"vocab": 512, "width": 64, "layers": 2, "heads": 4, "rows": 2, "columns": 32, "new": 8}
TOLERANCE = 1e-4
RATE = 1e-4
ENGINES = ("merganser", "torch")


def build(size: dict[str, Any], task: str) -> tuple[Any, dict[str, Any]]:
    """Return our model of a task and its parameters."""
    from merganser.transformer import Gpt, GptConfig, Seq2Seq, Seq2SeqConfig

    shape = {"vocab_size": size["vocab"], "d_model": size["width"], "d_ff": 4 * size["width"], "n_heads": size["heads"]}
    still = {"dropout": 0.0, "attention_dropout": 0.0}
    if task == "pair-step":
        config = Seq2SeqConfig(
            **shape,
            **still,
            n_layers=size["layers"],
            n_decoder_layers=size["layers"],
            max_positions=512,
            norm_position="post",
            positions="sinusoidal_halves",
            has_output_bias=True,
            start_id=size["vocab"] - 1,
        )
        model: Any = Seq2Seq(config)
    else:
        model = Gpt(GptConfig(**shape, **still, n_layers=size["layers"], embedding_dropout=0.0, max_positions=1024))
    return model, model.initialize(seed=0)


def draw(size: dict[str, Any]) -> np.ndarray:
    """Return ids that both engines read."""
    return np.random.default_rng(0).integers(3, size["vocab"] - 1, size=(2, size["rows"], size["columns"] + 1))


class Ours:
    """This library."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        from merganser.transformer import Adam, AdamW, Constant, LmBatch, Seq2SeqBatch, Trainer

        self.model, params = build(size, task)
        first, second = draw(size)
        self.task, self.size, self.params = task, size, params
        self.prompts = list(first[:, :-1])
        if task == "pair-step":
            self.batch: Any = Seq2SeqBatch(source=first[:, :-1], target_inputs=second[:, :-1], targets=second[:, 1:])
        else:
            self.batch = LmBatch(inputs=first[:, :-1], targets=first[:, 1:])
        if task.endswith("-step"):
            optimizer = Adam(beta2=0.98, epsilon=1e-9) if task == "pair-step" else AdamW(decays_vectors=True)
            self.trainer = Trainer(
                model=self.model,
                batches=lambda _: self.batch,
                schedule=Constant(RATE),
                n_steps=1 << 30,
                optimizer=optimizer,
                n_threads=n_threads,
            )
            self.state = self.trainer.start(params)

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        from merganser.transformer import generate

        if self.task.endswith("-step"):
            return [self.trainer.step(self.state).loss]
        if self.task == "gpt2-forward":
            return self.model.logits(self.params, self.batch)[0, -1, :50].tolist()
        rows = generate(self.model, self.params, self.prompts, max_new_tokens=self.size["new"])
        return [float(token) for row in rows for token in row.tolist()]


class Theirs:
    """PyTorch, eager; transformers for what it is compared with by name."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        import torch

        torch.set_num_threads(n_threads)
        self.torch, self.task, self.size = torch, task, size
        first, second = (torch.from_numpy(array) for array in draw(size))
        self.inputs, self.targets = first[:, :-1].contiguous(), first[:, 1:].contiguous()
        self.second = second
        if task in {"gpt-step", "gpt2-forward"}:
            from merganser.transformer.tensor_file import TensorFile

            arrays = TensorFile(Path(folder, "ours.safetensors"))
            is_step = task == "gpt-step"
            self.params = {name: torch.from_numpy(arrays[name]).requires_grad_(is_step) for name in arrays}
            parameters = list(self.params.values())
        else:
            import transformers

            transformers.logging.set_verbosity_error()
            kind = transformers.MarianMTModel if task == "pair-step" else transformers.GPT2LMHeadModel
            self.model = kind.from_pretrained(folder).float()
            self.model.train(task == "pair-step")
            parameters = list(self.model.parameters())
        self.parameters = parameters
        if task == "gpt-step":
            self.optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)
        elif task == "pair-step":
            self.optimizer = torch.optim.Adam(parameters, lr=RATE, betas=(0.9, 0.98), eps=1e-9, fused=True)

    def logits(self) -> Any:
        """Run GPT forward."""
        torch, params, size = self.torch, self.params, self.size
        functional = torch.nn.functional
        rows, columns, width = size["rows"], size["columns"], size["width"]
        x = functional.embedding(self.inputs, params["token_embedding.weight"])
        x = x + params["position_embedding.weight"][:columns]
        for block in range(size["layers"]):
            name = f"blocks.{block}"
            normed = self.norm(x, f"{name}.attention_norm")
            parts = self.linear(normed, f"{name}.attention.qkv").split(width, dim=-1)
            q, k, v = (part.view(rows, columns, size["heads"], -1).transpose(1, 2) for part in parts)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.linear(mixed.transpose(1, 2).reshape(rows, columns, width), f"{name}.attention.out")
            hidden = self.linear(self.norm(x, f"{name}.feed_forward_norm"), f"{name}.feed_forward.up")
            hidden = functional.gelu(hidden, approximate="tanh")
            x = x + self.linear(hidden, f"{name}.feed_forward.down")
        return self.norm(x, "final_norm") @ params["token_embedding.weight"].T

    def norm(self, x: Any, name: str) -> Any:
        """Run layer norm."""
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        return self.torch.nn.functional.layer_norm(x, weight.shape, weight, bias, 1e-5)

    def linear(self, x: Any, name: str) -> Any:
        """Multiply by a weight of shape (in, out) and add a bias, in one call."""
        flat = self.torch.addmm(self.params[f"{name}.bias"], x.reshape(-1, x.shape[-1]), self.params[f"{name}.weight"])
        return flat.view(*x.shape[:-1], -1)

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        torch = self.torch
        if self.task == "gpt2-forward":
            with torch.no_grad():
                return self.logits()[0, -1, :50].tolist()
        if self.task.startswith("generate"):
            with torch.no_grad():
                found = self.model.generate(
                    self.inputs,
                    attention_mask=torch.ones_like(self.inputs),
                    max_new_tokens=self.size["new"],
                    do_sample=False,
                    eos_token_id=None,
                    pad_token_id=0,
                )
            return [float(token) for token in found[:, self.inputs.shape[1] :].flatten().tolist()]
        self.optimizer.zero_grad(set_to_none=True)
        if self.task == "pair-step":
            logits = self.model(input_ids=self.inputs, decoder_input_ids=self.second[:, :-1], use_cache=False).logits
            targets = self.second[:, 1:]
        else:
            logits, targets = self.logits(), self.targets
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return [loss.item()]


def work(engine: str, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
    """Answer each line on standard input with one run of the task."""
    subject = (Ours if engine == "merganser" else Theirs)(task, size, n_threads, folder)
    for _ in sys.stdin:
        began, cpu_began = time.perf_counter(), time.process_time()
        values = subject.run()
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        # Kilobytes on Linux.
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answer = {"values": values, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb}
        print(json.dumps(answer), flush=True)


def compare(task: str, size: dict[str, Any], *, n_threads: int, n_repeats: int) -> dict[str, Any]:
    """Check that both engines agree, then time them in turn."""
    from merganser.transformer import save_pretrained
    from merganser.transformer.tensor_file import write_tensors

    with tempfile.TemporaryDirectory() as folder:
        model, params = build(size, task)
        write_tensors(Path(folder, "ours.safetensors"), params)
        if task == "pair-step" or task.startswith("generate"):
            save_pretrained(folder, model, params)
        del params
        workers = {engine: _start(engine, task, size, n_threads, folder) for engine in ENGINES}
        try:
            first = {engine: _ask(workers[engine]) for engine in ENGINES}
            ours, theirs = (np.array(first[engine]["values"]) for engine in ENGINES)
            is_same = ours.shape == theirs.shape and np.abs(ours - theirs).max() <= TOLERANCE * max(
                1, np.abs(theirs).max()
            )
            if not is_same:
                return {"task": task, "error": f"results differ: {ours[:4].tolist()} and {theirs[:4].tolist()}"}
            runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
            for repeat in range(n_repeats):
                for engine in ENGINES if repeat % 2 else reversed(ENGINES):
                    runs[engine].append(_ask(workers[engine]))
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()
    return {"task": task, "size": size, "n_threads": n_threads, **{e: _summary(runs[e]) for e in ENGINES}}


def _start(engine: str, task: str, size: dict[str, Any], n_threads: int, folder: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.transformer", "--worker", engine, "--tasks", task]
    command += ["--size", json.dumps(size), "--threads", str(n_threads), "--folder", folder]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(n_threads), "OMP_NUM_THREADS": str(n_threads)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


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
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds_median": statistics.median(seconds),
        "seconds_min": min(seconds),
        "seconds_max": max(seconds),
        "cpu_seconds_median": statistics.median(run["cpu_seconds"] for run in runs),
        "peak_mb": max(run["peak_mb"] for run in runs),
    }


def show(result: dict[str, Any]) -> None:
    """Print a row of the table."""
    if "error" in result:
        print(f"{result['task']:<13} not timed: {result['error']}")
        return
    cells = []
    for engine in ENGINES:
        row = result[engine]
        median, least, most, cpu = (
            round(1e3 * row[key]) for key in ("seconds_median", "seconds_min", "seconds_max", "cpu_seconds_median")
        )
        cells.append(f"{engine} {median:,} ({least:,}-{most:,}) ms, {cpu:,} ms CPU, {row['peak_mb']:,.0f} MB")
    speed, best, memory = (
        result["torch"][key] / result["merganser"][key] for key in ("seconds_median", "seconds_min", "peak_mb")
    )
    ratios = f"{speed:.2f}x torch (best runs {best:.2f}x), memory {1 / memory:.2f}x"
    print(" | ".join([f"{result['task']:<13} {cells[0]}", cells[1], ratios]), flush=True)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default=",".join(SIZES), help="which, separated by commas")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="small sizes, which say nothing of speed")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--worker", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.tasks, options.size, options.threads, options.folder)
        return
    results = []
    for task in options.tasks.split(","):
        size = QUICK if options.quick else SIZES[task]
        results.append(compare(task, size, n_threads=options.threads, n_repeats=options.repeats))
        show(results[-1])
    if options.output:
        options.output.write_text(
            json.dumps({"load": math.nan if os.name == "nt" else os.getloadavg()[0], "results": results}, indent=2)
            + "\n"
        )
    if any("error" in result for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
