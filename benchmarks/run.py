"""Run the benchmarks: ``python -m benchmarks.run`` from the project's root.

Each engine works in a process of its own. For every case all engines first
encode the input and must give the ids of the vocabulary's reference; one that
differs is not timed. Then they take turns, each repeat in another order, so
that a slow minute of the machine falls on all of them.
"""

from __future__ import annotations

import argparse
import array
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import corpora, machine, report, result_files, summary, vocabularies
from benchmarks.definitions import TASKS, Case, Definitions, load_definitions
from benchmarks.engines import ENGINES
from benchmarks.workers import Worker, WorkerError, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INTERRUPTED = 130
_PIPED_WIDTH = 200
# What a sample says of the ids or tokens; the same in every sample.
_DIGESTS = ("digest", "unordered_digest", "n_tokens", "source")
_STATUS_OF_KIND = {"absent": "absent", "unsupported": "unsupported", "failed": "failed", "died": "failed"}

Row = dict[str, Any]


class Runner:
    """One run: the inputs on disk, the workers, the rows.

    Parameters
    ----------
    definitions : Definitions
        What is measured.
    engines : list of str
        Which engines, in the order of the tables.
    pythons : dict of str to str
        Engine -> interpreter, where it is not this one.
    scratch : Path
        Folder for inputs.
    """

    def __init__(self, definitions: Definitions, *, engines: list[str], pythons: dict[str, str], scratch: Path) -> None:
        self.definitions = definitions
        self.engines = engines
        self.about: dict[str, dict[str, Any]] = {}
        self._pythons = pythons
        self._scratch = scratch
        self._workers: dict[tuple[str, int], Worker] = {}
        self._loaded: dict[tuple[str, int, str], str] = {}
        self._inputs: dict[tuple[Any, ...], tuple[Path, int]] = {}
        self._corpora: dict[str, Any] = {}
        self._vocabularies: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def run_case(self, case: Case) -> list[Row]:
        """Measure a case with every engine that can; give a row an engine."""
        rows = {engine: self._empty_row(case, engine) for engine in self.engines}
        timed = {"load": self._load_case, "train": self._train_case}.get(case.task)
        if timed is not None:
            timed(case, rows)
        elif case.state == "cold":
            self._cold_case(case, rows)
        else:
            self._warm_case(case, rows)
        return list(rows.values())

    def _warm_case(self, case: Case, rows: dict[str, Row]) -> None:
        """Prepare all, compare ids, then take turns."""
        path, n_bytes = self._input(case)
        request = {"case": vars(case), "input": str(path), "sample_seconds": self.definitions.settings.sample_seconds}
        calls: dict[str, int] = {}
        for engine, row in rows.items():
            row["input_bytes"] = n_bytes
            with _failing(row):
                prepared = self._loaded_worker(case, engine).ask("prepare", **request)
                calls[engine] = prepared.pop("n_calls")
                row.update(prepared)
                row["status"] = summary.MEASURED
        self.refuse_different(case, rows)
        for engine in self.turns(rows):
            with _failing(rows[engine]):
                _add_sample(rows[engine], self._loaded_worker(case, engine).ask("measure", n_calls=calls[engine]))

    def _cold_case(self, case: Case, rows: dict[str, Row]) -> None:
        """Time the first call of a fresh process; the ids of that engine are compared afterwards."""
        path, n_bytes = self._input(case)
        vocabulary = self._vocabulary(case.vocabulary)

        def sample(worker: Worker) -> dict[str, Any]:
            worker.ask("load", vocabulary=vocabulary)
            return worker.ask("first", case=vars(case), input=str(path))

        self._sample_fresh(case, rows, n_bytes=n_bytes, sample=sample)
        self.refuse_different(case, rows)

    def _load_case(self, case: Case, rows: dict[str, Row]) -> None:
        """Time the load of a fresh process."""
        vocabulary = self._vocabulary(case.vocabulary)
        path = vocabulary["files"].get(case.source)
        n_bytes = Path(path).stat().st_size if path else 0

        def sample(worker: Worker) -> dict[str, Any]:
            return worker.ask("load", vocabulary=vocabulary, source=case.source)

        self._sample_fresh(case, rows, n_bytes=n_bytes, sample=sample)

    def _train_case(self, case: Case, rows: dict[str, Row]) -> None:
        """Time the training of a fresh process."""
        path, n_bytes = self._input(case)
        request = {"path": str(path), "vocab_size": case.vocab_size, "special_token": corpora.END_OF_DOCUMENT}

        def sample(worker: Worker) -> dict[str, Any]:
            return worker.ask("train", **request)

        self._sample_fresh(case, rows, n_bytes=n_bytes, sample=sample)

    def _sample_fresh(
        self, case: Case, rows: dict[str, Row], *, n_bytes: int, sample: Callable[[Worker], dict[str, Any]]
    ) -> None:
        """Take every sample of every engine in a process of its own."""
        for row in rows.values():
            row.update(input_bytes=n_bytes, status=summary.MEASURED)
        for engine in self.turns(rows):
            with _failing(rows[engine]), self._fresh_worker(case, engine) as worker:
                taken = sample(worker)
                _add_sample(rows[engine], taken)
                rows[engine].update({name: taken[name] for name in _DIGESTS if name in taken})

    def turns(self, rows: dict[str, Row]) -> Iterator[str]:
        """Give engines in turn, skipping those that dropped out."""
        for engine in turns(self.engines, self.definitions.settings.n_repeats):
            if rows[engine]["status"] == summary.MEASURED:
                yield engine

    def refuse_different(self, case: Case, rows: dict[str, Row]) -> None:
        """Drop engines whose ids are not the reference's; drop all when the reference has none."""
        reference = self.definitions.vocabularies[case.vocabulary]["reference"]
        expected = rows.get(reference)
        for engine, row in rows.items():
            if row["status"] != summary.MEASURED or engine == reference:
                continue
            if expected is None or expected["status"] != summary.MEASURED:
                row |= {"status": "unproven", "note": f"{reference} gave no ids to compare with"}
            elif row["digest"] != expected["digest"]:
                note = f"{row['n_tokens']} ids, {reference} has {expected['n_tokens']}"
                if case.state == "warm":
                    note += self._where_different(case, engine, reference)
                row |= {"status": "differs", "note": note}
            if row["status"] != summary.MEASURED:
                _drop_samples(row)

    def _where_different(self, case: Case, engine: str, reference: str) -> str:
        """Say where the ids of two engines part."""
        ids = []
        for name in (engine, reference):
            path = self._scratch / f"{name}.ids"
            try:
                self._loaded_worker(case, name).ask("ids", path=str(path))
            except WorkerError:
                return ""
            values = array.array("q")
            values.frombytes(path.read_bytes())
            ids.append(values)
        place = summary.first_difference(ids[0], ids[1])
        return "; the strings end elsewhere" if place is None else f"; the first difference is id {place}"

    def _empty_row(self, case: Case, engine: str) -> Row:
        reference = self.definitions.vocabularies[case.vocabulary]["reference"]
        return {"key": case.key, "engine": engine, "case": vars(case), "reference": reference, "status": "absent"}

    def _vocabulary(self, name: str) -> dict[str, Any]:
        """Give a vocabulary with its files, derived once."""
        if name not in self._vocabularies:
            entry = self.definitions.vocabularies[name]
            self._vocabularies[name] = vocabularies.resolve(
                entry, data=corpora.data_path(), scratch=self._scratch, name=name
            )
        return self._vocabularies[name]

    def _input(self, case: Case) -> tuple[Path, int]:
        """Cut the input of a case to a file, once; give its path and the bytes of UTF-8 in it."""
        identity = (case.task == "train", case.corpus, case.n_bytes, case.n_strings)
        if identity not in self._inputs:
            strings = corpora.cut_input(self.definitions.corpora, case, self._corpora)
            path = self._scratch / f"input-{len(self._inputs)}"
            if case.task == "train":
                path.write_bytes(corpora.join_documents(strings).encode())
            else:
                path.write_text(json.dumps(strings), encoding="utf-8")
            self._inputs[identity] = (path, sum(len(text.encode()) for text in strings))
        return self._inputs[identity]

    def _start(self, engine: str, n_threads: int) -> Worker:
        """Start a worker and remember what it says of itself."""
        if engine == "tokenizers-rc" and engine not in self._pythons:
            message = "no interpreter given: --python tokenizers-rc=PATH"
            raise WorkerError(message, kind="absent")
        worker = Worker(engine, n_threads=n_threads, python=self._pythons.get(engine))
        self.about[engine] = worker.about
        return worker

    def _loaded_worker(self, case: Case, engine: str) -> Worker:
        """Give the lasting worker of an engine, with the vocabulary of a case loaded."""
        place = (engine, case.n_threads)
        if place not in self._workers or not self._workers[place].is_alive:
            self._workers[place] = self._start(engine, case.n_threads)
            self._loaded = {key: value for key, value in self._loaded.items() if key[:2] != place}
        worker = self._workers[place]
        if (*place, case.vocabulary) not in self._loaded:
            answer = worker.ask("load", vocabulary=self._vocabulary(case.vocabulary))
            self._loaded[(*place, case.vocabulary)] = answer["source"]
        return worker

    def _fresh_worker(self, case: Case, engine: str) -> contextlib.closing[Worker]:
        return contextlib.closing(self._start(engine, case.n_threads))


@contextlib.contextmanager
def _failing(row: Row) -> Iterator[None]:
    """Turn a worker's error into the status of a row."""
    try:
        yield
    except WorkerError as error:
        row |= {"status": _STATUS_OF_KIND[error.kind], "note": str(error)}
        _drop_samples(row)


def _add_sample(row: Row, sample: dict[str, Any]) -> None:
    """Append a sample's times to a row."""
    row.setdefault("wall_seconds", []).append(sample["wall"])
    row.setdefault("cpu_seconds", []).append(sample["cpu"])
    for name in ("peak_bytes", "peak_bytes_before"):
        if name in sample:
            row.setdefault(name, []).append(sample[name])


def _drop_samples(row: Row) -> None:
    """Leave no times in a row that does not count."""
    for name in ("wall_seconds", "cpu_seconds", "peak_bytes", "peak_bytes_before"):
        row.pop(name, None)


def run_all(runner: Runner, tasks: list[str], console: Console) -> dict[str, dict[str, Any]]:
    """Run the cases of some tasks.

    Parameters
    ----------
    runner : Runner
    tasks : list of str
    console : rich.console.Console
        Where progress is shown.

    Returns
    -------
    dict of str to dict
        Task -> its run: when, commit, settings, versions and rows.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    cases = [case for case in runner.definitions.cases if case.task in tasks]
    runs: dict[str, dict[str, Any]] = {}
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(cases))
        for case in cases:
            progress.update(bar, description=case.key)
            if case.task not in runs:
                runs[case.task] = result_files.head() | {"rows": []}
            runs[case.task]["rows"].extend(runner.run_case(case))
            progress.advance(bar)
    for run in runs.values():
        run["settings"] = vars(runner.definitions.settings)
        run["engines"] = {name: about for name, about in runner.about.items() if name in runner.engines}
    return runs


def write_results(path: Path, runs: dict[str, dict[str, Any]]) -> None:
    """Replace the runs of the given tasks in a result file, keeping the other tasks' runs."""
    result_files.replace(path, "runs", runs, TASKS, is_sorted=True)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure merganser and its peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes, few repeats; results are shown, not kept")
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"comma-separated, of {', '.join(TASKS)}")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"comma-separated, of {', '.join(ENGINES)}")
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PATH", help="interpreter of an engine")
    parser.add_argument("--machine", help="name of the result file (default: processor, cores, system)")
    parser.add_argument("--output", type=Path, help="result file (default: benchmarks/results/MACHINE.json)")
    options = parser.parse_args(arguments)
    options.tasks = _names(parser, options.tasks, TASKS)
    options.engines = _names(parser, options.engines, ENGINES)
    options.pythons = {}
    for given in options.python:
        engine, found, path = given.partition("=")
        if engine not in ENGINES or not found:
            parser.error(f"--python takes ENGINE=PATH, got {given}")
        options.pythons[engine] = str(Path(path).absolute())  # resolving would leave the environment
    return options


def _names(parser: argparse.ArgumentParser, given: str, known: tuple[str, ...]) -> list[str]:
    """Split a comma-separated option, in the order of the tables."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            parser.error(f"unknown name {name}; choose from {', '.join(known)}")
    return [name for name in known if name in names]


def main(arguments: list[str] | None = None) -> int:
    """Run, show, and keep the results of a full run."""
    options = parse_arguments(arguments)
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    if not corpora.data_path().is_dir():
        console.print(f"no data at {corpora.data_path()}: set MERGANSER_DATA")
        return 1
    definitions = load_definitions(quick=options.quick)
    with tempfile.TemporaryDirectory(prefix="merganser-bench-") as scratch:
        runner = Runner(definitions, engines=options.engines, pythons=options.pythons, scratch=Path(scratch))
        try:
            runs = run_all(runner, options.tasks, console)
        except KeyboardInterrupt:
            console.print("interrupted: nothing was written")
            return _INTERRUPTED
        finally:
            runner.close()
    report.show(runs, console)
    is_whole = not options.quick and options.engines == list(ENGINES)
    name = options.machine or machine.machine_name(machine.describe_machine())
    path = options.output or (result_files.FOLDER / f"{name}.json" if is_whole else None)
    if path is None:
        console.print("not a full run of all engines: nothing kept (--output keeps it)")
    else:
        write_results(path, runs)
        console.print(f"results in {path}; now run python -m benchmarks.report")
    return 0


if __name__ == "__main__":
    sys.exit(main())
