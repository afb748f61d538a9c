"""The tables of the trainers' results, for `benchmarks.report` and for the run itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.summary import SUBJECT, Spread, spread

_MEGA = 1_000_000
_QUALITY = (("bytes_per_token", "bytes/token"), ("renyi_efficiency", "Rényi"), ("unigram_bits_per_byte", "bits/byte"))
_HEAD = ["engine", "CPU s", "wall s", "peak MB", "x CPU", "x memory", "tokens"]


def title(task: dict[str, Any]) -> str:
    """Write what a task trains on what."""
    size = f"{task['n_bytes'] / _MEGA:g} MB"
    return f"{task['task']}: {task['method']}, {task['corpus']} {size}, {task['vocab_size']:,} tokens"


def table(task: dict[str, Any]) -> list[list[str]]:
    """Make the table of a task: a head and a line an engine, medians, the range of CPU time, ratios to merganser.

    Parameters
    ----------
    task : dict
        Of a result file: ``rows``, each with its ``engine``, ``samples`` and ``quality``.

    Returns
    -------
    list of list of str
    """
    rows = task["rows"]
    subject = next((row for row in rows if row["engine"] == SUBJECT), None)
    head = _HEAD + [name for _, name in _QUALITY] if any(row["quality"] for row in rows) else _HEAD
    lines = [[row["engine"], *_cells(row, subject)] for row in rows]
    return [head, *([*line, *["-"] * (len(head) - len(line))][: len(head)] for line in lines)]


def growth(tasks: list[dict[str, Any]]) -> list[list[str]]:
    """Make the table of the subject alone on more and more text: seconds of each phase.

    Parameters
    ----------
    tasks : list of dict
        Results on growing text.

    Returns
    -------
    list of list of str
    """
    rows = [next(row for row in task["rows"] if row["engine"] == SUBJECT)["samples"] for task in tasks]
    phases = list(rows[0][0]["phases"])
    lines = [["text", "CPU s", "wall s", *(f"{phase}, wall s" for phase in phases), "peak MB"]]
    for task, samples in zip(tasks, rows, strict=True):
        seconds = [spread([sample["phases"][phase] for sample in samples]).median for phase in phases]
        cpu, wall = (spread([sample[name] for sample in samples]).median for name in ("cpu", "wall"))
        times = [f"{value:.2f}" for value in (cpu, wall, *seconds)]
        peak = max(sample["peak_bytes"] for sample in samples)
        lines.append([f"{task['n_bytes'] / _MEGA:g} MB", *times, f"{peak / _MEGA:,.0f}"])
    return lines


def _cells(row: dict[str, Any], subject: dict[str, Any] | None) -> Iterator[str]:
    error = _error(row)
    if error:
        yield error
        return
    cpu, wall, peak = (_spread(row, name) for name in ("cpu", "wall", "peak_bytes"))
    yield f"{cpu.median:.2f}" + (f" ({cpu.low:.2f}-{cpu.high:.2f})" if len(row["samples"]) > 1 else ", once")
    yield f"{wall.median:.2f}"
    yield f"{peak.high / _MEGA:,.0f}"
    if subject is None or _error(subject):
        yield from ["-", "-"]
    else:
        yield f"{cpu.median / _spread(subject, 'cpu').median:.2f}x"
        yield f"{peak.high / _spread(subject, 'peak_bytes').high:.2f}x"
    yield _agreement(row, subject)
    for name, _ in _QUALITY:
        value = row["quality"].get(name)
        yield "-" if value is None else f"{value:.4f}"


def _error(row: dict[str, Any]) -> str | None:
    return next((sample["error"] for sample in row["samples"] if "error" in sample), None)


def _spread(row: dict[str, Any], name: str) -> Spread:
    return spread([sample[name] for sample in row["samples"]])


def _agreement(row: dict[str, Any], subject: dict[str, Any] | None) -> str:
    """Say how an engine's tokens stand to merganser's."""
    mine, theirs = row["samples"][0], subject["samples"][0] if subject else {}
    if row is subject or "digest" not in theirs:
        return f"{mine['n_tokens']:,}"
    if mine["digest"] == theirs["digest"]:
        return "the same"
    return "the same, ordered otherwise" if mine["unordered_digest"] == theirs["unordered_digest"] else "others"
