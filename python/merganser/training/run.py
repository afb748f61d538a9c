"""`TrainingRun`: times the phases of a run, passes its progress on, and makes the tokenizer with its report."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any

from merganser import _core
from merganser.progress import Progress, Report, reporting
from merganser.tokenizer import Tokenizer
from merganser.training.word_counts import WordCounts
from merganser.training_report import training_report

__all__ = ["TrainingRun", "given"]

_NOT_OPTIONS = {"documents", "n_threads", "progress"}


class TrainingRun:
    """A run of a trainer, as a context: `report` in it is what the phases report to.

    Parameters
    ----------
    method : str
        The trainer's name.
    progress : bool, callable or None
        Who is told.
    """

    def __init__(self, method: str, progress: Progress) -> None:
        self._method = method
        self._told: AbstractContextManager[Report] = reporting(progress)
        self._seconds: dict[str, float] = {}
        self._phase, self._since = "count", 0.0

    def __enter__(self) -> TrainingRun:
        self._tell = self._told.__enter__()
        self._since = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._told.__exit__(kind, error, trace)

    def report(self, done: int, total: int | None, phase: str) -> None:
        """Pass on how far the run is; the time since the last word belongs to this phase."""
        self._phase = phase
        self._measure()
        self._tell(done, total, phase)

    def _measure(self) -> None:
        now = time.perf_counter()
        self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._since = now

    def finish(self, trained: _core.Trained, *, options: Mapping[str, Any], counts: WordCounts) -> Tokenizer:
        """Make the tokenizer, which carries what text and options decided, and knows how long it took.

        Parameters
        ----------
        trained : _core.Trained
            What the trainer gave.
        options : mapping
            What it was asked for, of plain values.
        counts : WordCounts
            What it saw.

        Returns
        -------
        Tokenizer
        """
        self._measure()
        head = {
            "method": self._method,
            "version": _core.VERSION,
            "options": dict(options),
            "sources": [*counts.sources],
        }
        text = json.dumps(head | json.loads(trained.report), ensure_ascii=False)
        report = training_report(text)
        if report is not None:
            report = replace(report, seconds=dict(self._seconds), peak_memory_bytes=_peak_memory_bytes())
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
    """
    parameters = inspect.signature(trainer).parameters
    return {
        name: _plain(arguments[name])
        for name, parameter in parameters.items()
        if name not in _NOT_OPTIONS and arguments[name] not in (parameter.default, _listed(parameter.default))
    }


def _listed(default: object) -> object:
    return list(default) if isinstance(default, tuple) else default


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Tokenizer):
        return value.fingerprint
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple, set, frozenset)) else value


def _peak_memory_bytes() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
