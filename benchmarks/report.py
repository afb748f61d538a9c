"""Tables from results: ``python -m benchmarks.report``, and ``--check`` to see that they are current.

Everything between the markers is generated; a number in a README that no result
file holds cannot stay there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks import loading_report, result_files, summary, training_report, transformer_report
from benchmarks.definitions import load_definitions
from benchmarks.engines import ENGINES
from benchmarks.summary import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BEGIN = "<!-- benchmarks:begin -->"
END = "<!-- benchmarks:end -->"

_FOLDER = Path(__file__).resolve().parent
_MEGA = 1_000_000
_KILO = 1000
# Above this the cell says how many threads ran.
_ONE_THREAD = 1.1

Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]

# Title, unit, and the rows that belong to a table, in the order shown.
_TABLES: tuple[tuple[str, str, Callable[[dict[str, Any]], bool]], ...] = (
    ("One string to a list", "MB/s", lambda c: c["group"] == "single" and c["form"] == "list"),
    ("One string to the engine's fastest form", "MB/s", lambda c: c["group"] == "single" and c["form"] == "native"),
    ("Batch of documents to the engine's fastest form", "MB/s", lambda c: c["group"] == "batch"),
    ("First call of a fresh process", "MB/s", lambda c: c["group"] == "cold"),
    ("Worst case: one character over and over, first call", "MB/s", lambda c: c["group"] == "worst"),
    ("Decode: a list of ids to a string", "MB/s", lambda c: c["task"] == "decode"),
    ("Load: file to the ids of one word", "ms", lambda c: c["task"] == "load"),
)


def group_rows(rows: Iterable[Row]) -> Rows:
    """Join rows: case key -> engine -> row, in the order of the run."""
    grouped: Rows = {}
    for row in rows:
        grouped.setdefault(row["key"], {})[row["engine"]] = row
    return grouped


def size_label(n_bytes: int) -> str:
    """Write a size: 64 B, 4 kB, 1 MB."""
    for unit, name in ((_MEGA, "MB"), (_KILO, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:g} {name}"
    return f"{n_bytes} B"


def case_label(case: dict[str, Any]) -> str:
    """Write what a row is about: vocabulary, corpus, size, source, threads."""
    parts = [case["vocabulary"], case["corpus"]]
    if case["n_bytes"]:
        count = f"{case['n_strings']} x " if case["n_strings"] > 1 else ""
        parts.append(count + size_label(case["n_bytes"]))
    parts.append(case["source"])
    if case["n_threads"] > 1:
        parts.append(f"{case['n_threads']} threads")
    return " ".join(part for part in parts if part)


def number(value: float) -> str:
    """Write a number with three figures or more."""
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if value >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3g}"


def cell(row: Row | None, unit: str) -> str:
    """Write median and extremes of a row, or why there is none."""
    if row is None or row["status"] in {"absent", "unsupported"}:
        return "-"
    if not summary.is_measured(row):
        return "ids differ" if row["status"] == "differs" else str(row["status"])
    if unit == "MB/s":
        values = summary.speed(row)
    else:
        seconds = summary.spread(row["wall_seconds"])
        scale = 1e3 if unit == "ms" else 1.0
        values = summary.Spread(seconds.median * scale, seconds.low * scale, seconds.high * scale)
    text = f"{number(values.median)} ({number(values.low)}-{number(values.high)})"
    threads = summary.threads_used(row)
    return f"{text}, {threads:.1f} CPU" if row["case"]["n_threads"] > 1 or threads > _ONE_THREAD else text


def ratio_cell(row: Row | None, peer: Row | None) -> str:
    """Write how many times faster the subject is."""
    value = summary.ratio(row, peer)
    return "-" if value is None else f"{number(value)}x"


def engines_of(grouped: Rows, keys: list[str]) -> list[str]:
    """Give the engines that have something to show in some rows."""
    silent = {"absent", "unsupported"}
    return [
        engine
        for engine in ENGINES
        if any(engine in grouped[key] and grouped[key][engine]["status"] not in silent for key in keys)
    ]


def table(grouped: Rows, keys: list[str], unit: str | Callable[[dict[str, Any]], str]) -> list[list[str]]:
    """Make a table: a head and a line a case, engines first, then the subject's ratios.

    Parameters
    ----------
    grouped : dict
        Case key -> engine -> row.
    keys : list of str
        Cases to show.
    unit : str or callable
        "MB/s", "ms" or "s"; a callable gives that of a case, and the label states it.

    Returns
    -------
    list of list of str
    """
    engines = engines_of(grouped, keys)
    peers = [engine for engine in engines if engine != SUBJECT] if SUBJECT in engines else []
    lines = [["input", *engines, *(f"x {peer}" for peer in peers)]]
    for key in keys:
        rows = grouped[key]
        case = next(iter(rows.values()))["case"]
        of_case = unit(case) if callable(unit) else unit
        label = f"{case['group']}: {case_label(case)}, {of_case}" if callable(unit) else case_label(case)
        ratios = [ratio_cell(rows.get(SUBJECT), rows.get(peer)) for peer in peers]
        lines.append([label, *(cell(rows.get(engine), of_case) for engine in engines), *ratios])
    return lines


def train_table(grouped: Rows, keys: list[str]) -> list[list[str]]:
    """Make the table of training: an engine a line, with memory and whether the tokens are those of tokenizers."""
    lines = [["input", "engine", "wall s", "CPU s", "peak MB", "tokens", f"x {SUBJECT}'s wall"]]
    for key in keys:
        rows = grouped[key]
        reference = rows.get("tokenizers")
        for engine, row in rows.items():
            if not summary.is_measured(row):
                continue
            cpu = summary.spread(row["cpu_seconds"])
            peak = max(row["peak_bytes"]) / _MEGA
            slower = summary.ratio(rows.get(SUBJECT), row)
            lines.append(
                [
                    f"{case_label(row['case'])}, {row['case']['vocab_size']} tokens",
                    engine,
                    cell(row, "s").split(",")[0],
                    number(cpu.median),
                    number(peak),
                    _same_tokens(row, reference),
                    "-" if slower is None else f"{number(slower)}x",
                ]
            )
    return lines


def _same_tokens(row: Row, reference: Row | None) -> str:
    """Say how trained tokens stand to those of tokenizers."""
    if row["engine"] == "sentencepiece":
        return "another algorithm"
    if not summary.is_measured(reference):
        return "not compared"
    if row["digest"] == reference["digest"]:
        return "same as tokenizers"
    return "same, ties ordered otherwise" if row["unordered_digest"] == reference["unordered_digest"] else "others"


def sections(runs: dict[str, dict[str, Any]]) -> list[tuple[str, list[list[str]]]]:
    """Give all tables of some runs: title, lines. Vocabularies of different libraries stand apart."""
    grouped = group_rows(row for run in runs.values() for row in run["rows"])
    any_row = {key: next(iter(rows.values())) for key, rows in grouped.items()}
    references = dict.fromkeys(row["reference"] for row in any_row.values())
    found = []
    for title, unit, belongs in _TABLES:
        for reference in references:
            keys = [key for key, row in any_row.items() if belongs(row["case"]) and row["reference"] == reference]
            if engines_of(grouped, keys):
                name = f"{title}, ids as {reference}'s ({unit})" if unit == "MB/s" else f"{title} ({unit})"
                found.append((name, table(grouped, keys, unit)))
    keys = [key for key, row in any_row.items() if row["case"]["task"] == "train"]
    if keys:
        found.append(("Train byte-level BPE", train_table(grouped, keys)))
    return found


def markdown(lines: list[list[str]]) -> str:
    """Write a table in Markdown, numbers to the right."""
    rule = ["---", *("---:" for _ in lines[0][1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def describe(document: dict[str, Any]) -> str:
    """Write what a result file was measured on and with."""
    about = document["machine"]
    head = f"{_machine(document)}, {about['memory_bytes'] / 2**30:.0f} GiB, {about['system']}"
    told = {}
    for task, run in document["runs"].items():
        versions = [(name, engine["version"]) for name, engine in run["engines"].items()]
        told[task] = result_files.told(run, f"{run['settings']['n_repeats']} repeats", versions)
    return f"{head}, Python {about['python']}.\n\n{result_files.listed(told)}"


def refusals(document: dict[str, Any]) -> str:
    """List the rows that were refused or failed, with the reason."""
    found = [
        f"- {row['engine']}, {case_label(row['case'])} ({row['case']['group']}): {row['status']}: {row.get('note', '')}"
        for run in document["runs"].values()
        for row in run["rows"]
        if row["status"] in {"differs", "failed", "unproven"}
    ]
    return "\n".join(["Not timed:", "", *found]) if found else ""


def full_report(documents: list[dict[str, Any]]) -> str:
    """Write all tables of all machines."""
    parts = []
    for document in documents:
        parts += [f"### {_machine(document)}", describe(document)]
        for title, lines in sections(document["runs"]):
            parts += [f"#### {title}", markdown(lines)]
        parts.append(refusals(document))
    return "\n\n".join(part for part in parts if part)


def training_section(documents: list[dict[str, Any]]) -> str:
    """Write the trainers' tables of each machine."""
    return _section("The trainers", documents, _training_parts)


def loading_section(documents: list[dict[str, Any]]) -> str:
    """Write the table of loading published models of each machine."""
    return _section("Published models", documents, lambda document: [markdown(loading_report.table(document))])


def transformer_section(documents: list[dict[str, Any]]) -> str:
    """Write the transformer's table of each machine."""
    return _section("The transformer", documents, lambda document: [markdown(transformer_report.table(document))])


def _section(title: str, documents: list[dict[str, Any]], parts_of: Callable[[dict[str, Any]], Iterable[str]]) -> str:
    """Write a part of the report for each machine: a heading, the parts of its document, what that was measured on."""
    parts = []
    for document in documents:
        parts += [f"### {title}, {_machine(document)}", *parts_of(document), result_files.describe(document)]
    return "\n\n".join(parts)


def _machine(document: dict[str, Any]) -> str:
    return f"{document['machine']['cpu']}, {document['machine']['cores']} cores"


def _training_parts(document: dict[str, Any]) -> Iterator[str]:
    tasks = document["tasks"].values()
    growing = [task for task in tasks if task["task"].startswith("growth")]
    for task in tasks:
        if task not in growing:
            yield f"#### {training_report.title(task)}"
            yield markdown(training_report.table(task))
    if growing:
        yield f"#### growth: {growing[0]['method']}, {growing[0]['corpus']}, {growing[0]['vocab_size']:,} tokens"
        yield markdown(training_report.growth(growing))


def short_report(documents: list[dict[str, Any]], keys: tuple[str, ...]) -> str:
    """Write the chosen cases of each machine."""
    parts = []
    for document in documents:
        grouped = group_rows(row for run in document["runs"].values() for row in run["rows"])
        shown = [key for key in keys if key in grouped]
        if shown:
            parts += [markdown(table(grouped, shown, _unit)), describe(document)]
    return "\n\n".join(parts)


def _unit(case: dict[str, Any]) -> str:
    return {"load": "ms", "train": "s"}.get(case["task"], "MB/s")


def replace_between(text: str, body: str) -> str:
    """Put a body between the markers of a text.

    Raises
    ------
    ValueError
        If the text does not hold each marker once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        message = f"the file must hold {BEGIN} and then {END}, once each"
        raise ValueError(message)
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{body}\n{END}{tail}"


def show(runs: dict[str, dict[str, Any]], console: Console) -> None:
    """Print all tables of some runs."""
    for title, lines in sections(runs):
        shown = Table(title=title, title_justify="left", header_style="bold")
        shown.add_column(lines[0][0])
        for name in lines[0][1:]:
            shown.add_column(name, justify="right")
        for line in lines[1:]:
            shown.add_row(*line)
        console.print(shown)
    console.print(refusals({"runs": runs}))


def update(path: Path, body: str, *, is_check: bool) -> bool:
    """Write the generated part of a file, or only look; give whether it was current."""
    text = path.read_text(encoding="utf-8")
    new = replace_between(text, body)
    if new != text and not is_check:
        path.write_text(new, encoding="utf-8")
    return new == text


def main(arguments: list[str] | None = None) -> int:
    """Bring the READMEs up to date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description="Generate the tables.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is stale")
    options = parser.parse_args(arguments)
    console = Console()
    documents = result_files.read_all(result_files.FOLDER)
    parts = [
        full_report(documents),
        training_section(result_files.read_all(result_files.FOLDER / "training")),
        loading_section(result_files.read_all(result_files.FOLDER / "loading")),
        transformer_section(result_files.read_all(result_files.FOLDER / "transformer")),
    ]
    bodies = {
        _FOLDER / "README.md": "\n\n".join(part for part in parts if part),
        _FOLDER.parent / "README.md": short_report(documents, load_definitions().summary),
    }
    is_stale = False
    for path, body in bodies.items():
        if not path.exists() or BEGIN not in path.read_text(encoding="utf-8"):
            console.print(f"{path}: no markers, left alone")
        elif not update(path, body, is_check=options.check):
            is_stale = True
            console.print(f"{path}: {'stale' if options.check else 'updated'}")
    return 1 if options.check and is_stale else 0


if __name__ == "__main__":
    sys.exit(main())
