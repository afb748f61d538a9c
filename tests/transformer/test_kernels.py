"""Every operation with its kernel gives what it gives in NumPy alone, and the kernels are used."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

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
    used, run_kernel = set(), kernels.run_kernel

    def spy(name, *arguments):
        has_run = run_kernel(name, *arguments)
        used.update([name] if has_run else [])
        return has_run

    with pytest.MonkeyPatch.context() as patch:
        for module in (ops.activation, ops.norm, ops.softmax):
            patch.setattr(module, "run_kernel", spy)
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


@pytest.mark.parametrize("bits", [0x7FC00001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_any_nan_stays_one(bits):
    scores = np.array([[1.0, 2.0, 3.0]], np.float32)
    scores.view(np.uint32)[0, 1] = bits
    sums, _ = ops.softmax.exponentials(scores)
    assert np.isnan(sums).all()
    assert np.isnan(scores[0, 1])


def test_infinite_parameters_stay_so_in_both(monkeypatch):
    for is_enabled in (True, False):
        monkeypatch.setattr(kernels, "IS_ENABLED", is_enabled)
        params = {"x": np.array([np.inf, 1.0], np.float32)}
        Adam().update(params, {"x": np.ones(2, np.float32)}, Adam().start(params), step=0, rate=0.5)
        assert params["x"].tolist() == [np.inf, 0.5]


def test_kernels_are_for_contiguous_float32(monkeypatch):
    x, sums, highest = draw(4, 6), draw(4), draw(4, 1)[:, 0]
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(4, 6)
    constant = draw(4, 6)
    constant.flags.writeable = False
    for rows in (x.astype(np.float64), draw(6, 4).T, draw(4, 12)[:, ::2], unaligned, constant, draw(4, 3, 2)):
        before = rows.copy()
        assert not kernels.run_kernel("exponentials", rows, sums, highest, 4, 6)
        np.testing.assert_array_equal(rows, before)
    assert kernels.run_kernel("exponentials", x, sums, highest, 4, 6)
    monkeypatch.setattr(kernels, "IS_ENABLED", False)
    assert not kernels.run_kernel("exponentials", x, sums, highest, 4, 6)


def test_shapes_that_do_not_fit_are_left_to_numpy():
    x, row = draw(4, 6), draw(6)
    for name, arguments in {
        "activation_forward": ("gelu", row, draw(5), 1),
        "activation_backward": ("gelu", row, draw(5), draw(6), 1),
        "norm_forward": (x, draw(5), None, 0.1, draw(4, 6), draw(4, 6), draw(4), 1),
        "norm_backward": (x, draw(4, 6), draw(3), row, draw(4, 6), draw(6), None),
        "exponentials": (x, draw(5), draw(5), 4, 6),
        "d_scores": (x, draw(3), draw(4, 6)),
        "adam_update": (row, draw(5), draw(6), draw(6), *(1.0,) * 9),
        "multiply_few_rows": (x, draw(5, 7), draw(4, 7), False, 1),
    }.items():
        assert hasattr(_core, name)
        assert not kernels.run_kernel(name, *arguments)
    with pytest.raises(ValueError, match="broadcast"):
        ops.layer_norm_forward(x, draw(5), draw(5), 0.1)
    out, _ = ops.layer_norm_forward(x, np.ones(1, np.float32), np.zeros(1, np.float32), 0.1)
    np.testing.assert_allclose(out.mean(axis=1), 0, atol=1e-6)
    moments = Adam().start({"x": draw(3)})
    with pytest.raises(ValueError, match="broadcast"):
        Adam().update({"x": row}, {"x": draw(6)}, moments, step=0, rate=0.1)


def test_parameters_may_be_read_while_they_are_updated():
    """A kernel does not write where another one reads; that NumPy does, as with NumPy alone."""
    x, weight, bias = draw(2000, 64), draw(64), draw(64, 1)[:, 0].copy()
    params, optimizer = {"weight": weight, "bias": bias}, AdamW()
    moments, is_over = optimizer.start(params), threading.Event()

    def read():
        while not is_over.is_set():
            assert ops.layer_norm_forward(x, weight, bias, 0.1)[0].shape == x.shape

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            for step in range(200):
                optimizer.update(params, {"weight": draw(64), "bias": draw(64)}, moments, step=step, rate=1e-3)
        finally:
            is_over.set()
        reading.result()


def test_an_extension_without_kernels_leaves_all_to_numpy(monkeypatch):
    x, weight, few = draw(3, 512), draw(512, 512), draw(4, 512)
    expected = ops.gelu_forward(x)[0], ops.linear_forward(few, weight, None)[0]
    monkeypatch.setattr(kernels, "_core", object())
    assert not kernels.run_kernel("activation_forward", "gelu", x[0], x[1], 1)
    assert_close((ops.gelu_forward(x)[0], ops.linear_forward(few, weight, None)[0]), expected, 1e-5)
