"""Every operation's backward function against finite differences of its forward one, in float64."""

import functools
import math
import warnings

import numpy as np
import pytest

from merganser.transformer import ops
from merganser.transformer.batch import IGNORED
from merganser.transformer.mask import AttentionMask
from merganser.transformer.threads import run_all

RNG = np.random.default_rng(20)


def draw(*shape):
    return np.random.default_rng([7, *shape]).standard_normal(shape)


def numeric(function, array, step=1e-6):
    """Return the gradient of a scalar function by each element of an array, by central differences."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(*array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        below = function()
        array[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient


def check(forward, backward, inputs):
    """Compare the gradients of ``sum(out * weights)`` with finite differences, for every input."""
    out, cache = forward()
    weights = np.random.default_rng(3).standard_normal(out.shape)
    gradients = backward(weights, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert len(gradients) == len(inputs)
    for gradient, array in zip(gradients, inputs, strict=True):
        expected = numeric(lambda: float((forward()[0] * weights).sum()), array)
        assert gradient.shape == array.shape
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)


def test_linear_gradient_is_that_of_finite_differences():
    x, weight, bias = draw(2, 3, 4), draw(4, 5), draw(5)
    check(lambda: ops.linear_forward(x, weight, bias), ops.linear_backward, [x, weight, bias])


def test_linear_without_bias_has_no_gradient_of_one():
    out, cache = ops.linear_forward(draw(3, 4), draw(4, 5), None)
    assert ops.linear_backward(out, cache)[2] is None


@pytest.mark.parametrize("shape", [(2, 3, 8), (1, 5)])
def test_layer_norm_gradient_is_that_of_finite_differences(shape):
    x, weight, bias = draw(*shape), draw(shape[-1]), draw(shape[-1], 1)[:, 0]
    check(lambda: ops.layer_norm_forward(x, weight, bias, 1e-5), ops.layer_norm_backward, [x, weight, bias])


def test_rms_norm_gradient_is_that_of_finite_differences():
    x, weight = draw(2, 3, 8), draw(8)
    check(lambda: ops.rms_norm_forward(x, weight, 1e-6), ops.rms_norm_backward, [x, weight])


def test_norms_agree_over_several_chunks():
    x, weight, bias = draw(300, 512), draw(512), draw(512, 1)[:, 0]
    out, _ = ops.layer_norm_forward(x, weight, bias, 1e-5)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["relu", "gelu", "gelu_tanh", "silu", "tanh"])
def test_activation_gradient_is_that_of_finite_differences(name):
    x = 2 * draw(3, 7)
    check(lambda: getattr(ops, f"{name}_forward")(x), getattr(ops, f"{name}_backward"), [x])


def test_gate_gradient_is_that_of_finite_differences():
    gate, x = draw(3, 4), draw(4, 3).T.copy()
    check(lambda: ops.gate_forward(gate, x), ops.gate_backward, [gate, x])


def test_gelu_of_float32_is_exact_to_float32():
    x = np.concatenate([np.linspace(-12, 12, 200_001), [-1e30, -60.0, 60.0, 1e30]]).astype(np.float32)
    out, cache = ops.gelu_forward(x)
    exact = np.array([value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in x.astype(float)])
    assert out.dtype == np.float32
    assert np.max(np.abs(out - exact) / np.maximum(np.abs(exact), 1)) < 3e-7
    with np.errstate(over="ignore"):
        slope = ops.gelu_backward(np.ones_like(x), cache)
    wide = x.astype(float)
    exact = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in wide])
    exact += wide * np.exp(-0.5 * np.minimum(wide**2, 1000)) / math.sqrt(2 * math.pi)
    assert np.max(np.abs(slope - exact)) < 4e-7


MASKS = {
    "none": AttentionMask(),
    "causal": AttentionMask(is_causal=True),
    "keys": AttentionMask(keys=np.array([[True, True, False, True, True], [False, False, True, True, True]])),
    "causal_keys": AttentionMask(
        is_causal=True, keys=np.array([[False, False, True, True, True], [True, True, True, True, False]])
    ),
    "segments": AttentionMask(is_causal=True, segments=np.array([[0, 0, 1, 1, 1], [4, 5, 5, 6, 6]])),
}


@pytest.mark.parametrize("blocks", ["one", "many"])
@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", MASKS)
def test_attention_gradient_is_that_of_finite_differences(name, dropout, is_kept, blocks, monkeypatch):
    module = __import__("merganser.transformer.ops.attention", fromlist=["attention"])
    if blocks == "many":
        monkeypatch.setattr(module, "_BLOCK_QUERIES", 2)
        monkeypatch.setattr(module, "_BLOCK_SCORES", 1)
    if not is_kept:
        monkeypatch.setattr(module, "_MAX_KEPT_KEYS", 0)
    q, k, v, bias = draw(2, 5, 2, 3), draw(2, 5, 3, 2).swapaxes(2, 3).copy(), draw(2, 5, 2, 3) + 1, draw(2, 5, 5)

    def forward():
        rng = np.random.default_rng(5)
        return ops.attention_forward(q, k, v, MASKS[name], scale=0.6, bias=bias, dropout=dropout, rng=rng)

    check(forward, ops.attention_backward, [q, k, v, bias])


def test_attention_is_softmax_of_scores_times_values():
    q, k, v = draw(2, 200, 2, 4), draw(2, 300, 2, 4), draw(2, 300, 4, 2).swapaxes(2, 3)
    out, _ = ops.attention_forward(q, k, v, AttentionMask(is_causal=True, first_query=100), scale=0.5)
    scores = np.einsum("bthk,bshk->bhts", q, k) * 0.5
    scores[..., ~np.tri(200, 300, 100, dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(out, np.einsum("bhts,bshk->bthk", weights, v), rtol=1e-10, atol=1e-12)


def test_attention_gives_zeros_when_a_query_sees_no_key():
    q = draw(1, 3, 1, 2)
    mask = AttentionMask(is_causal=True, keys=np.array([[False, True, True]]))
    out, cache = ops.attention_forward(q, q.copy(), q.copy(), mask, scale=1.0)
    assert (out[0, 0] == 0).all()
    assert np.isfinite(out).all()
    assert all(np.isfinite(part).all() for part in ops.attention_backward(np.ones_like(out), cache)[:3])


@pytest.mark.parametrize("size", [1, 40, 5000])
def test_embedding_gradient_adds_up_repeated_ids(size):
    weight, ids = draw(7, 3), np.random.default_rng(size).integers(0, 7, (size, 2))
    out, cache = ops.embedding_forward(weight, ids)
    np.testing.assert_array_equal(out, weight[ids])
    d_out = draw(*out.shape)
    expected = np.zeros_like(weight)
    np.add.at(expected, ids, d_out)
    np.testing.assert_allclose(ops.embedding_backward(d_out, cache), expected, atol=1e-12)
    start = draw(3, 7).T.copy()
    np.testing.assert_allclose(ops.embedding_backward(d_out, cache, start.copy()), start + expected, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("is_blocked", [True, False])
def test_cross_entropy_gradient_is_that_of_finite_differences(label_smoothing, has_bias, is_blocked, monkeypatch):
    module = __import__("merganser.transformer.ops.cross_entropy", fromlist=["cross_entropy"])
    if is_blocked:
        monkeypatch.setattr(module, "_BLOCK_ELEMENTS", 1)
        monkeypatch.setattr(module, "_MIN_ROWS", 2)
        monkeypatch.setattr(ops.softmax, "_CHUNK", 1)
    x, weight, bias = 2 * draw(6, 4), draw(5, 4), draw(5) if has_bias else None
    targets = np.array([1, IGNORED, 0, 4, 4, 2])

    def forward(scale=None):
        return ops.linear_cross_entropy_forward(x, weight, bias, targets, label_smoothing=label_smoothing, scale=scale)

    def total():
        return forward()[0].sum()

    loss, cache = forward(0.25)
    logits = x @ weight.T + (0 if bias is None else bias)
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -(1 - label_smoothing) * logs[np.arange(6), targets.clip(0)] - label_smoothing * logs.mean(1)
    np.testing.assert_allclose(loss, np.where(targets == IGNORED, 0, expected), atol=1e-12)
    gradients = ops.linear_cross_entropy_backward(4.0, cache)
    for gradient, array in zip(gradients, [x, weight, bias], strict=True):
        if array is None:
            assert gradient is None
        else:
            np.testing.assert_allclose(gradient, numeric(total, array), rtol=1e-6, atol=1e-7)


def test_cross_entropy_is_zero_when_all_targets_are_ignored():
    loss, cache = ops.linear_cross_entropy_forward(draw(3, 4), draw(5, 4), None, np.full(3, IGNORED), scale=1.0)
    assert not loss.any()
    assert not any(part.any() for part in ops.linear_cross_entropy_backward(1.0, cache)[:2])


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_keeps_its_share_and_its_mean(p):
    x = np.ones((400, 500), np.float32)
    out, cache = ops.dropout_forward(x, p, np.random.default_rng(1))
    dropped = np.mean(out == 0)
    assert abs(dropped - p) < 4 * math.sqrt(p * (1 - p) / x.size)
    assert abs(out.mean() - 1) < 0.01
    np.testing.assert_array_equal(ops.dropout_backward(x, cache), out)


def test_dropout_depends_on_its_generator_alone():
    x = draw(30, 3)
    first, second, third = (ops.dropout_forward(x, 0.5, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()


@pytest.mark.filterwarnings("error")
def test_operations_stay_in_float32():
    x, vector = draw(2, 6, 4).astype(np.float32), draw(4).astype(np.float32)
    results = [ops.layer_norm_forward(x, vector, vector, 1e-5), ops.rms_norm_forward(x, vector, 1e-5)]
    results += [getattr(ops, f"{name}_forward")(x) for name in ("relu", "gelu", "gelu_tanh", "silu", "tanh")]
    results.append(ops.linear_forward(x, x[0, :4], vector))
    results.append(ops.dropout_forward(x, 0.1, np.random.default_rng(1)))
    heads = x.reshape(2, 6, 2, 2)
    attended = ops.attention_forward(heads, heads, heads, AttentionMask(is_causal=True), scale=0.5)
    results.append(attended)
    assert {out.dtype for out, _ in results} == {np.dtype(np.float32)}
    assert {part.dtype for part in ops.attention_backward(*attended)[:3]} == {np.dtype(np.float32)}
    norm = ops.layer_norm_forward(x, vector, vector, 1e-5)
    assert {part.dtype for part in ops.layer_norm_backward(*norm)} == {np.dtype(np.float32)}
    loss, cache = ops.linear_cross_entropy_forward(
        x[0], x[1], vector.repeat(2)[:6], np.arange(6), label_smoothing=0.1, scale=0.5
    )
    assert loss.dtype == np.float32
    assert {part.dtype for part in cache} == {np.dtype(np.float32)}


def test_attention_on_threads_gives_the_same_bits(monkeypatch):
    q, k, v = (draw(1, 300, 3, 16, part).astype(np.float32)[..., 0] for part in (1, 2, 3))
    mask = AttentionMask(is_causal=True)
    results = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(ops.attention, "_MIN_SHARED_SCORES", 0)
        monkeypatch.setattr(ops.attention, "n_blas_threads", lambda n_threads=n_threads: n_threads)
        results.append(ops.attention_forward(q, k, v, mask, scale=0.25)[0].copy())
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_what_a_thread_raises_is_raised():
    done = []

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_all([fail, *(functools.partial(done.append, n) for n in range(5))], n_threads=2)


def test_an_excluded_class_may_be_the_target_of_an_ignored_row():
    logits = np.array([[-np.inf, 1.0, 2.0], [-np.inf, 3.0, 1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, _ = ops.cross_entropy_forward(logits, np.array([IGNORED, 1]))
    np.testing.assert_allclose(loss, [0.0, np.log1p(np.exp(-2.0))])
