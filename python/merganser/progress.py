"""What a ``progress=`` argument may be, and the bar that ``progress=True`` draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from merganser.errors import ConfigError

__all__ = ["Progress", "Report", "reporting"]

Report: TypeAlias = Callable[[int, "int | None", str], object]
"""Called as ``report(done, total, phase)``; ``total`` is ``None`` while it is not known.

What follows ``": "`` in ``phase`` is news of the same phase, such as ``"train: loss 2.31"``.
"""

Progress: TypeAlias = "Report | bool | None"
"""``True`` draws a bar on standard error, a callable is called, ``None`` and ``False`` stay silent.

The bar has a row for each phase. The time left that a row tells is that of its phase, at its speed of late: how long
phases to come will take, nobody knows before they begin.
"""

_PHASES = {
    "encode": "Encoding",
    "count": "Counting words",
    "gather": "Gathering words",
    "seed": "Collecting candidates",
    "merge": "Learning merges",
    "em": "Estimating probabilities",
    "prune": "Dropping tokens",
    "train": "Training",
}
_BYTE_PHASES = {"encode", "count"}
# Phases that take turns go on with one count, and share a row.
_ROWS = {"prune": "em"}


@contextmanager
def reporting(progress: Progress) -> Iterator[Report]:
    """Turn a ``progress=`` argument into a function to report to, and take the bar down afterwards.

    Parameters
    ----------
    progress : bool, callable or None
        The argument.

    Yields
    ------
    callable
        ``report(done, total, phase)``.
    """
    if callable(progress):
        yield progress
    elif progress not in (None, True, False):
        msg = f"progress must be True, None or a callable, got {progress!r}"
        raise ConfigError(msg)
    elif progress:
        with _bar() as report:
            yield report
    else:
        yield lambda _done, _total, _phase: None


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}
        current: str | None = None

        def turn_to(row: str) -> TaskID:
            nonlocal current
            if row != current and current is not None:
                last = bar.tasks[tasks[current]]
                bar.update(last.id, total=last.total or last.completed, completed=last.total or last.completed)
            if row not in tasks:
                tasks[row] = bar.add_task("", total=None, amount="")
            elif row != current:
                # It begins anew, as for the next of several sources: so does its clock.
                bar.reset(tasks[row])
            current = row
            return tasks[row]

        def report(done: int, total: int | None, phase: str) -> None:
            phase, _, news = phase.partition(": ")
            task = turn_to(_ROWS.get(phase, phase))
            amount = f"{done / 1e6:,.1f} MB" if phase in _BYTE_PHASES else f"{done:,}"
            amount = f"{amount}, {news}" if news else amount
            bar.update(task, completed=done, total=total, amount=amount, description=_PHASES.get(phase, phase))

        yield report
