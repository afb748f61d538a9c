"""The gradients of a whole model against finite differences of its loss, in float64."""

import numpy as np
import pytest


def widen(params, factor=4.0):
    """Return parameters in float64, weights large enough for every path to matter."""
    return {
        name: array.astype(np.float64) * (1 if name.endswith("norm.weight") else factor)
        for name, array in params.items()
    }


def check_gradients(model, params, batch, *, step=1e-6, **options):
    """Move each parameter along a random direction, and compare the slope of the loss with its gradient."""
    loss, gradients = model.loss_and_gradients(params, batch, **options)
    assert loss.mean == pytest.approx(model.loss(params, batch, **options).mean, rel=1e-12)
    rng = np.random.default_rng(2)
    for name, array in params.items():
        direction = rng.standard_normal(array.shape)
        ends = [
            model.loss({**params, name: array + sign * step * direction}, batch, **options).mean for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        found = (gradients[name] * direction).sum() if name in gradients else 0.0
        assert found == pytest.approx(slope, rel=1e-5, abs=1e-8), name
    return gradients
