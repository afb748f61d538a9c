"""The table of the transformer's results, for `benchmarks.report` and for the run itself."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import SUBJECT
from benchmarks.transformer_engines import NUMPY_ALONE

PEER = "torch"
_OTHERS = (NUMPY_ALONE, "jax", "autograd")


def table(document: dict[str, Any]) -> list[list[str]]:
    """Make a table: a head and a line a task, times and memory of each engine, then the subject's ratios to the peer.

    Parameters
    ----------
    document : dict
        What a result file holds: ``tasks`` by name.

    Returns
    -------
    list of list of str
    """
    found = [name for name in _OTHERS if any(name in task["engines"] for task in document["tasks"].values())]
    engines = [SUBJECT, PEER, *found]
    lines = [
        [
            "task",
            *(f"{engine}, ms" for engine in engines),
            f"x {PEER} ({NUMPY_ALONE})",
            "peak MB",
            f"of {PEER}'s memory",
        ]
    ]
    for name, task in document["tasks"].items():
        rows = task["engines"]
        peaks = " / ".join(f"{rows[engine]['peak_mb']:,.0f}" for engine in engines if engine in rows)
        alone = f" ({speed(task, NUMPY_ALONE):.2f}x)" if NUMPY_ALONE in rows else ""
        ratios = [f"{speed(task):.2f}x{alone}", peaks, f"{memory(task):.2f}"]
        lines.append([f"{name}: {shape(task)}", *(cell(rows.get(engine)) for engine in engines), *ratios])
    return lines


def shape(task: dict[str, Any]) -> str:
    """Write the size of a task."""
    size = task["size"]
    layers = f"{size['layers']} + {size['layers']}" if is_pair(task) else str(size["layers"])
    columns = f"{size['columns']} + {size['columns']}" if is_pair(task) else str(size["columns"])
    text = f"{layers} layers of {size['width']}, {size['rows']} x {columns} tokens, V {size['vocab']:,}"
    return f"{text}, {size['new']} new" if task["task"].startswith("generate") else text


def is_pair(task: dict[str, Any]) -> bool:
    """Tell whether a task has a source and a target."""
    return str(task["task"]).startswith("pair")


def cell(row: dict[str, float] | None) -> str:
    """Write median and extremes of an engine in milliseconds, and the CPU time."""
    if row is None:
        return "-"
    median, low, high, cpu = (
        1e3 * row[key] for key in ("seconds_median", "seconds_min", "seconds_max", "cpu_seconds_median")
    )
    return f"{median:,.0f} ({low:,.0f}-{high:,.0f}), {cpu:,.0f} CPU"


def speed(task: dict[str, Any], engine: str = SUBJECT) -> float:
    """Return how many times faster than the peer the subject or another engine is, by medians of wall time."""
    rows = task["engines"]
    return float(rows[PEER]["seconds_median"] / rows[engine]["seconds_median"])


def memory(task: dict[str, Any]) -> float:
    """Return the subject's peak memory as a share of the peer's."""
    rows = task["engines"]
    return float(rows[SUBJECT]["peak_mb"] / rows[PEER]["peak_mb"])


def line(task: dict[str, Any]) -> str:
    """Write one task on one line."""
    if "error" in task:
        return f"{task['task']:<13} not timed: {task['error']}"
    cells = [f"{engine} {cell(row)}, {row['peak_mb']:,.0f} MB" for engine, row in task["engines"].items()]
    return " | ".join([f"{task['task']:<13}", *cells, f"{speed(task):.2f}x {PEER}, memory {memory(task):.2f}"])
