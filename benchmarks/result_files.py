"""Result files of the runs that go task by task: one a machine, in a folder of their own."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import machine

FOLDER = Path(__file__).with_name("results")


def path_of(kind: str) -> Path:
    """Give the result file of this machine: ``results/KIND/MACHINE.json``."""
    return FOLDER / kind / f"{machine.machine_name(machine.describe_machine())}.json"


def write(path: Path, results: list[dict[str, Any]], order: Iterable[str]) -> None:
    """Replace the given tasks in a result file, keeping the others.

    Parameters
    ----------
    path : Path
    results : list of dict
        Results, each with its ``task``.
    order : iterable of str
        The names of all tasks, in the order in which they are kept.
    """
    kept = json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.exists() else {}
    tasks = kept | {result["task"]: result for result in results}
    document = {"machine": machine.describe_machine(), "tasks": {task: tasks[task] for task in order if task in tasks}}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def describe(document: dict[str, Any]) -> str:
    """Write what each task was measured on and with, tasks of one run together."""
    said: dict[str, list[str]] = {}
    for name, task in document["tasks"].items():
        versions = ", ".join(f"{library} {version}" for library, version in sorted(task["versions"].items()))
        head = f"{task['started'][:10]}, commit {task['commit'] or 'unknown'}, {task['n_threads']} threads"
        told = f"{head}, {task['n_repeats']} repeats, load average {task['load_average']:.1f} at the start; {versions}."
        said.setdefault(told, []).append(name)
    return "\n".join(f"- {', '.join(tasks)}: {told}" for told, tasks in said.items())


def about(n_threads: int, n_repeats: int, libraries: Iterable[str]) -> dict[str, Any]:
    """Describe a task's run as it starts: when, of which commit, with which versions, on how busy a machine.

    Parameters
    ----------
    n_threads, n_repeats : int
    libraries : iterable of str
        The packages that take part; one that is not installed is left out.
    """
    versions = {}
    for name in libraries:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "n_threads": n_threads,
        "n_repeats": n_repeats,
        "started": datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": machine.git_commit(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        "versions": versions,
    }
