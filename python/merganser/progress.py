"""Progress of long calls: None is silent, True draws a bar, a callable is told ``(done, total, phase)``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Report = Callable[[int, "int | None", str], None]
Progress = Report | bool | None


@contextlib.contextmanager
def reporting(progress: Progress) -> Iterator[Report]:
    """Turn a `progress` argument into a function to report to.

    Parameters
    ----------
    progress : bool or callable, optional
        None or False: reports go nowhere. True: a bar on standard error. A callable gets each report.

    Yields
    ------
    callable
        Takes what is done, the total (None: unknown), both in the same unit, and the phase.
    """
    if callable(progress):
        yield progress
    elif progress:
        with _bar() as report:
            yield report
    else:
        yield _ignore


def _ignore(done: int, total: int | None, phase: str) -> None:
    pass


@contextlib.contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks = {}

        def report(done: int, total: int | None, phase: str) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done, total=total)

        yield report
