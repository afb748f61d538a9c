"""The record of a training as JSON lines, and its curves as a picture."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError, MissingDependencyError

if TYPE_CHECKING:
    from merganser.transformer.training import StepReport

__all__ = ["TrainingLog", "plot_curves", "read_log"]

_Records = list[dict[str, Any]]


class TrainingLog:
    """A file that gets a line for each step; without a path, nothing is written.

    Parameters
    ----------
    path : str or PathLike or None
        The file. Records up to step `after` are kept, later ones are dropped: the training writes them again.
    after : int
        Step at which the training begins or goes on.
    """

    def __init__(self, path: str | os.PathLike[str] | None, *, after: int) -> None:
        self._file: Any = None
        if path is None:
            return
        kept: _Records = []
        with contextlib.suppress(FileNotFoundError):
            kept = [record for record in read_log(path, allow_torn_end=True) if record["step"] <= after]
        with atomic_write(path) as file:
            file.writelines(_line(record).encode() for record in kept)
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115

    def write(self, record: StepReport) -> None:
        """Append one step."""
        if self._file is None:
            return
        fields = dataclasses.asdict(record)
        fields["tokens_per_second"] = round(record.tokens_per_second, 1)
        if record.evaluation is None:
            del fields["evaluation"]
        self._file.write(_line(fields))
        self._file.flush()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def read_log(path: str | os.PathLike[str], *, allow_torn_end: bool = False) -> _Records:
    """Read the record of a training.

    Parameters
    ----------
    path : str or PathLike
        The file that `Trainer` was given as ``log``.
    allow_torn_end : bool, default False
        Leave out a last line that was cut off when the process ended.

    Returns
    -------
    list of dict
        A step each: ``step``, ``loss``, ``rate``, ``gradient_norm``, ``n_targets``, ``seconds``,
        ``tokens_per_second``, and ``evaluation`` where there was one; None is a number that was not finite.

    Raises
    ------
    FormatError
        A line is not a record; the message says which. Or the file is not text.
    """
    try:
        lines = Path(path).read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        msg = f"{os.fspath(path)}: is not the log of a training: not UTF-8 at byte {error.start}"
        raise FormatError(msg) from None
    records = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            record = json.loads(line)
            record["step"] + record["loss"]
        except (ValueError, KeyError, TypeError, RecursionError):
            if allow_torn_end and number == len(lines):
                break
            msg = f"{os.fspath(path)}: line {number} is not the record of a step"
            raise FormatError(msg) from None
        records.append(record)
    return records


def _line(fields: Mapping[str, Any]) -> str:
    """Write a record as a line; JSON has no number for what is not finite."""
    numbers = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
    }
    return json.dumps(numbers, allow_nan=False) + "\n"


def plot_curves(
    logs: Mapping[str, str | os.PathLike[str] | Sequence[Mapping[str, Any]]],
    out: str | os.PathLike[str],
    *,
    smoothing: float = 0.9,
) -> None:
    """Draw the loss of trainings over their steps, and the held-out loss where there is one.

    Parameters
    ----------
    logs : mapping of str to path or list of dict
        Name and record of each training.
    out : str or PathLike
        The picture; its ending (``.svg``, ``.png``, ``.pdf``) says in which form.
    smoothing : float, default 0.9
        The bold line is a mean over ``smoothing / (1 - smoothing)`` steps to either side, fewer near the ends; the
        pale one was recorded.

    Raises
    ------
    MissingDependencyError
        matplotlib is not installed.
    """
    if not 0 <= smoothing < 1:
        msg = f"smoothing must be at least 0 and below 1, got {smoothing}"
        raise ConfigError(msg)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        msg = "curves need matplotlib: pip install 'merganser[transformer]'"
        raise MissingDependencyError(msg) from None
    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.subplots()
    for index, (name, log) in enumerate(logs.items()):
        records = read_log(log) if isinstance(log, (str, os.PathLike)) else log
        steps = [record["step"] for record in records]
        losses = [record["loss"] for record in records]
        color = f"C{index}"
        axes.plot(steps, losses, color=color, alpha=0.25, linewidth=0.8)
        axes.plot(steps, smooth(losses, smoothing), color=color, linewidth=1.6, label=f"{name}, smoothed")
        evaluated = [
            (record["step"], record["evaluation"]) for record in records if record.get("evaluation") is not None
        ]
        if evaluated:
            axes.plot(*zip(*evaluated, strict=True), "o--", color=color, markersize=4, label=f"{name}, held out")
    axes.set_xlabel("step")
    axes.set_ylabel("nats per target")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    kind = os.path.splitext(os.fspath(out))[1].lstrip(".") or "svg"
    with atomic_write(out) as file:
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)


def smooth(values: Sequence[float], weight: float) -> NDArray[np.float64]:
    """Return the mean of the finite values around each step: a mean of the past alone would lag behind a fall.

    It takes ``weight / (1 - weight)`` steps to either side; near the ends fewer, and as many on one side as on the
    other. A step with nothing finite around it is NaN.
    """
    n_values = len(values)
    places = np.arange(n_values)
    reaches = np.minimum(np.minimum(places, places[::-1]), round(weight / (1 - weight)))
    is_finite = np.isfinite(values)
    finite = np.where(is_finite, values, 0.0)
    sums, n_used = np.zeros(n_values), np.zeros(n_values)
    reach = int(reaches.max(initial=0))
    for offset in range(-reach, reach + 1):
        near = places[abs(offset) <= reaches]
        sums[near] += finite[near + offset]
        n_used[near] += is_finite[near + offset]
    means: NDArray[np.float64] = np.divide(sums, n_used, out=np.full(n_values, np.nan), where=n_used > 0)
    return means
