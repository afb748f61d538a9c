"""GPT: gradients, and that no token sees what it must not: later tokens, padding, other documents."""

import dataclasses
import json

import numpy as np
import pytest
from gradients import check_gradients, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.errors import ConfigError, NonFiniteError
from merganser.transformer import IGNORED, Gpt, GptConfig, LmBatch

CONFIG = GptConfig(vocab_size=50, d_model=24, n_layers=2, n_heads=3, d_ff=40, max_positions=24)
MODEL = Gpt(CONFIG)
PARAMS = {name: 4 * array for name, array in MODEL.initialize(seed=1).items()}


def draw_ids(seed, *shape):
    return np.random.default_rng(seed).integers(0, CONFIG.vocab_size, shape)


def draw_batch(seed=0, n_rows=3, n_columns=8, **parts):
    ids = draw_ids(seed, n_rows, n_columns + 1)
    return LmBatch(inputs=ids[:, :-1], targets=ids[:, 1:].copy(), **parts)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_gpt_gradients_are_those_of_finite_differences(label_smoothing):
    batch = draw_batch()
    batch.targets[0, 2:5] = IGNORED
    gradients = check_gradients(MODEL, widen(PARAMS, 1.0), batch, label_smoothing=label_smoothing)
    assert set(gradients) == set(PARAMS)


def test_gpt_dropout_gradients_are_those_of_finite_differences():
    params = {name: array.astype(np.float64) for name, array in PARAMS.items()}
    batch = draw_batch()

    def run(moved):
        return MODEL.loss_and_gradients(moved, batch, rng=np.random.default_rng(5))

    loss, gradients = run(params)
    assert loss.mean != MODEL.loss(params, batch).mean
    for name in ("token_embedding.weight", "blocks.0.attention.qkv.weight", "blocks.1.feed_forward.up.bias"):
        direction = np.random.default_rng(3).standard_normal(params[name].shape)
        ends = [run({**params, name: params[name] + step * direction})[0].mean for step in (1e-6, -1e-6)]
        assert (gradients[name] * direction).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_gpt_gradients_are_float32_and_named_as_the_parameters():
    loss, gradients = MODEL.loss_and_gradients(PARAMS, draw_batch(), rng=np.random.default_rng(1))
    assert {array.dtype for array in gradients.values()} == {np.dtype(np.float32)}
    assert {name: array.shape for name, array in gradients.items()} == MODEL.shapes()
    assert loss.n_targets == 24


def test_gpt_gradients_of_parts_add_up_to_those_of_the_whole():
    batch = draw_batch(n_rows=5)
    batch.targets[1, :6] = IGNORED
    whole, expected = MODEL.loss_and_gradients(PARAMS, batch)
    gradients, losses = None, []
    for part in batch.split(2):
        loss, gradients = MODEL.loss_and_gradients(PARAMS, part, gradients=gradients, total=batch.counts)
        losses.append(loss)
    assert (losses[0] + losses[1]).mean == pytest.approx(whole.mean, rel=1e-6)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=4e-6 * np.abs(gradient).max() + 1e-7)


@pytest.mark.parametrize("n_threads", [2, 3, 9])
def test_gpt_gradients_do_not_depend_on_threads(n_threads):
    batch = draw_batch(n_rows=5)
    one, expected = MODEL.loss_and_gradients(PARAMS, batch)
    many, gradients = MODEL.loss_and_gradients(PARAMS, batch, n_threads=n_threads)
    assert many.mean == pytest.approx(one.mean, rel=1e-6)
    parts = MODEL.loss(PARAMS, batch, n_threads=n_threads, has_per_token=True)
    assert parts.mean == pytest.approx(one.mean, rel=1e-6)
    assert parts.per_token.shape == batch.targets.shape
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=4e-6 * np.abs(gradient).max() + 1e-7)


def test_gpt_gradients_are_the_same_to_the_bit_when_repeated():
    batch = draw_batch(n_rows=4)
    first, second = (
        MODEL.loss_and_gradients(PARAMS, batch, rng=np.random.default_rng(1), n_threads=2) for _ in range(2)
    )
    assert first[0].sum_nats == second[0].sum_nats
    for name in first[1]:
        np.testing.assert_array_equal(first[1][name], second[1][name])


def test_gpt_loss_is_that_of_its_logits():
    batch = draw_batch()
    batch.targets[2, :] = IGNORED
    loss = MODEL.loss(PARAMS, batch, has_per_token=True)
    logits = MODEL.logits(PARAMS, batch).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = -np.take_along_axis(logs, batch.targets.clip(0)[..., None], -1)[..., 0]
    nats[2] = 0
    np.testing.assert_allclose(loss.per_token, nats, atol=1e-5)
    assert loss.sum_nats == pytest.approx(nats.sum(), rel=1e-6)


@given(seed=st.integers(0, 99), place=st.integers(1, 11))
@settings(max_examples=20)
def test_gpt_token_does_not_see_later_ones(seed, place):
    ids = draw_ids(seed, 2, 12)
    other = ids.copy()
    other[:, place:] = draw_ids(seed + 100, 2, 12)[:, place:]
    one, two = (MODEL.logits(PARAMS, LmBatch(inputs=rows, targets=rows)) for rows in (ids, other))
    np.testing.assert_array_equal(one[:, :place], two[:, :place])


@given(seed=st.integers(0, 99), n_left=st.integers(0, 5), n_right=st.integers(0, 5))
@settings(max_examples=20)
def test_gpt_token_does_not_see_padding(seed, n_left, n_right):
    ids = draw_ids(seed, 1, 7)
    padded = draw_ids(seed + 1, 1, 7 + n_left + n_right)
    padded[:, n_left : n_left + 7] = ids
    mask = np.zeros(padded.shape, bool)
    mask[:, n_left : n_left + 7] = True
    alone = MODEL.logits(PARAMS, LmBatch(inputs=ids, targets=ids))
    within = MODEL.logits(PARAMS, LmBatch(inputs=padded, targets=padded, mask=mask))
    np.testing.assert_allclose(within[:, n_left : n_left + 7], alone, atol=1e-5)


@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(1, 6), min_size=1, max_size=4))
@settings(max_examples=20)
def test_gpt_packed_documents_are_as_if_alone(seed, cuts):
    ids = draw_ids(seed, 1, sum(cuts))
    segments = np.repeat(np.arange(len(cuts)), cuts)[None]
    packed = MODEL.logits(PARAMS, LmBatch(inputs=ids, targets=ids, segments=segments))
    start = 0
    for length in cuts:
        part = ids[:, start : start + length]
        alone = MODEL.logits(PARAMS, LmBatch(inputs=part, targets=part))
        np.testing.assert_allclose(packed[:, start : start + length], alone, atol=1e-5)
        start += length


@given(seed=st.integers(0, 99), steps=st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=20)
def test_gpt_steps_equal_full_recomputation(seed, steps):
    ids = draw_ids(seed, 2, sum(steps))
    full = MODEL.logits(PARAMS, LmBatch(inputs=ids, targets=ids))
    cache = MODEL.start_cache(n_rows=2, max_length=20)
    start = 0
    for length in steps:
        got = MODEL.step(PARAMS, ids[:, start : start + length], cache)
        np.testing.assert_allclose(got, full[:, start : start + length], atol=1e-5)
        start += length
    assert cache.length == start


def test_gpt_steps_equal_full_recomputation_when_prompts_are_unequal():
    prompts = [draw_ids(1, 1, 6), draw_ids(2, 1, 3)]
    padded = np.zeros((2, 6), np.int64)
    padded[0], padded[1, 3:] = prompts[0], prompts[1]
    mask = np.ones((2, 6), bool)
    mask[1, :3] = False
    cache = MODEL.start_cache(n_rows=2, max_length=10)
    got = [MODEL.step(PARAMS, padded, cache, mask=mask, is_last_only=True)[:, -1]]
    follow = draw_ids(3, 2, 3)
    got += [MODEL.step(PARAMS, follow[:, [place]], cache)[:, -1] for place in range(3)]
    for row, prompt in enumerate(prompts):
        ids = np.concatenate([prompt, follow[[row]]], axis=1)
        full = MODEL.logits(PARAMS, LmBatch(inputs=ids, targets=ids))[0]
        np.testing.assert_allclose([part[row] for part in got], full[prompt.shape[1] - 1 :], atol=1e-5)


@pytest.mark.parametrize("rows", [[1, 0, 1], [2], [0, 0, 1, 2]])
def test_gpt_cache_goes_on_from_other_rows_when_reordered(rows):
    ids, follow = draw_ids(1, 3, 5), draw_ids(2, len(rows), 1)
    cache = MODEL.start_cache(n_rows=3, max_length=8)
    MODEL.step(PARAMS, ids, cache)
    cache.reorder(np.array(rows))
    whole = np.concatenate([ids[rows], follow], axis=1)
    full = MODEL.logits(PARAMS, LmBatch(inputs=whole, targets=whole))
    np.testing.assert_allclose(MODEL.step(PARAMS, follow, cache)[:, 0], full[:, -1], atol=1e-5)


def test_gpt_learns_a_repeated_row():
    params = MODEL.initialize(seed=3)
    batch = draw_batch(4, n_rows=2)
    first = MODEL.loss(params, batch).mean
    for _ in range(60):
        _, gradients = MODEL.loss_and_gradients(params, batch)
        params = {name: array - 0.5 * gradients[name] for name, array in params.items()}
    assert first == pytest.approx(np.log(CONFIG.vocab_size), abs=0.1)
    assert MODEL.loss(params, batch).mean < 0.5


def test_gpt_initialisation_depends_on_the_seed_alone():
    one, two, three = MODEL.initialize(seed=1), MODEL.initialize(seed=1), MODEL.initialize(seed=2)
    for name, shape in MODEL.shapes().items():
        assert one[name].shape == shape
        np.testing.assert_array_equal(one[name], two[name])
    assert (one["token_embedding.weight"] != three["token_embedding.weight"]).any()
    assert abs(one["token_embedding.weight"].std() - 0.02) < 0.002
    assert abs(one["blocks.0.attention.out.weight"].std() - 0.01) < 0.001
    assert MODEL.n_parameters == sum(array.size for array in one.values())


def test_gpt_preset_has_the_published_size():
    assert Gpt(GptConfig.preset("gpt2")).n_parameters == 124_439_808


BAD_CONFIGS = [
    ({"n_heads": 5}, "n_heads must divide d_model 768, got 5"),
    ({"vocab_size": 0}, "vocab_size must be a whole number of at least 1 and below 2147483648, got 0"),
    ({"vocab_size": 1 << 31}, "of at least 1 and below 2147483648, got 2147483648"),
    ({"d_ff": 2.5}, "d_ff must be a whole number of at least 1 and below 2147483648, got 2.5"),
    ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ({"activation": "swish2"}, "activation must be one of"),
    ({"norm_epsilon": 0.0}, "norm_epsilon must be above 0 and below 1, got 0.0"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_CONFIGS)
def test_config_refuses_a_bad_value(changes, message):
    with pytest.raises(ConfigError, match=message):
        GptConfig(**changes)


def test_config_takes_numbers_of_numpy_and_keeps_pythons():
    config = GptConfig(vocab_size=np.int64(5), dropout=np.float32(0.5))
    assert config == GptConfig(vocab_size=5, dropout=0.5)
    assert json.loads(json.dumps(dataclasses.asdict(config)))["vocab_size"] == 5
    with pytest.raises(ConfigError, match=r"vocab_size must be a whole number .*, got 5\.0"):
        GptConfig(vocab_size=np.float64(5))


def test_config_refuses_an_unknown_preset():
    with pytest.raises(ConfigError, match=r"preset must be one of .*gpt2.*, got 'gpt5'"):
        GptConfig.preset("gpt5")


def ids_of(*values):
    return np.array([values])


BAD_BATCHES = [
    (lambda: LmBatch(inputs=ids_of(1, 50), targets=ids_of(1, 2)), r"inputs must be .* below 50, got 50 at \(0, 1\)"),
    (lambda: LmBatch(inputs=ids_of(-1, 5), targets=ids_of(1, 2)), r"inputs must be at least 0 .*, got -1 at \(0, 0\)"),
    (lambda: LmBatch(inputs=ids_of(1, 5), targets=ids_of(1, -99)), r"targets must be at least 0 .*, got -99"),
    (lambda: LmBatch(inputs=ids_of(1, 5), targets=ids_of(1, 2, 3)), r"targets must have the shape \(1, 2\)"),
    (lambda: LmBatch(inputs=ids_of(1.0), targets=ids_of(1)), "inputs must be an array of integers, got float64"),
    (lambda: LmBatch(inputs=[[1]], targets=ids_of(1)), "inputs must be an array of integers, got list"),
    (lambda: LmBatch(inputs=np.zeros((0, 4), int), targets=np.zeros((0, 4), int)), "without zeros"),
    (lambda: LmBatch(inputs=ids_of(1), targets=ids_of(1), mask=ids_of(1)), "mask must be an array of booleans"),
    (lambda: LmBatch(inputs=ids_of(*range(25)), targets=ids_of(*range(25))), "at most 24 columns, .*, got 25"),
    (lambda: LmBatch(inputs=ids_of(1), targets=ids_of(IGNORED)), "must have a target"),
]


@pytest.mark.parametrize(("make", "message"), BAD_BATCHES)
def test_gpt_refuses_a_bad_batch(make, message):
    with pytest.raises(ConfigError, match=message):
        MODEL.loss_and_gradients(PARAMS, make())


def test_gpt_refuses_parameters_that_do_not_fit():
    batch = draw_batch()
    name = "blocks.0.attention.out.weight"
    for change, message in [
        ({name: PARAMS[name][:, :5]}, rf"'{name}' must have the shape \(24, 24\), got \(24, 5\)"),
        ({name: PARAMS[name].astype(np.float16)}, f"'{name}' must be of float32, got float16"),
        ({"other": PARAMS[name]}, "parameters have 'other'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            MODEL.loss(PARAMS | change, batch)
    with pytest.raises(ConfigError, match=f"parameters lack '{name}'"):
        MODEL.loss({key: array for key, array in PARAMS.items() if key != name}, batch)


@pytest.mark.parametrize(("seed", "rule"), [(-1, "at least 0, got -1"), (0.5, "a whole number, got 0.5")])
def test_gpt_refuses_a_seed_that_cannot_be_one(seed, rule):
    with pytest.raises(ConfigError, match=f"seed must be {rule}"):
        MODEL.initialize(seed=seed)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gpt_names_the_parameter_when_the_loss_is_not_finite(bad):
    params = {name: array.copy() for name, array in PARAMS.items()}
    params["blocks.1.feed_forward.up.weight"][3, 2] = bad
    with pytest.raises(NonFiniteError, match=r"parameter 'blocks.1.feed_forward.up.weight' is not finite"):
        MODEL.loss_and_gradients(params, draw_batch())


def test_gpt_names_the_layer_when_the_loss_overflows():
    params = {name: array.copy() for name, array in PARAMS.items()}
    params["blocks.1.feed_forward.up.weight"] *= 1e30
    params["blocks.1.feed_forward.down.weight"] *= 1e30
    with pytest.raises(NonFiniteError, match=r"the loss is nan: blocks.1.feed_forward.down is the first layer"):
        MODEL.loss_and_gradients(params, draw_batch())


def test_gpt_refuses_steps_beyond_its_cache():
    cache = MODEL.start_cache(n_rows=1, max_length=4)
    MODEL.step(PARAMS, ids_of(1, 2, 3), cache)
    with pytest.raises(ConfigError, match=r"the cache holds 4 tokens a row, got 3 \+ 2"):
        MODEL.step(PARAMS, ids_of(1, 2), cache)
    with pytest.raises(ConfigError, match="ids must have the 1 rows of the cache, got 2"):
        MODEL.step(PARAMS, draw_ids(1, 2, 1), cache)
    with pytest.raises(ConfigError, match="rows must name rows from 0 to 0"):
        cache.reorder(np.array([1]))
    with pytest.raises(ConfigError, match="max_length must have at most 24"):
        MODEL.start_cache(n_rows=1, max_length=25)
