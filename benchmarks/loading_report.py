"""The table of loading published models, for `benchmarks.report` and for the run itself."""

from __future__ import annotations

from typing import Any

from benchmarks import summary
from benchmarks.summary import SUBJECT


def table(document: dict[str, Any]) -> list[list[str]]:
    """Make a table: a head and a line a model.

    Parameters
    ----------
    document : dict
        What a result file holds: ``tasks`` by name.

    Returns
    -------
    list of list of str
    """
    head = ["model", f"{SUBJECT}, CPU ms", "its library, CPU ms", "x its library", "file, kB", "pickle, kB"]
    return [head, *map(line, document["tasks"].values())]


def line(row: dict[str, Any]) -> list[str]:
    """Write one model."""
    ours, theirs = (summary.spread(row["cpu_seconds"][name]) for name in (SUBJECT, row["peer"]))
    sizes = (f"{row[key] / 1e3:,.0f}" for key in ("file_bytes", "pickle_bytes"))
    ratio = f"{theirs.median / ours.median:.2f}x"
    return [row["task"], _milliseconds(ours), f"{row['peer']} {_milliseconds(theirs)}", ratio, *sizes]


def _milliseconds(seconds: summary.Spread) -> str:
    median, low, high = (1e3 * value for value in (seconds.median, seconds.low, seconds.high))
    return f"{median:.1f} ({low:.1f}-{high:.1f})"
