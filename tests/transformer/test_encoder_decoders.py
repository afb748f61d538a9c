"""T5 and the paper's encoder-decoder: gradients, masks, and the incremental decoder."""

import numpy as np
import pytest
from gradients import check_gradients, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.errors import ConfigError
from merganser.transformer import IGNORED, T5, LmBatch, Seq2Seq, Seq2SeqBatch, Seq2SeqConfig, T5Config

SIZES = {"vocab_size": 50, "d_model": 24, "n_layers": 2, "n_decoder_layers": 2, "n_heads": 3, "d_ff": 40}
T5_SIZES = {**SIZES, "d_head": 6, "n_buckets": 8, "max_distance": 12}
MODELS = {
    "t5": T5(T5Config(**T5_SIZES)),
    "t5_gated": T5(
        T5Config(**T5_SIZES, is_gated=True, activation="gelu_tanh", is_output_tied=False, is_output_scaled=False)
    ),
    "pre_norm": Seq2Seq(Seq2SeqConfig(**SIZES, max_positions=24)),
    "post_norm": Seq2Seq(Seq2SeqConfig(**SIZES, max_positions=24, norm_position="post")),
    "learned": Seq2Seq(Seq2SeqConfig(**SIZES, max_positions=24, positions="learned", activation="gelu")),
    "marian": Seq2Seq(
        Seq2SeqConfig(
            **SIZES,
            max_positions=24,
            norm_position="post",
            positions="sinusoidal_halves",
            has_output_bias=True,
            activation="silu",
        )
    ),
}
PARAMS = {name: model.initialize(seed=1) for name, model in MODELS.items()}
every_model = pytest.mark.parametrize("name", MODELS)


def draw_ids(seed, *shape):
    return np.random.default_rng(seed).integers(0, 50, shape)


def draw_batch(seed=0):
    targets = draw_ids(seed + 1, 3, 6)
    targets[1, 4:] = IGNORED
    mask = np.arange(7)[None] < np.array([[7], [4], [6]])
    return Seq2SeqBatch(draw_ids(seed, 3, 7), draw_ids(seed + 2, 3, 6), targets, source_mask=mask)


@every_model
def test_encoder_decoder_gradients_are_those_of_finite_differences(name):
    params = widen(PARAMS[name], 1.3)
    gradients = check_gradients(MODELS[name], params, draw_batch(), step=1e-7, label_smoothing=0.1)
    assert {key: array.shape for key, array in gradients.items()} == MODELS[name].shapes()


@every_model
def test_encoder_decoder_gradients_are_float32_with_dropout(name):
    batch = draw_batch()
    loss, gradients = MODELS[name].loss_and_gradients(PARAMS[name], batch, rng=np.random.default_rng(1))
    assert {array.dtype for array in gradients.values()} == {np.dtype(np.float32)}
    assert loss.mean != MODELS[name].loss(PARAMS[name], batch).mean


@every_model
@given(seed=st.integers(0, 99), n_padding=st.integers(1, 5), place=st.integers(1, 5))
@settings(max_examples=8)
def test_decoder_sees_neither_padding_nor_later_tokens(name, seed, n_padding, place):
    model, params = MODELS[name], PARAMS[name]
    source, inputs = draw_ids(seed, 2, 7), draw_ids(seed + 1, 2, 6)
    alone = model.logits(params, Seq2SeqBatch(source, inputs, inputs))
    padded = np.concatenate([source, draw_ids(seed + 2, 2, n_padding)], axis=1)
    mask = np.broadcast_to(np.arange(7 + n_padding) < 7, padded.shape).copy()
    other = inputs.copy()
    other[:, place:] = draw_ids(seed + 3, 2, 6)[:, place:]
    within = model.logits(params, Seq2SeqBatch(padded, other, other, source_mask=mask))
    np.testing.assert_allclose(within[:, :place], alone[:, :place], atol=2e-5)


@every_model
def test_decoder_sees_the_whole_source(name):
    model, params = MODELS[name], PARAMS[name]
    source, inputs = draw_ids(1, 1, 7), draw_ids(2, 1, 3)
    first = model.logits(params, Seq2SeqBatch(source, inputs, inputs))
    for place in range(7):
        other = source.copy()
        other[0, place] = (other[0, place] + 1) % 50
        assert (model.logits(params, Seq2SeqBatch(other, inputs, inputs))[0, 0] != first[0, 0]).any()


@every_model
@given(seed=st.integers(0, 99), steps=st.lists(st.integers(1, 4), min_size=1, max_size=4))
@settings(max_examples=8)
def test_steps_equal_full_recomputation(name, seed, steps):
    model, params = MODELS[name], PARAMS[name]
    source, inputs = draw_ids(seed, 3, 7), draw_ids(seed + 1, 3, sum(steps))
    mask = np.arange(7)[None] < np.array([[7], [4], [6]])
    full = model.logits(params, Seq2SeqBatch(source, inputs, inputs, source_mask=mask))
    memory = model.encode(params, source, mask)
    cache = model.start_cache(n_rows=3, max_length=20, memory=memory, memory_mask=mask)
    start = 0
    for length in steps:
        got = model.step(params, inputs[:, start : start + length], cache)
        np.testing.assert_allclose(got, full[:, start : start + length], atol=1e-5 * max(1, np.abs(full).max()))
        start += length


@every_model
@pytest.mark.parametrize("rows", [[1, 0, 3, 3], [0, 1, 0, 1], [2], [3, 2, 1, 0]])
def test_cache_goes_on_from_other_rows_when_reordered(name, rows):
    model, params = MODELS[name], PARAMS[name]
    # Rows 0 and 1 are beams of one source, 2 and 3 of another.
    source = np.repeat(draw_ids(1, 2, 7), 2, axis=0)
    mask = np.repeat(np.arange(7)[None] < np.array([[7], [4]]), 2, axis=0)
    inputs, follow = draw_ids(2, 4, 4), draw_ids(3, len(rows), 1)
    memory = model.encode(params, source, mask)
    cache = model.start_cache(n_rows=4, max_length=8, memory=memory, memory_mask=mask)
    model.step(params, inputs, cache)
    cache.reorder(np.array(rows))
    whole = np.concatenate([inputs[rows], follow], axis=1)
    full = model.logits(params, Seq2SeqBatch(source[rows], whole, whole, source_mask=mask[rows]))
    got = model.step(params, follow, cache, is_last_only=True)
    np.testing.assert_allclose(got[:, 0], full[:, -1], atol=1e-5 * max(1, np.abs(full).max()))


@pytest.mark.parametrize("name", ["t5", "post_norm"])
def test_steps_equal_full_recomputation_when_beginnings_are_unequal(name):
    model, params = MODELS[name], PARAMS[name]
    source = draw_ids(1, 2, 7)
    beginning = draw_ids(2, 2, 5)
    mask = np.array([[True] * 5, [False, False, True, True, True]])
    memory = model.encode(params, source)
    cache = model.start_cache(n_rows=2, max_length=8, memory=memory)
    got = [model.step(params, beginning, cache, mask=mask)[:, -1]]
    follow = draw_ids(3, 2, 1)
    got.append(model.step(params, follow, cache)[:, -1])
    for row, start in enumerate((0, 2)):
        ids = np.concatenate([beginning[[row], start:], follow[[row]]], axis=1)
        full = model.logits(params, Seq2SeqBatch(source[[row]], ids, ids))[0, -2:]
        np.testing.assert_allclose([part[row] for part in got], full, atol=1e-5 * max(1, np.abs(full).max()))


def test_published_sizes():
    assert T5(T5Config.preset("t5-small")).n_parameters == 60_506_624
    assert T5(T5Config.preset("t5-v1_1-small")).n_parameters == 76_961_152
    paper = Seq2Seq(Seq2SeqConfig.preset("base", vocab_size=37000))
    assert paper.n_parameters == 37000 * 512 + 6 * 3_152_384 + 6 * 4_204_032


def test_t5_has_no_longest_length():
    model, params = MODELS["t5"], PARAMS["t5"]
    ids = draw_ids(1, 1, 300)
    assert np.isfinite(model.encode(params, ids)).all()


BAD_CONFIGS = [
    (lambda: T5Config(n_buckets=30), "n_buckets must be a multiple of 4, got 30"),
    (lambda: T5Config(max_distance=16), "max_distance must be above n_buckets / 2, got 16"),
    (lambda: T5Config(start_id=32128), "start_id must be at least 0 and below vocab_size 32128, got 32128"),
    (lambda: T5Config(is_gated=1), "is_gated must be true or false, got 1"),
    (lambda: Seq2SeqConfig(positions="rotary"), "positions must be one of sinusoidal, .*, got 'rotary'"),
    (lambda: Seq2SeqConfig(norm_position="none"), "norm_position must be one of pre, post, got 'none'"),
    (lambda: Seq2SeqConfig(d_model=9, n_heads=3), "d_model must be even for sinusoidal positions, got 9"),
    (lambda: Seq2SeqConfig(d_model=510), "n_heads must divide d_model 510, got 8"),
]


@pytest.mark.parametrize(("make", "message"), BAD_CONFIGS)
def test_config_refuses_a_bad_value(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_encoder_decoder_refuses_bad_input():
    model, params = MODELS["pre_norm"], PARAMS["pre_norm"]
    ids = draw_ids(1, 2, 5)
    long = draw_ids(1, 2, 25)
    with pytest.raises(ConfigError, match="source must have at most 24 columns, one a position, got 25"):
        model.loss(params, Seq2SeqBatch(long, ids, ids))
    with pytest.raises(ConfigError, match="target_inputs must have the 1 rows of source, got 2"):
        Seq2SeqBatch(ids[:1], ids, ids)
    with pytest.raises(ConfigError, match="batch must be Seq2SeqBatch for this model, got LmBatch"):
        model.loss(params, LmBatch(ids, ids))
    with pytest.raises(ConfigError, match=r"source must be .* below 50, got 50 at \(0, 0\)"):
        model.encode(params, np.array([[50]]))
    memory = model.encode(params, ids)
    with pytest.raises(ConfigError, match=r"memory must have the shape \(3, S, D\), got \(2, 5, 24\)"):
        model.start_cache(n_rows=3, max_length=5, memory=memory)
    with pytest.raises(ConfigError, match=r"memory_mask must have the shape \(2, 5\), got \(2, 4\)"):
        model.start_cache(n_rows=2, max_length=5, memory=memory, memory_mask=np.ones((2, 4), bool))


@pytest.mark.parametrize("name", ["t5", "pre_norm", "post_norm"])
def test_encoder_decoder_learns_to_copy(name):
    model = MODELS[name]
    params = model.initialize(seed=3)
    source = draw_ids(4, 4, 6)
    inputs = np.concatenate([np.zeros((4, 1), np.int64), source[:, :-1]], axis=1)
    batch = Seq2SeqBatch(source, inputs, source)
    first = model.loss(params, batch).mean
    for _ in range(80):
        _, gradients = model.loss_and_gradients(params, batch)
        norm = np.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
        rate = 0.3 / max(norm, 1)
        params = {key: array - rate * gradients[key] for key, array in params.items()}
    assert model.loss(params, batch).mean < 0.3 * first
