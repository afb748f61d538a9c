"""Time to load each published model beside its own library, and the size of its pickle: `python -m benchmarks.loading`.

Both libraries load in turn in one process, after giving the same ids of a text; CPU time, for one thread does the work.
The models are those of `MERGANSER_DATA`.
"""

from __future__ import annotations

import argparse
import gc
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentencepiece
import tokenizers

import merganser as mg
from benchmarks import loading_report, result_files
from benchmarks.corpora import data_path
from benchmarks.summary import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = (
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

_TEXT = "Hello world, it's 2026! naïve 日本語\n  and more"


def compare(name: str, path: Path, n_repeats: int) -> dict[str, Any]:
    """Load one model in both libraries.

    Parameters
    ----------
    name : str
        What the row is called.
    path : Path
        A ``tokenizer.json``, or a SentencePiece ``.model``.
    n_repeats : int
        How often each loads.

    Returns
    -------
    dict
        A row of the result file.

    Raises
    ------
    RuntimeError
        If the ids of a text differ.
    """
    is_sentencepiece = path.suffix == ".model"
    peer = "sentencepiece" if is_sentencepiece else "tokenizers"
    about = result_files.about(1, n_repeats, [SUBJECT, peer])
    tok, other = mg.Tokenizer.load(path), _load_peer(path)
    if tok.encode(_TEXT, on_special="text") != (other.encode(_TEXT) if is_sentencepiece else other.encode(_TEXT).ids):
        msg = f"{name}: ids differ"
        raise RuntimeError(msg)
    ours, theirs = _take_turns(n_repeats, lambda: mg.Tokenizer.load(path), lambda: _load_peer(path))
    return {
        "task": name,
        **about,
        "peer": peer,
        "cpu_seconds": {SUBJECT: ours, peer: theirs},
        "file_bytes": path.stat().st_size,
        "pickle_bytes": len(pickle.dumps(tok)),
    }


def _load_peer(path: Path) -> Any:
    if path.suffix == ".model":
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    return tokenizers.Tokenizer.from_file(str(path))


def _take_turns(n_repeats: int, *calls: Callable[[], object]) -> list[list[float]]:
    """Call each in turn, many times, and give the CPU times of each in seconds."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(n_repeats):
        for samples, call in zip(times, calls, strict=True):
            gc.collect()
            start = time.process_time()
            made = call()
            samples.append(time.process_time() - start)
            del made
    return times


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="two repeats, only shown")
    parser.add_argument("--output", type=Path, help="result file (default: results/loading/MACHINE.json)")
    options = parser.parse_args()
    n_repeats = 2 if options.quick else options.repeats
    results = []
    for name in MODELS:
        results.append(compare(name, data_path() / "models" / name, n_repeats))
        print(" | ".join(loading_report.line(results[-1])), flush=True)
    path = options.output
    if path is None and not options.quick:
        path = result_files.path_of("loading")
    if path is not None:
        result_files.write(path, results, MODELS)
        print(f"results in {path}; now run python -m benchmarks.report")


if __name__ == "__main__":
    main()
