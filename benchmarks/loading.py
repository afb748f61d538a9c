"""Time to load each published model beside its own library, and the size of its pickle: `python -m benchmarks.loading`.

Both libraries load in turn in one process, after giving the same ids of a text; CPU time, medians. The models are those
of `MERGANSER_DATA`; nothing is kept.
"""

from __future__ import annotations

import pickle
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentencepiece
import tokenizers

import merganser as mg
from benchmarks.corpora import data_path

if TYPE_CHECKING:
    from collections.abc import Callable

_N_REPEATS = 9
_TEXT = "Hello world, it's 2026! naïve 日本語\n  and more"
_MODELS = (
    "gpt2/tokenizer.json",
    "roberta-base/tokenizer.json",
    "modernbert/tokenizer.json",
    "phi-3-mini/tokenizer.json",
    "bert-base-uncased/tokenizer.json",
    "bert-base-multilingual-cased/tokenizer.json",
    "t5-small/tokenizer.json",
    "albert-base-v2/spiece.model",
    "xlnet-base-cased/tokenizer.model",
    "llama-2-spm/tokenizer.model",
)


def main() -> None:
    """Print a row a model."""
    folder = data_path() / "models"
    print(f"{'model':<44} {'merganser':>10} {'its library':>12} {'ratio':>7} {'pickle':>12}")
    for name in _MODELS:
        path = folder / name
        tok, peer = mg.Tokenizer.load(path), _load_peer(path)
        expected = peer.encode(_TEXT) if path.suffix == ".model" else peer.encode(_TEXT).ids
        if tok.encode(_TEXT, on_special="text") != expected:
            msg = f"{name}: ids differ"
            raise SystemExit(msg)
        ours, theirs = _median_ms(lambda path=path: mg.Tokenizer.load(path), lambda path=path: _load_peer(path))
        n_bytes = len(pickle.dumps(tok))
        print(f"{name:<44} {ours:>7.1f} ms {theirs:>9.1f} ms {theirs / ours:>6.2f}x {n_bytes:>10,} B")


def _load_peer(path: Path) -> Any:
    if path.suffix == ".model":
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    return tokenizers.Tokenizer.from_file(str(path))


def _median_ms(*calls: Callable[[], object]) -> list[float]:
    """Call each in turn, many times, and return the median CPU time of each in milliseconds."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(_N_REPEATS):
        for samples, call in zip(times, calls, strict=True):
            start = time.process_time()
            call()
            samples.append(time.process_time() - start)
    return [1e3 * statistics.median(samples) for samples in times]


if __name__ == "__main__":
    main()
