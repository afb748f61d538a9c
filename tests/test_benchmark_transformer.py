"""The benchmark of the transformer, as far as it needs no other library: each task runs and gives what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import report, result_files, transformer_report
from benchmarks.transformer import QUICK, SIZES, engines_of
from benchmarks.transformer_engines import WEIGHTS, Functional, Ours, build, draw
from merganser.transformer.tensor_file import write_tensors


@pytest.mark.parametrize("task", SIZES)
def test_task_runs_and_repeats(task):
    subject = Ours(task, QUICK, n_threads=1, folder="")
    first, second = subject.run(), subject.run()
    assert np.isfinite(first).all()
    if task.endswith("-step"):
        # The same batch again: the loss has fallen.
        assert second[0] < first[0]
        assert abs(first[0] - np.log(QUICK["vocab"])) < 1
    else:
        assert second == first
    if task.startswith("generate"):
        assert len(first) == QUICK["rows"] * QUICK["new"]


def test_both_engines_draw_the_same_ids():
    np.testing.assert_array_equal(draw(QUICK), draw(QUICK))
    assert draw(QUICK).max() < QUICK["vocab"] - 1


def test_reference_step_is_ours_in_other_functions(tmp_path):
    """What jax and autograd run, here with NumPy itself: the loss, and the update with gradients of ours."""
    model, params = build(QUICK, "gpt-step")
    write_tensors(tmp_path / WEIGHTS, params)
    reference = Functional(np, "gpt-step", QUICK, str(tmp_path))
    ours = Ours("gpt-step", QUICK, n_threads=1, folder="")
    _, gradients = model.loss_and_gradients(params, ours.batch)
    assert reference.loss(reference.params) == pytest.approx(ours.run()[0], rel=1e-5)
    updated, _ = reference.update(reference.params, reference.moments, gradients, 1)
    for name, array in ours.state.params.items():
        np.testing.assert_allclose(updated[name], array, atol=1e-6, err_msg=name)


def test_references_do_the_gpt_step_only(tmp_path):
    with pytest.raises(ValueError, match="gpt-step, got generate-1"):
        Functional(np, "generate-1", QUICK, str(tmp_path))
    assert engines_of("generate-1") == ["merganser", "NumPy alone", "torch"]


def make_row(seconds, peak_mb):
    return {
        "seconds_median": seconds,
        "seconds_min": seconds - 0.1,
        "seconds_max": seconds + 0.1,
        "cpu_seconds_median": 2 * seconds,
        "peak_mb": peak_mb,
    }


def make_result(task, engines):
    return {
        "task": task,
        "size": SIZES[task],
        "n_threads": 2,
        "n_repeats": 7,
        "started": "2020-02-02T00:00:00+00:00",
        "commit": "abc",
        "load_average": 0.25,
        "versions": {"torch": "9.9", "merganser": "0.1.0"},
        "engines": engines,
    }


def test_table_has_a_line_a_task_with_ratios_to_torch():
    both = {"merganser": make_row(1.0, 300), "torch": make_row(1.5, 1200)}
    tasks = {
        "gpt-step": make_result("gpt-step", both | {"NumPy alone": make_row(1.2, 301), "jax": make_row(2.0, 900)}),
        "pair-step": make_result("pair-step", both),
    }
    head, first, second = transformer_report.table({"tasks": tasks})
    engines = ["merganser, ms", "torch, ms", "NumPy alone, ms", "jax, ms"]
    assert head == ["task", *engines, "x torch (NumPy alone)", "peak MB", "of torch's memory"]
    assert first == [
        "gpt-step: 4 layers of 256, 8 x 256 tokens, V 8,192",
        "1,000 (900-1,100), 2,000 CPU",
        "1,500 (1,400-1,600), 3,000 CPU",
        "1,200 (1,100-1,300), 2,400 CPU",
        "2,000 (1,900-2,100), 4,000 CPU",
        "1.50x (1.25x)",
        "300 / 1,200 / 301 / 900",
        "0.25",
    ]
    assert second[0] == "pair-step: 6 + 6 layers of 512, 16 x 64 + 64 tokens, V 32,000"
    assert second[3:6] == ["-", "-", "1.50x"]
    assert result_files.describe({"tasks": tasks}) == (
        "- gpt-step, pair-step: 2020-02-02, commit abc, 2 threads, 7 repeats, load average 0.2 at the start; "
        "merganser 0.1.0, torch 9.9."
    )
    assert "1.50x torch, memory 0.25" in transformer_report.line(tasks["gpt-step"])
    assert "not timed: bad" in transformer_report.line({"task": "gpt-step", "error": "bad"})


def test_results_of_some_tasks_keep_the_others(tmp_path):
    path = tmp_path / "folder" / "machine.json"
    engines = {"merganser": make_row(1.0, 300), "torch": make_row(1.5, 1200)}
    result_files.write(path, [make_result("generate-1", engines), make_result("gpt-step", engines)], SIZES)
    result_files.write(path, [make_result("generate-1", engines | {"torch": make_row(3.0, 1200)})], SIZES)
    tasks = json.loads(path.read_text())["tasks"]
    assert {name: transformer_report.speed(task) for name, task in tasks.items()} == {"gpt-step": 1.5, "generate-1": 3}
    assert [other.name for other in path.parent.iterdir()] == ["machine.json"]
    document = json.loads(path.read_text())
    assert "generate-1: 12 layers of 768" in report.transformer_section([document])
