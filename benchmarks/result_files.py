"""Result files: one a machine, which keeps each task's last run, and what a run says of itself."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
from collections.abc import Iterable, Mapping
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
    replace(path, "tasks", {result["task"]: result for result in results}, order)


def replace(path: Path, key: str, results: Mapping[str, Any], order: Iterable[str], *, is_sorted: bool = False) -> None:
    """Replace results by task under a key of a result file, as `write`; names within may be sorted."""
    kept = json.loads(path.read_text(encoding="utf-8"))[key] if path.exists() else {}
    tasks = {**kept, **results}
    document = {"machine": machine.describe_machine(), key: {task: tasks[task] for task in order if task in tasks}}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(document, indent=1, sort_keys=is_sorted) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Read the result files of a folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def describe(document: dict[str, Any]) -> str:
    """Write what each task was measured on and with, tasks of one run together."""
    return listed(
        {
            name: told(
                task, f"{task['n_threads']} threads, {task['n_repeats']} repeats", sorted(task["versions"].items())
            )
            for name, task in document["tasks"].items()
        }
    )


def told(run: Mapping[str, Any], extent: str, versions: Iterable[tuple[str, str]]) -> str:
    """Write the `head` of a run, how much was run, and the libraries with their versions."""
    libraries = ", ".join(f"{name} {version}" for name, version in versions)
    code = f"{run['started'][:10]}, commit {run['commit'] or 'unknown'}"
    return f"{code}, {extent}, load average {run['load_average']:.1f} at the start; {libraries}."


def listed(told_of: Mapping[str, str]) -> str:
    """List what is told of each task, a line for all of which the same is told."""
    tasks: dict[str, list[str]] = {}
    for task, words in told_of.items():
        tasks.setdefault(words, []).append(task)
    return "\n".join(f"- {', '.join(names)}: {words}" for words, names in tasks.items())


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
        **head(),
        "versions": versions,
    }


def head() -> dict[str, Any]:
    """Say when, on what code and beside how much other work a run starts."""
    return {
        "started": datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": machine.git_commit(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
    }
