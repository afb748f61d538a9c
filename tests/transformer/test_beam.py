"""Beam search against trying every sequence, and its rules at the edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from merganser.errors import ConfigError
from merganser.transformer import (
    Gpt,
    GptConfig,
    LmBatch,
    Seq2Seq,
    Seq2SeqBatch,
    Seq2SeqConfig,
    beam_search,
    generate,
)
from merganser.transformer.beam import Hypothesis, _Row, _Rules

VOCAB, STOP, N_NEW = 4, 3, 4
SIZES = {"vocab_size": VOCAB, "d_model": 16, "n_layers": 1, "n_heads": 2, "d_ff": 32, "max_positions": 12}
MODELS = {
    "gpt": Gpt(GptConfig(**SIZES)),
    "seq2seq": Seq2Seq(Seq2SeqConfig(**SIZES, n_decoder_layers=1, start_id=0)),
}
PROMPTS = [[1, 2, 0], [2]]


@pytest.fixture(scope="module", params=MODELS)
def model_and_params(request):
    model = MODELS[request.param]
    return model, {name: array * (10 if array.ndim > 1 else 1) for name, array in model.initialize(seed=3).items()}


def naive_search(model, params, prompt, length_penalty):
    """All sequences that end in the stop id or have `N_NEW` tokens, the best first."""
    found = []
    for n in range(1, N_NEW + 1):
        for ids in itertools.product(range(VOCAB), repeat=n):
            if STOP in ids[:-1] or (ids[-1] != STOP and n < N_NEW):
                continue
            total = log_probability(model, params, prompt, ids)
            found.append((total / n**length_penalty, total, ids))
    return sorted(found, reverse=True)


def log_probability(model, params, prompt, ids):
    if isinstance(model, Gpt):
        inputs = np.array([[*prompt, *ids]])
        logits = model.logits(params, LmBatch(inputs=inputs, targets=inputs))[0, len(prompt) - 1 : -1]
    else:
        inputs = np.array([[0, *ids[:-1]]])
        batch = Seq2SeqBatch(source=np.array([prompt]), target_inputs=inputs, targets=inputs)
        logits = model.logits(params, batch)[0]
    logits = logits.astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return sum(logs[place, token] for place, token in enumerate(ids))


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -1.0])
def test_beam_search_matches_naive_when_beams_hold_everything(model_and_params, length_penalty):
    model, params = model_and_params
    n_beams = VOCAB**N_NEW
    found = beam_search(
        model,
        params,
        PROMPTS,
        max_new_tokens=N_NEW,
        n_beams=n_beams,
        length_penalty=length_penalty,
        stop_ids=[STOP],
    )
    for hypotheses, prompt in zip(found, PROMPTS, strict=True):
        expected = naive_search(model, params, prompt, length_penalty)
        assert len(hypotheses) == len(expected)
        scores = [hypothesis.score for hypothesis in hypotheses]
        np.testing.assert_allclose(scores, [score for score, _, _ in expected], rtol=1e-4, atol=1e-4)
        totals = {tuple(hypothesis.ids.tolist()): hypothesis.log_probability for hypothesis in hypotheses}
        for _, total, ids in expected:
            assert totals[ids] == pytest.approx(total, rel=1e-4, abs=1e-4)
        assert tuple(hypotheses[0].ids.tolist()) == expected[0][2]


def test_one_beam_is_greedy(model_and_params):
    model, params = model_and_params
    found = beam_search(model, params, PROMPTS, max_new_tokens=6, n_beams=1)
    greedy = generate(model, params, PROMPTS, max_new_tokens=6)
    for hypotheses, row in zip(found, greedy, strict=True):
        assert hypotheses[0].ids.tolist() == row.tolist()


def test_rows_do_not_depend_on_their_company(model_and_params):
    model, params = model_and_params
    together = beam_search(model, params, PROMPTS, max_new_tokens=7, n_beams=3, stop_ids=[STOP])
    for row, prompt in enumerate(PROMPTS):
        (alone,) = beam_search(model, params, [prompt], max_new_tokens=7, n_beams=3, stop_ids=[STOP])
        assert [h.ids.tolist() for h in alone] == [h.ids.tolist() for h in together[row]]
        np.testing.assert_allclose([h.score for h in alone], [h.score for h in together[row]], rtol=1e-4)


def test_hypotheses_end_where_they_should(model_and_params):
    model, params = model_and_params
    for hypotheses in beam_search(model, params, PROMPTS, max_new_tokens=5, n_beams=4, stop_ids=[STOP]):
        assert 1 <= len(hypotheses) <= 4
        assert len({tuple(h.ids.tolist()) for h in hypotheses}) == len(hypotheses)
        for hypothesis in hypotheses:
            assert STOP not in hypothesis.ids[:-1]
            assert hypothesis.ids[-1] == STOP or len(hypothesis.ids) == 5
            assert hypothesis.score == pytest.approx(hypothesis.log_probability / len(hypothesis.ids))


@pytest.mark.parametrize(
    ("early_stopping", "total", "length_penalty", "is_done"),
    [
        # At two tokens a running beam of -3 scores -1.5, which beats the worst of the finished, -1.6; -4 does not.
        (True, -3.0, 1.0, True),
        (False, -3.0, 1.0, False),
        (False, -4.0, 1.0, True),
        # At the eight it may have it would score -0.5; where length costs, now is its best.
        ("never", -4.0, 1.0, False),
        ("never", -13.0, 1.0, True),
        ("never", -4.0, -1.0, True),
    ],
)
def test_early_stopping_says_when_a_row_is_done(early_stopping, total, length_penalty, is_done):
    rules = _Rules(8, 2, length_penalty, early_stopping, frozenset())
    finished = [Hypothesis(np.array([1]), score, score) for score in (-1.0, -1.6)]
    assert rules.is_done(_Row([((1, 2), total)], finished), length=2) == is_done
    assert not rules.is_done(_Row([((1, 2), total)], finished[:1]), length=2)
    assert rules.is_done(_Row([], finished[:1]), length=2)


def test_early_stopping_takes_the_first_that_finish():
    model = MODELS["gpt"]
    params = {name: array * (5 if array.ndim > 1 else 1) for name, array in model.initialize(seed=3).items()}
    prompts = [list(prompt) for prompt in itertools.product(range(VOCAB), repeat=2)]
    options = {"max_new_tokens": 8, "n_beams": 2, "stop_ids": [STOP]}
    soon, later = (
        np.array(
            [[h.score for h in row] for row in beam_search(model, params, prompts, **options, early_stopping=early)]
        )
        for early in (True, False)
    )
    assert (soon <= later + 1e-6).all()
    assert (soon < later - 1e-3).any()


def test_length_penalty_favours_long_hypotheses(model_and_params):
    model, params = model_and_params

    def mean_length(penalty):
        found = beam_search(
            model, params, PROMPTS, max_new_tokens=6, n_beams=8, length_penalty=penalty, stop_ids=[STOP]
        )
        return np.mean([len(hypotheses[0].ids) for hypotheses in found])

    assert mean_length(-3.0) < mean_length(8.0)


def test_bad_settings_are_refused_by_name(model_and_params):
    for name, value in (("length_penalty", float("nan")), ("early_stopping", "always"), ("early_stopping", 1)):
        with pytest.raises(ConfigError, match=name):
            beam_search(*model_and_params, PROMPTS, max_new_tokens=1, **{name: value})


@pytest.mark.parametrize("length_penalty", [2000.0, -2000.0, float("inf")])
def test_length_penalty_beyond_what_floats_hold_is_refused(model_and_params, length_penalty):
    for n_tokens in (1, 6):
        with pytest.raises(ConfigError, match=r"length_penalty must leave .* a finite number"):
            beam_search(*model_and_params, PROMPTS, max_new_tokens=n_tokens, length_penalty=length_penalty)
    for largest in (390.0, -390.0):
        found = beam_search(*model_and_params, PROMPTS, max_new_tokens=6, length_penalty=largest)
        assert all(np.isfinite(hypothesis.score) for row in found for hypothesis in row)


def test_no_beams_are_refused(model_and_params):
    with pytest.raises(ConfigError, match="n_beams"):
        beam_search(*model_and_params, PROMPTS, max_new_tokens=1, n_beams=0)
