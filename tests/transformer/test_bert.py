"""BERT: the gradients of each head, what padding must not change, and the sentence embeddings."""

import dataclasses

import numpy as np
import pytest
from gradients import check_gradients, widen
from hypothesis import given, settings
from hypothesis import strategies as st

from merganser.errors import ConfigError
from merganser.transformer import IGNORED, Bert, BertConfig, LabelBatch, LmBatch, MlmBatch, SpanBatch
from merganser.transformer.configs import BERT_HEADS

CONFIG = BertConfig(
    vocab_size=50, d_model=24, n_layers=2, n_heads=3, d_ff=40, max_positions=24, heads=BERT_HEADS, n_labels=3
)
MODEL = Bert(CONFIG)
PARAMS = {
    name: array if name.endswith("norm.weight") else 4 * array for name, array in MODEL.initialize(seed=1).items()
}
MASK = np.array([[True] * 8, [True] * 5 + [False] * 3, [True] * 7 + [False]])
TYPES = np.array([[0, 0, 0, 0, 1, 1, 1, 1]] * 3)


def draw_ids(seed, *shape):
    return np.random.default_rng(seed).integers(0, CONFIG.vocab_size, shape)


def mlm_batch(seed=0):
    targets = np.full((3, 8), IGNORED)
    targets[[0, 0, 1, 2], [1, 6, 3, 0]] = [4, 9, 30, 4]
    return MlmBatch(draw_ids(seed, 3, 8), targets, mask=MASK, token_types=TYPES, next_sentence=np.array([0, 1, 1]))


BATCHES = {
    "masked_lm": lambda: MlmBatch(mlm_batch().inputs, mlm_batch().targets),
    "pretraining": mlm_batch,
    "next_sentence": lambda: dataclasses.replace(mlm_batch(), targets=np.full((3, 8), IGNORED)),
    "classification": lambda: LabelBatch(draw_ids(1, 3, 8), np.array([2, IGNORED, 0]), mask=MASK, token_types=TYPES),
    "span": lambda: SpanBatch(draw_ids(2, 3, 8), np.array([1, 4, IGNORED]), np.array([1, 4, 6]), mask=MASK),
}


@pytest.mark.parametrize("task", BATCHES)
def test_bert_gradients_are_those_of_finite_differences(task):
    params = widen(MODEL.initialize(seed=1))
    gradients = check_gradients(MODEL, params, BATCHES[task]())
    used = {
        "pretraining": ("pooler", "masked_lm", "next_sentence"),
        "next_sentence": ("pooler", "next_sentence"),
        "classification": ("pooler", "classification"),
    }
    heads = {name.split(".")[0] for name in gradients} & set(BERT_HEADS)
    assert heads == set(used.get(task, (task,)))


@pytest.mark.parametrize("task", BATCHES)
@pytest.mark.parametrize("n_threads", [2, 3])
def test_bert_gradients_do_not_depend_on_threads(task, n_threads):
    one, expected = MODEL.loss_and_gradients(PARAMS, BATCHES[task]())
    many, gradients = MODEL.loss_and_gradients(PARAMS, BATCHES[task](), n_threads=n_threads)
    assert many.mean == pytest.approx(one.mean, rel=1e-6)
    assert set(gradients) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=4e-6 * np.abs(gradient).max() + 1e-7)


def test_bert_pretraining_loss_has_a_mean_for_each_task():
    loss = MODEL.loss(PARAMS, mlm_batch(), has_per_token=True)
    assert loss.counts == (4, 3)
    assert loss.mean == pytest.approx(loss.sums[0] / 4 + loss.sums[1] / 3)
    assert (loss.per_token != 0).sum() == 4
    assert loss.per_token.sum() == pytest.approx(loss.sum_nats, rel=1e-6)
    logits = MODEL.logits(PARAMS, mlm_batch()).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert loss.per_token[1, 3] == pytest.approx(-logs[1, 3, 30], abs=1e-5)


def test_bert_smooths_the_labels_of_every_task_or_refuses():
    ids = draw_ids(2, 3, 8)
    labels = np.array([0, 1, 1])

    def smoothed(logits, targets, smoothing):
        logs = logits.astype(float) - np.log(np.exp(logits.astype(float)).sum(axis=-1, keepdims=True))
        picked = np.take_along_axis(logs, targets[..., None], -1)[..., 0]
        return float(-((1 - smoothing) * picked + smoothing * logs.mean(axis=-1)).mean())

    batch = MlmBatch(ids, ids, next_sentence=labels)
    loss = MODEL.loss(PARAMS, batch, label_smoothing=0.3)
    expected = smoothed(MODEL.logits(PARAMS, batch), ids, 0.3)
    expected += smoothed(MODEL.next_sentence_logits(PARAMS, batch), labels, 0.3)
    assert loss.mean == pytest.approx(expected, rel=1e-5)
    classes = LabelBatch(ids, labels)
    assert MODEL.loss(PARAMS, classes, label_smoothing=0.3).mean == pytest.approx(
        smoothed(MODEL.logits(PARAMS, classes), labels, 0.3), rel=1e-5
    )
    with pytest.raises(ConfigError, match=r"label_smoothing must be 0 for SpanBatch, got 0\.3"):
        MODEL.loss(PARAMS, SpanBatch(ids, labels, labels), label_smoothing=0.3)


def test_bert_classification_logits_are_those_of_the_loss():
    batch = BATCHES["classification"]()
    logits = MODEL.logits(PARAMS, batch).astype(np.float64)
    assert logits.shape == (3, 3)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert MODEL.loss(PARAMS, batch).mean == pytest.approx(-(logs[0, 2] + logs[2, 0]) / 2, rel=1e-5)


@given(seed=st.integers(0, 99), n_padding=st.integers(1, 6))
@settings(max_examples=20)
def test_bert_does_not_see_padding(seed, n_padding):
    ids = draw_ids(seed, 2, 7)
    padded = np.concatenate([ids, draw_ids(seed + 1, 2, n_padding)], axis=1)
    mask = np.broadcast_to(np.arange(7 + n_padding) < 7, padded.shape).copy()
    np.testing.assert_allclose(MODEL.encode(PARAMS, padded, mask)[:, :7], MODEL.encode(PARAMS, ids), atol=1e-5)
    for pooling in ("mean", "first", "pooler"):
        within = MODEL.embed(PARAMS, padded, mask, pooling=pooling)
        np.testing.assert_allclose(within, MODEL.embed(PARAMS, ids, pooling=pooling), atol=1e-5)
        np.testing.assert_allclose((within**2).sum(1), 1, rtol=1e-5)
    spans = {"starts": np.array([0, 3]), "ends": np.array([5, 6])}
    loss = MODEL.loss(PARAMS, SpanBatch(padded, **spans, mask=mask)).mean
    assert loss == pytest.approx(MODEL.loss(PARAMS, SpanBatch(ids, **spans)).mean, rel=1e-5)


def test_bert_sees_in_both_directions():
    ids = draw_ids(1, 1, 6)
    other = ids.copy()
    other[0, 5] = (ids[0, 5] + 1) % 50
    assert (MODEL.encode(PARAMS, ids)[0, 0] != MODEL.encode(PARAMS, other)[0, 0]).any()


def test_bert_mean_embedding_is_the_mean_of_the_outputs():
    ids = draw_ids(1, 3, 8)
    hidden = MODEL.encode(PARAMS, ids, MASK)
    vectors = MODEL.embed(PARAMS, ids, MASK, is_normalized=False)
    for row in range(3):
        np.testing.assert_allclose(vectors[row], hidden[row, MASK[row]].mean(0), atol=1e-6)


def test_bert_drops_what_a_classifier_reads_by_its_own_rate():
    none = dataclasses.replace(CONFIG, dropout=0.0, attention_dropout=0.0)
    batch = BATCHES["classification"]()

    def loss(config, rng):
        return Bert(config).loss_and_gradients(PARAMS, batch, rng=rng)[0].mean

    plain = loss(none, None)
    for seed in range(3):
        assert loss(none, np.random.default_rng(seed)) == plain
        own = loss(dataclasses.replace(none, classifier_dropout=0.5), np.random.default_rng(seed))
        assert own == loss(dataclasses.replace(none, classifier_dropout=0.5), np.random.default_rng(seed))
        assert own != plain
    with pytest.raises(ConfigError, match="classifier_dropout must be at least 0 and below 1"):
        BertConfig(classifier_dropout=1.0)


def test_bert_learns_to_classify():
    params = MODEL.initialize(seed=3)
    ids = draw_ids(4, 6, 8)
    batch = LabelBatch(ids, np.array([0, 1, 2, 0, 1, 2]))
    rng = np.random.default_rng(1)
    for _ in range(150):
        _, gradients = MODEL.loss_and_gradients(params, batch, rng=rng)
        params = {name: array - 0.1 * gradients.get(name, 0) for name, array in params.items()}
    assert (MODEL.logits(params, batch).argmax(1) == batch.labels).all()


def test_bert_with_other_heads_keeps_its_encoder():
    model, params = MODEL.with_heads(PARAMS, ("pooler", "classification"), seed=5, n_labels=7)
    assert model.config.heads == ("pooler", "classification")
    assert params["classification.weight"].shape == (24, 7)
    assert params["pooler.weight"] is PARAMS["pooler.weight"]
    assert "span.weight" not in params
    ids = draw_ids(1, 2, 5)
    np.testing.assert_array_equal(model.encode(params, ids), MODEL.encode(PARAMS, ids))
    same, kept = MODEL.with_heads(PARAMS, BERT_HEADS, seed=5, n_labels=3)
    assert same == MODEL
    assert all(kept[name] is array for name, array in PARAMS.items())


def test_bert_preset_has_the_published_size():
    assert Bert(BertConfig.preset("bert-base", heads=("pooler",))).n_parameters == 109_482_240


BAD = [
    (lambda: LmBatch(draw_ids(1, 1, 2), draw_ids(1, 1, 2)), "batch must be MlmBatch, LabelBatch or SpanBatch"),
    (lambda: LabelBatch(draw_ids(1, 2, 2), np.array([0, 3])), r"labels must be .* below 3, got 3 at \(1,\)"),
    (lambda: LabelBatch(draw_ids(1, 2, 2), np.array([0])), r"labels must have the shape \(2,\), got \(1,\)"),
    (lambda: SpanBatch(draw_ids(1, 1, 4), np.array([1]), np.array([4])), r"ends must be .* below 4, got 4"),
    (
        lambda: SpanBatch(draw_ids(1, 1, 8), np.array([6]), np.array([6]), mask=MASK[1:2]),
        "starts must name real tokens, got padding 6 in row 0",
    ),
    (
        lambda: MlmBatch(draw_ids(1, 1, 2), draw_ids(1, 1, 2), token_types=np.array([[0, 2]])),
        r"token_types must be .* below 2, got 2 at \(0, 1\)",
    ),
    (
        lambda: MlmBatch(draw_ids(1, 1, 2), draw_ids(1, 1, 2), next_sentence=np.array([2])),
        r"next_sentence must be .* below 2, got 2",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bert_refuses_a_bad_batch(make, message):
    with pytest.raises(ConfigError, match=message):
        MODEL.loss_and_gradients(PARAMS, make())


def test_bert_refuses_a_task_without_head():
    model = Bert(BertConfig(vocab_size=50, d_model=24, n_layers=1, n_heads=3, d_ff=40, heads=("masked_lm",)))
    params = model.initialize(seed=1)
    with pytest.raises(ConfigError, match="heads of this model must have 'classification'"):
        model.loss(params, LabelBatch(draw_ids(1, 1, 2), np.array([0])))
    with pytest.raises(ConfigError, match="heads of this model must have 'pooler'"):
        model.embed(params, draw_ids(1, 1, 2), pooling="pooler")
    with pytest.raises(ConfigError, match="heads must have 'pooler' where they have 'next_sentence'"):
        BertConfig(heads=("next_sentence",))
    with pytest.raises(ConfigError, match="heads must be one of"):
        BertConfig(heads=("token",))
