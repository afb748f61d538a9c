"""Every operation with its kernel gives what it gives in NumPy alone, and the kernels are used."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser import _core
from merganser.transformer import Adam, AdamW, kernels, ops
from merganser.transformer.batch import IGNORED
from merganser.transformer.mask import AttentionMask

WIDTHS = st.integers(1, 300)
N_ROWS = st.integers(1, 9)
SCALES = st.sampled_from([1e-3, 1.0, 30.0])
MASKS = {
    "none": lambda _: AttentionMask(),
    "causal": lambda _: AttentionMask(is_causal=True),
    "later": lambda _: AttentionMask(is_causal=True, first_query=3),
    "keys": lambda rng: AttentionMask(keys=rng.random((2, 40)) < 0.3),
    "segments": lambda rng: AttentionMask(is_causal=True, segments=np.sort(rng.integers(0, 4, (2, 40)))),
}


@pytest.fixture(autouse=True, scope="module")
def _kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "IS_ENABLED", True)
        yield


def draw(*shape, scale=1.0):
    return (np.random.default_rng([9, *shape]).standard_normal(shape) * scale).astype(np.float32)


def both(function):
    """Return what a function gives by kernels and in NumPy alone, and the names of the kernels that it used."""
    used, kernel = set(), kernels.kernel

    def spy(name, *arrays):
        found = kernel(name, *arrays)
        used.update([name] if found else [])
        return found

    with pytest.MonkeyPatch.context() as patch:
        for module in (ops.activation, ops.norm, ops.softmax):
            patch.setattr(module, "kernel", spy)
        by_kernel, used_so_far = function(), used.copy()
        patch.setattr(kernels, "IS_ENABLED", False)
        by_numpy = function()
    assert used == used_so_far
    return by_kernel, by_numpy, used


def assert_close(found, expected, tolerance=2e-6):
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu"])
@given(n_rows=N_ROWS, width=WIDTHS, scale=SCALES)
@settings(deadline=None, max_examples=40)
def test_activations(name, n_rows, width, scale):
    x, d_out = draw(n_rows, width, scale=scale), draw(width, n_rows).T

    def run():
        out, cache = getattr(ops, f"{name}_forward")(x)
        return out, getattr(ops, f"{name}_backward")(d_out, cache)

    by_kernel, by_numpy, used = both(run)
    assert_close(by_kernel, by_numpy)
    assert used == {"activation_forward", "activation_backward"}


@pytest.mark.parametrize("name", ["layer", "rms"])
@given(n_rows=N_ROWS, width=WIDTHS, scale=SCALES)
@settings(deadline=None, max_examples=40)
def test_norms(name, n_rows, width, scale):
    x, weight, bias, d_out = draw(n_rows, width, scale=scale), draw(width), draw(width, 1)[:, 0], draw(width, n_rows).T

    def run():
        if name == "layer":
            out, cache = ops.layer_norm_forward(x, weight, bias.copy(), 1e-3)
            return out, *ops.layer_norm_backward(np.ascontiguousarray(d_out), cache)
        out, cache = ops.rms_norm_forward(x, weight, 1e-3)
        return out, *ops.rms_norm_backward(np.ascontiguousarray(d_out), cache)

    by_kernel, by_numpy, used = both(run)
    assert_close(by_kernel, by_numpy, 1e-5)
    assert used == {"norm_forward", "norm_backward"}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize(
    # Segments are those of queries and keys alike.
    ("name", "n_queries"),
    [(name, n_queries) for name in MASKS for n_queries in (1, 7, 40) if name != "segments" or n_queries == 40],
)
def test_attention(name, n_queries, is_recorded, dropout, monkeypatch):
    monkeypatch.setattr(ops.attention, "_BLOCK_QUERIES", 16)
    mask = MASKS[name](np.random.default_rng(n_queries))
    q, k, v, bias = (
        draw(2, n_queries, 3, 8),
        draw(2, 40, 3, 8),
        draw(2, 40, 8, 3).swapaxes(2, 3),
        draw(3, n_queries, 40),
    )

    def run():
        rng = np.random.default_rng(1)
        out, cache = ops.attention_forward(
            q, k, v, mask, scale=0.6, bias=bias, dropout=dropout, rng=rng, is_recorded=is_recorded
        )
        return out.copy(), *ops.attention_backward(draw(*out.shape), cache)

    by_kernel, by_numpy, used = both(run)
    assert_close(by_kernel, by_numpy, 1e-5)
    assert used == {"exponentials", "d_scores"}


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@given(n_rows=N_ROWS, vocab_size=st.integers(2, 300), scale=SCALES)
@settings(deadline=None, max_examples=40)
def test_cross_entropy(label_smoothing, n_rows, vocab_size, scale):
    x, weight, bias = draw(n_rows, 8, scale=scale), draw(vocab_size, 8), draw(vocab_size, 1)[:, 0].copy()
    targets = np.random.default_rng(vocab_size).integers(0, vocab_size, n_rows)
    targets[::3] = IGNORED

    def run():
        loss, cache = ops.linear_cross_entropy_forward(
            x, weight, bias, targets, label_smoothing=label_smoothing, scale=0.5
        )
        other, plain = ops.cross_entropy_forward(x @ weight.T, targets, label_smoothing=label_smoothing)
        return loss, *ops.linear_cross_entropy_backward(1.0, cache), other, ops.cross_entropy_backward(0.5, plain)

    by_kernel, by_numpy, used = both(run)
    assert_close(by_kernel, by_numpy, 1e-5)
    assert "exponentials" in used or (targets == IGNORED).all()


@pytest.mark.parametrize(
    "optimizer", [Adam(), Adam(beta1=0.0, weight_decay=0.1), AdamW(weight_decay=0.3, decays_vectors=True)]
)
def test_updates_are_equal_to_the_bit(optimizer, monkeypatch):
    found = []
    for is_enabled in (True, False):
        monkeypatch.setattr(kernels, "IS_ENABLED", is_enabled)
        params = {"matrix": draw(37, 41), "vector": draw(5), "none": draw(0, 3)}
        moments = optimizer.start(params)
        for step in range(4):
            gradients = {name: draw(*array.shape, scale=10.0**step) for name, array in params.items()}
            optimizer.update(params, gradients, moments, step=step, rate=0.01, gradient_scale=0.7)
        found.append(copy.deepcopy((params, moments.first, moments.second)))
    for one, other in zip(*found, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_infinities_and_nans_become_what_numpy_makes_of_them():
    scores = np.array([[[0, -np.inf, 2], [-np.inf] * 3, [np.nan, 1, 2], [np.inf, 1, 2]]], np.float32)

    def run():
        powers = scores.copy()
        with np.errstate(invalid="ignore"):
            sums, _ = ops.softmax.exponentials(powers)
        return powers, sums

    by_kernel, by_numpy, _ = both(run)
    powers, sums = by_kernel
    np.testing.assert_allclose(powers[0, :2], by_numpy[0][0, :2], rtol=1e-6)
    assert (sums[0, 1], powers[0, 1].tolist()) == (0, [0, 0, 0])
    for _, sums in (by_kernel, by_numpy):
        assert np.isnan(sums[0, 2:]).all()
    x = np.array([np.nan, np.inf, 1e30, -1e30], np.float32)
    for name in ("gelu", "gelu_tanh", "silu"):
        out, _ = getattr(ops, f"{name}_forward")(x)
        np.testing.assert_array_equal(out, np.array([np.nan, np.inf, 1e30, 0], np.float32))


def test_kernels_are_for_contiguous_float32(monkeypatch):
    x = draw(4, 6)
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(4, 6)
    assert kernels.kernel("exponentials", x) is _core.exponentials
    for array in (x.astype(np.float64), x.T, x[:, ::2], unaligned):
        assert kernels.kernel("exponentials", x, array) is None
    monkeypatch.setattr(kernels, "IS_ENABLED", False)
    assert kernels.kernel("exponentials", x) is None


def test_an_extension_without_kernels_leaves_all_to_numpy(monkeypatch):
    x, weight, few = draw(3, 512), draw(512, 512), draw(4, 512)
    expected = ops.gelu_forward(x)[0], ops.linear_forward(few, weight, None)[0]
    monkeypatch.setattr(kernels, "_core", object())
    assert kernels.kernel("activation_forward", x) is None
    assert_close((ops.gelu_forward(x)[0], ops.linear_forward(few, weight, None)[0]), expected, 1e-5)
