"""The runner's side of a worker: start it, ask, wait, end it.

The environment sets the number of threads for every library that reads one;
adapters pass it as an argument too where there is one. A worker that dies or
does not answer in time fails the row at hand, not the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ROOT = Path(__file__).resolve().parent.parent
_READ_BYTES = 1 << 16


class WorkerError(Exception):
    """A request failed; `kind` is "absent", "unsupported", "failed" or "died"."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def turns(engines: Sequence[str], n_repeats: int) -> Iterator[str]:
    """Give engines in turn, each repeat starting one further, so that a slow minute falls on all of them."""
    for repeat in range(n_repeats):
        for place in range(len(engines)):
            yield engines[(place + repeat) % len(engines)]


def environment(n_threads: int, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a worker that may use some threads.

    Parameters
    ----------
    n_threads : int
        At least 1.
    base : mapping, optional
        Environment to start from; that of this process when None.

    Returns
    -------
    dict of str to str
    """
    threads = {name: str(n_threads) for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    parallel = {"TOKENIZERS_PARALLELISM": "true" if n_threads > 1 else "false"}
    fixed = {"PYTHONHASHSEED": "0", "TOKIO_WORKER_THREADS": str(n_threads)}
    return dict(os.environ if base is None else base) | threads | parallel | fixed


class Worker:
    """Handle of a worker process.

    Parameters
    ----------
    engine : str
        Name of the adapter.
    n_threads : int
        Threads the engine may use.
    python : str, optional
        Interpreter; that of this process when None.
    timeout_seconds : float
        Longest wait for an answer.

    Raises
    ------
    WorkerError
        If the library cannot be imported.
    """

    def __init__(
        self, engine: str, *, n_threads: int, python: str | None = None, timeout_seconds: float = 120.0
    ) -> None:
        self.engine = engine
        self._timeout_seconds = timeout_seconds
        self._buffer = b""
        # A session of its own: Ctrl-C reaches the runner, which ends its workers.
        self._process = subprocess.Popen(
            [python or sys.executable, "-m", "benchmarks.worker", engine, str(n_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env=environment(n_threads),
            start_new_session=True,
            bufsize=0,
        )
        self._stdin = cast("IO[bytes]", self._process.stdin)
        self._stdout = cast("IO[bytes]", self._process.stdout)
        try:
            self.about = self._receive()
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Parameters
        ----------
        do : str
            Name of the request.
        **request
            What it needs, JSON values.

        Returns
        -------
        dict

        Raises
        ------
        WorkerError
            If the engine refuses, fails, dies or takes too long.
        """
        try:
            self._stdin.write(json.dumps({"do": do} | request).encode() + b"\n")
        except BrokenPipeError as error:
            raise WorkerError(self._epitaph(), kind="died") from error
        return self._receive()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _receive(self) -> dict[str, Any]:
        """Read one line, within the time allowed."""
        end = time.monotonic() + self._timeout_seconds
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            is_ready = left > 0 and select.select([self._stdout], [], [], left)[0]
            if not is_ready:
                self.close()
                message = f"no answer within {self._timeout_seconds:g} s"
                raise WorkerError(message, kind="died")
            data = os.read(self._stdout.fileno(), _READ_BYTES)
            if not data:
                raise WorkerError(self._epitaph(), kind="died")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer = cast("dict[str, Any]", json.loads(line))
        if "error" in answer:
            raise WorkerError(answer["error"], kind=answer["kind"])
        return answer

    def _epitaph(self) -> str:
        """Say how the process ended."""
        return f"process ended with {self._process.wait()}"
