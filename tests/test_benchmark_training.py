"""The tables of the trainers' benchmark, and the run itself on little text."""

from __future__ import annotations

import argparse

from benchmarks import report, training, training_report


def make_row(engine, cpu, peak, digest="a", **quality):
    samples = [
        {
            "cpu": seconds,
            "wall": seconds / 2,
            "peak_bytes": peak * 1_000_000,
            "n_tokens": 1000,
            "digest": digest,
            "unordered_digest": digest.lower(),
            "phases": {"count": seconds / 4, "merge": seconds / 8},
        }
        for seconds in cpu
    ]
    return {"engine": engine, "samples": samples, "quality": quality}


def make_task(name, rows, n_bytes=10_000_000):
    about = {"started": "2020-02-02T00:00:00", "commit": "abc", "n_threads": 2, "n_repeats": 3, "load_average": 0.0}
    what = {"task": name, "method": "bpe-gpt2", "corpus": "english", "n_bytes": n_bytes, "vocab_size": 1000}
    return what | about | {"versions": {"merganser": "0.1.0"}, "rows": rows}


def test_table_sets_each_engine_beside_ours():
    task = make_task(
        "bpe-32k",
        [
            make_row("merganser", [1.0, 2.0, 3.0], 100, bytes_per_token=4.5),
            make_row("peer", [8.0], 150, bytes_per_token=4.25),
            make_row("tied", [2.0, 2.0], 50, digest="A"),
            {"engine": "slow", "samples": [{"error": "gave up after 60 s"}], "quality": {}},
        ],
    )
    head, ours, peer, tied, slow = training_report.table(task)
    assert head[:7] == ["engine", "CPU s", "wall s", "peak MB", "x CPU", "x memory", "tokens"]
    assert ours[:8] == ["merganser", "2.00 (1.00-3.00)", "1.00", "100", "1.00x", "1.00x", "1,000", "4.5000"]
    assert peer[:8] == ["peer", "8.00, once", "4.00", "150", "4.00x", "1.50x", "the same", "4.2500"]
    assert tied[6:] == ["the same, ordered otherwise", "-", "-", "-"]
    assert slow == ["slow", "gave up after 60 s", *["-"] * 8]
    assert len(training_report.table(make_task("word-1M", task["rows"][3:]))[0]) == 7


def test_growth_is_a_line_a_size():
    tasks = [make_task(f"growth-{n}", [make_row("merganser", [n, n], n)], n * 1_000_000) for n in (10, 100)]
    head, first, second = training_report.growth(tasks)
    assert head == ["text", "CPU s", "wall s", "count, wall s", "merge, wall s", "peak MB"]
    assert first == ["10 MB", "10.00", "5.00", "2.50", "1.25", "10"]
    assert second == ["100 MB", "100.00", "50.00", "25.00", "12.50", "100"]
    document = {"machine": {"cpu": "some", "cores": 2}, "tasks": {task["task"]: task for task in tasks}}
    section = report.training_section([document])
    assert section.count("####") == 1
    assert "growth-10, growth-100: 2020-02-02, commit abc" in section


def test_a_run_trains_ours():
    """The subject alone on text that needs no data; as a child process, as in a run."""
    task = next(task for task in training.TASKS if task.name == "word-1M")
    options = argparse.Namespace(engines="merganser", threads=1, repeats=2, scale=0.01)
    (row,) = training._run(task, options)["rows"]
    assert [sample["n_tokens"] for sample in row["samples"]] == [1024, 1024]
    assert row["samples"][0]["digest"] == row["samples"][1]["digest"]
    assert row["samples"][0]["phases"].keys() >= {"count", "merge"}
    assert row["quality"] == {}
