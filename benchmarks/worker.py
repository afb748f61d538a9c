"""An engine in a process of its own: one JSON request a line in, one answer out.

Engines in one process would share an allocator, threads and caches. Requests
are timed here, so pipes and JSON never count. It needs the standard library and
the engine's library only.

Requests: ``load`` (vocabulary, source), ``prepare`` and ``measure`` (a case on
an input file, by handle), ``first`` (the same on a cold tokenizer), ``ids``
(write them to a file), ``train``. Answers hold ``error`` when it failed.
"""

from __future__ import annotations

import array
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from benchmarks import measure
from benchmarks.engines import Engine, UnsupportedError, make_engine

if TYPE_CHECKING:
    from collections.abc import Callable

# Loading ends when this has been encoded, so that work put off to the first call is counted.
_LOAD_WORD = "word"


class Session:
    """Engine, inputs and the calls made ready.

    Parameters
    ----------
    name : str
        Engine.
    n_threads : int
        Threads it may use.
    """

    def __init__(self, name: str, *, n_threads: int) -> None:
        self._name = name
        self._n_threads = n_threads
        start = time.perf_counter()
        self.engine = make_engine(name, n_threads=n_threads)
        self.import_seconds = time.perf_counter() - start
        self._engines: dict[str, Engine] = {}
        self._call: Callable[[], object] = _not_ready
        self._rows: Callable[[], list[list[int]]] = _not_ready

    def describe(self) -> dict[str, Any]:
        """Answer with version, forms and the time of the import."""
        return {
            "version": self.engine.version(),
            "native_form": self.engine.native_form,
            "batch_form": self.engine.batch_form,
            "import_seconds": self.import_seconds,
            "python": sys.version.split()[0],
        }

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Load a vocabulary and time it."""
        vocabulary = request["vocabulary"]
        source = request.get("source") or self.engine.preferred_source
        if source not in vocabulary["files"] and not request.get("source"):
            source = "sentencepiece" if "sentencepiece" in vocabulary["files"] else source
        engine = make_engine(self._name, n_threads=self._n_threads)

        def build() -> None:
            engine.load(vocabulary, source)
            engine.encode(_LOAD_WORD)

        wall, cpu = measure.time_calls(build, n_calls=1)
        digest, n_tokens = measure.digest_ids([engine.encode(_LOAD_WORD)])
        self._engines[vocabulary["name"]] = engine
        self.engine = engine
        answer = {"wall": wall, "cpu": cpu, "source": source, "peak_bytes": measure.peak_bytes()}
        return answer | {"digest": digest, "n_tokens": n_tokens}

    def ready(self, request: dict[str, Any]) -> None:
        """Make the call of a case."""
        case = request["case"]
        texts = json.loads(Path(request["input"]).read_text(encoding="utf-8"))
        engine = self._engines[case["vocabulary"]]
        if case["task"] == "decode":
            self._ready_decode(engine, texts)
        elif case["is_batch"]:
            self._call = lambda: engine.encode_batch(texts)
            self._rows = lambda: engine.batch_ids(engine.encode_batch(texts))
        else:
            encode = engine.encode if case["form"] == "list" else engine.encode_native
            convert = list if case["form"] == "list" else engine.native_ids
            self._call = _call_each(encode, texts)
            self._rows = lambda: [convert(encode(text)) for text in texts]

    def _ready_decode(self, engine: Engine, texts: list[str]) -> None:
        """Make a call that decodes the ids of the texts, once they are seen to give the texts back."""
        ids = [engine.encode(text) for text in texts]
        if [engine.decode(row) for row in ids] != texts:
            message = "decode does not give the text back"
            raise ValueError(message)
        self._call = _call_each(engine.decode, ids)
        self._rows = lambda: ids

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Digest the ids of a case, warm up, and find how many calls make a sample."""
        self.ready(request)
        digest, n_tokens = measure.digest_ids(self._rows())
        wall, _ = measure.time_calls(self._call, n_calls=1)
        n_calls = measure.calls_for(wall, sample_seconds=request["sample_seconds"])
        return {"digest": digest, "n_tokens": n_tokens, "n_calls": n_calls}

    def measure(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take one sample of the prepared case."""
        wall, cpu = measure.time_calls(self._call, n_calls=request["n_calls"])
        return {"wall": wall, "cpu": cpu}

    def first(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time the first call of a case; ids are made afterwards."""
        self.ready(request)
        wall, cpu = measure.time_calls(self._call, n_calls=1)
        digest, n_tokens = measure.digest_ids(self._rows())
        return {"wall": wall, "cpu": cpu, "digest": digest, "n_tokens": n_tokens}

    def ids(self, request: dict[str, Any]) -> dict[str, Any]:
        """Write the ids of the prepared case, strings one after the other, as native 8-byte integers."""
        flat = array.array("q", (i for row in self._rows() for i in row))
        Path(request["path"]).write_bytes(flat.tobytes())
        return {"n_tokens": len(flat)}

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Train and time it; the tokens are digested afterwards."""
        tokens: list[bytes] = []
        before = measure.peak_bytes()

        def run() -> None:
            tokens.extend(
                self.engine.train(
                    Path(request["path"]), vocab_size=request["vocab_size"], special_token=request["special_token"]
                )
            )

        wall, cpu = measure.time_calls(run, n_calls=1)
        answer = {"wall": wall, "cpu": cpu, "peak_bytes": measure.peak_bytes(), "peak_bytes_before": before}
        return answer | measure.describe_tokens(tokens)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request."""
        handlers = {
            "load": self.load,
            "prepare": self.prepare,
            "measure": self.measure,
            "first": self.first,
            "ids": self.ids,
            "train": self.train,
        }
        return handlers[request["do"]](request)


def _not_ready() -> NoReturn:
    """Stand for the call of a case before one is prepared."""
    message = "no case is prepared"
    raise ValueError(message)


def _call_each(function: Callable[[Any], object], items: list[Any]) -> Callable[[], object]:
    """Give a call that applies a function to every item and drops the results."""

    def call() -> None:
        for item in items:
            function(item)

    return call


def _own_stdout() -> TextIO:
    """Keep standard output for answers: what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def keep_to_processors(n_threads: int) -> None:
    """Bind the process to as many processors as it may use threads, where the system can.

    Some libraries start threads whatever the environment says.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-n_threads:])


def main() -> None:
    """Serve requests until standard input ends."""
    answers = _own_stdout()
    keep_to_processors(int(sys.argv[2]))

    def send(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        session = Session(sys.argv[1], n_threads=int(sys.argv[2]))
        send(session.describe())
    except Exception as error:
        send({"error": f"{type(error).__name__}: {error}", "kind": "absent"})
        return
    for line in sys.stdin:
        try:
            send(session.answer(json.loads(line)))
        except UnsupportedError as error:
            send({"error": str(error), "kind": "unsupported"})
        except BaseException as error:
            send({"error": f"{type(error).__name__}: {error}"[:300], "kind": "failed"})


if __name__ == "__main__":
    main()
