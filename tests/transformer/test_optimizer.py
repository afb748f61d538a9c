"""Adam and AdamW against the published algorithm written out in plain float64, and clipping."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from merganser.errors import ConfigError
from merganser.transformer import Adam, AdamW, ParameterGroup
from merganser.transformer.optimizer import PIECE, clip_by_global_norm, global_norm


def naive_updates(param, gradients, *, rate, beta1, beta2, epsilon, decay, is_decoupled):
    """Algorithm 2 of Loshchilov and Hutter, a number at a time."""
    param = param.astype(np.float64).copy()
    first, second = np.zeros_like(param), np.zeros_like(param)
    for step, given in enumerate(gradients, 1):
        gradient = given.astype(np.float64) + (0.0 if is_decoupled else decay * param)
        if is_decoupled:
            param -= rate * decay * param
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        corrected = first / (1 - beta1**step), second / (1 - beta2**step)
        param -= rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
    return param


def run(optimizer, param, gradients, rate, **options):
    params = {"w": param.copy()}
    moments = optimizer.start(params)
    for step, gradient in enumerate(gradients):
        optimizer.update(params, {"w": gradient}, moments, step=step, rate=rate, **options)
    return params["w"]


@pytest.mark.parametrize("kind", [Adam, AdamW])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_update_matches_naive(kind, decay):
    rng = np.random.default_rng(0)
    # Longer than a piece, and no multiple of it.
    param = rng.standard_normal((2, PIECE + 5), dtype=np.float32)
    scales = 10.0 ** rng.uniform(-6, 1, size=param.shape)
    gradients = [(rng.standard_normal(param.shape) * scales).astype(np.float32) for _ in range(8)]
    got = run(kind(beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=decay), param, gradients, 0.01)
    expected = naive_updates(
        param, gradients, rate=0.01, beta1=0.8, beta2=0.95, epsilon=1e-6, decay=decay, is_decoupled=kind is AdamW
    )
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-6)


def test_first_update_is_the_rate_in_the_direction_of_the_gradient():
    # Worked by hand: m/(1-b1) = g and sqrt(v/(1-b2)) = |g|, so the step is rate * g / (|g| + epsilon).
    got = run(
        AdamW(weight_decay=0.0, epsilon=0.5),
        np.array([[1.0, 1.0]], np.float32),
        [np.array([[2.0, -0.5]], np.float32)],
        0.1,
    )
    np.testing.assert_allclose(got, [[1 - 0.1 * 2 / 2.5, 1 + 0.1 * 0.5 / 1.0]], rtol=1e-6)


def test_weight_decay_spares_vectors_unless_asked():
    zeros = {"w": np.zeros((1, 1), np.float32), "b": np.zeros(1, np.float32)}
    for optimizer, expected in ((AdamW(weight_decay=0.5), 1.0), (AdamW(weight_decay=0.5, decays_vectors=True), 0.95)):
        params = {name: array + 1 for name, array in zeros.items()}
        optimizer.update(params, zeros, optimizer.start(params), step=0, rate=0.1)
        assert params["w"].item() == pytest.approx(0.95)
        assert params["b"].item() == pytest.approx(expected)


def test_groups_give_decay_and_rate_by_name_and_the_first_match_wins():
    groups = (ParameterGroup(r"frozen.*", rate_scale=0.0), ParameterGroup(r".*slow", weight_decay=0.0, rate_scale=0.5))
    optimizer = AdamW(weight_decay=0.5, groups=groups)
    params = {name: np.ones((1, 1), np.float32) for name in ("frozen.slow", "a.slow", "a")}
    gradients = {name: np.ones((1, 1), np.float32) for name in params}
    optimizer.update(params, gradients, optimizer.start(params), step=0, rate=0.1)
    assert params["frozen.slow"].item() == 1.0
    assert params["a.slow"].item() == pytest.approx(0.95)
    assert params["a"].item() == pytest.approx(0.95 - 0.1)


def test_group_that_matches_nothing_is_refused():
    params = {"token_embedding.weight": np.ones((2, 2), np.float32)}
    optimizer = AdamW(groups=(ParameterGroup(".*weight"), ParameterGroup("token_embeding.*", rate_scale=0.0)))
    with pytest.raises(ConfigError, match=r"'token_embeding\.\*' of groups matches no parameter"):
        optimizer.start(params)


def test_parameter_without_gradient_stays_as_it_is():
    params = {"a": np.ones((1, 1), np.float32), "b": np.ones((1, 1), np.float32)}
    optimizer = AdamW(weight_decay=0.5)
    optimizer.update(params, {"a": params["a"].copy()}, optimizer.start(params), step=0, rate=0.1)
    assert params["b"].item() == 1.0
    assert params["a"].item() != 1.0


def test_gradient_scale_equals_scaled_gradients():
    rng = np.random.default_rng(1)
    param, gradient = rng.standard_normal((2, 5, 7)).astype(np.float32)
    scaled = run(AdamW(), param, [gradient * np.float32(0.25)] * 3, 0.1)
    np.testing.assert_array_equal(run(AdamW(), param, [gradient] * 3, 0.1, gradient_scale=0.25), scaled)


def test_global_norm_is_that_of_one_long_vector():
    gradients = {"a": np.full((2, 2), 2.0, np.float32), "b": np.array([3.0], np.float32)}
    assert global_norm(gradients) == pytest.approx(5.0)
    factor, norm = clip_by_global_norm(gradients, 2.0)
    assert (round(factor, 5), norm) == (0.4, pytest.approx(5.0))
    assert clip_by_global_norm(gradients, 6.0)[0] == 1.0


def test_global_norm_does_not_overflow_where_only_the_square_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert global_norm({"a": np.full(4, 1e30, np.float32)}) == pytest.approx(2e30)
        assert math.isinf(global_norm({"a": np.array([np.inf], np.float32)}))
        assert math.isnan(global_norm({"a": np.array([np.nan, 1.0], np.float32)}))


def test_bad_settings_are_refused_by_name():
    for name, value in (("beta1", 1.0), ("beta2", -0.1), ("epsilon", 0.0), ("weight_decay", -1.0)):
        with pytest.raises(ConfigError, match=name):
            AdamW(**{name: value})
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="weight_decay must be finite and not negative"):
            AdamW(weight_decay=value)
        for name in ("weight_decay", "rate_scale"):
            with pytest.raises(ConfigError, match=f"{name} must be finite and not negative"):
                ParameterGroup(".*", **{name: value})
    with pytest.raises(ConfigError, match="epsilon must be finite and positive"):
        AdamW(epsilon=math.inf)
    with pytest.raises(ConfigError, match="regular expression"):
        ParameterGroup("(")
    with pytest.raises(ConfigError, match="gradient of w"):
        run(AdamW(), np.ones((2, 2), np.float32), [np.ones((2, 3), np.float32)], 0.1)
    with pytest.raises(ConfigError, match="contiguous"):
        optimizer, params = AdamW(), {"w": np.ones((2, 3), np.float32).T}
        optimizer.update(params, params, optimizer.start(params), step=0, rate=0.1)


def test_threads_change_no_number():
    rng = np.random.default_rng(4)
    shapes = {"w": (700, 1000), "b": (1000,), "none": (3, 3)}
    results = []
    start = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    gradients = {name: rng.standard_normal(start[name].shape).astype(np.float32) for name in ("w", "b")}
    for n_threads in (1, 2, 3):
        params = {name: array.copy() for name, array in start.items()}
        optimizer = AdamW()
        moments = optimizer.start(params)
        for step in range(2):
            optimizer.update(params, gradients, moments, step=step, rate=0.1, n_threads=n_threads)
        results.append((params, moments.first, moments.second))
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            assert all(np.array_equal(one[name], same[name]) for name in shapes)
    assert not np.array_equal(results[0][0]["w"], start["w"])
