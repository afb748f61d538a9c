"""The benchmark of the transformer, as far as it needs no other library: each task runs and gives what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.transformer import QUICK, SIZES, Ours, draw


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
