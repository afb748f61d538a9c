"""`TrainingRun`: times the phases of a run, passes its progress on, and makes the tokenizer with its report."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from merganser import _core
from merganser.progress import Progress, Report, reporting
from merganser.tokenizer import Tokenizer
from merganser.training.word_counts import WordCounts
from merganser.training_report import training_report

__all__ = ["TrainingRun", "given", "training_run"]

# What the result does not depend on.
_NOT_OPTIONS = {"documents", "n_threads", "progress", "max_memory", "spill_dir"}
_STATUS = Path("/proc/self/status")


@contextmanager
def training_run(method: str, progress: Progress, options: Mapping[str, Any]) -> Iterator[TrainingRun]:
    """Run a trainer: whoever is told of its progress is let go in the end.

    Parameters
    ----------
    method : str
        The trainer's name.
    progress : bool, callable or None
        Who is told.
    options : mapping
        What the trainer was asked for, of plain values (`given`).

    Yields
    ------
    TrainingRun
    """
    with reporting(progress) as tell:
        yield TrainingRun(method, tell, options)


class TrainingRun:
    """A run of a trainer; `report` is what its phases report to."""

    def __init__(self, method: str, tell: Report, options: Mapping[str, Any]) -> None:
        self._head = {"method": method, "version": _core.VERSION, "options": dict(options)}
        self._tell = tell
        self._seconds: dict[str, float] = {}
        self._phase, self._since = "count", time.perf_counter()

    def report(self, done: int, total: int | None, phase: str) -> None:
        """Pass on how far the run is; the time since the last word belongs to this phase."""
        self._phase = phase
        self._measure()
        self._tell(done, total, phase)

    def _measure(self) -> None:
        now = time.perf_counter()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._since = now

    def finish(self, trained: _core.Trained, counts: WordCounts) -> Tokenizer:
        """Make the tokenizer, which carries what text and options decided, and knows how long it took.

        Parameters
        ----------
        trained : _core.Trained
            What the trainer gave.
        counts : WordCounts
            What it saw.

        Returns
        -------
        Tokenizer
        """
        self._measure()
        said = self._head | {"sources": counts.sources} | json.loads(trained.report)
        text = json.dumps(said, ensure_ascii=False)
        report = training_report(text)
        if report is not None:
            report = report.measured(self._seconds, _peak_memory_bytes(), counts.n_spilled_bytes)
        return Tokenizer._wrap(trained.tokenizer(text), training_report=report)


def given(trainer: Callable[..., object], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a trainer was given other than its defaults, as plain values.

    Parameters
    ----------
    trainer : callable
        The function.
    arguments : mapping
        Its arguments by name; whatever else is in there is passed over.

    Returns
    -------
    dict

    Raises
    ------
    TypeError
        If an option that is true or false is neither.
    """
    parameters = inspect.signature(trainer).parameters
    for name, parameter in parameters.items():
        if parameter.annotation == "bool" and not isinstance(arguments[name], (bool, np.bool_)):
            msg = f"{name} must be True or False, got {arguments[name]!r}"
            raise TypeError(msg)
    plain = {name: _plain(arguments[name]) for name in parameters if name not in _NOT_OPTIONS}
    return {name: value for name, value in plain.items() if value != _plain(parameters[name].default)}


def _plain(value: Any) -> Any:
    """Turn a value into one that JSON has: numbers of other libraries into Python's, collections into lists."""
    plain: Any
    if isinstance(value, (bool, int, float, str)) or value is None:
        plain = value
    elif isinstance(value, bytes):
        plain = value.hex()
    elif isinstance(value, Tokenizer):
        plain = value.fingerprint
    elif isinstance(value, Mapping):
        plain = {str(key): _plain(one) for key, one in value.items()}
    elif isinstance(value, Iterable):
        plain = [_plain(one) for one in value]
    elif hasattr(value, "__index__"):
        plain = int(value)
    else:
        plain = float(value) if hasattr(value, "__float__") else repr(value)
    return plain


def _peak_memory_bytes() -> int | None:
    # Linux: `ru_maxrss` would be that of the parent process where that was larger.
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
