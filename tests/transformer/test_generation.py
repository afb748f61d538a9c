"""Writing: equal to recomputing everything for each token, and drawn from the distribution it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merganser.errors import ConfigError, NonFiniteError
from merganser.transformer import (
    T5,
    Bert,
    BertConfig,
    Gpt,
    GptConfig,
    LmBatch,
    Sampling,
    Seq2Seq,
    Seq2SeqBatch,
    Seq2SeqConfig,
    T5Config,
    beam_search,
    generate,
    stream,
)

VOCAB = 23
SIZES = {"vocab_size": VOCAB, "d_model": 16, "n_layers": 2, "n_heads": 2, "d_ff": 32}
GPT = Gpt(GptConfig(**SIZES, max_positions=40))
PAIR_MODELS = {
    "seq2seq": Seq2Seq(Seq2SeqConfig(**SIZES, n_decoder_layers=2, max_positions=40, start_id=1)),
    "t5": T5(T5Config(**SIZES, n_decoder_layers=2, d_head=8, start_id=1)),
}
PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5]]


def spread(params):
    """Parameters large enough that tokens differ clearly."""
    return {name: array * (8 if array.ndim > 1 else 1) for name, array in params.items()}


GPT_PARAMS = spread(GPT.initialize(seed=0))


def naive_greedy(model, params, prompt, n, *, penalty=1.0, stops=()):
    """One token after the other, each from a forward pass over all."""
    is_pair = hasattr(model, "encode")
    written = [1] if is_pair else list(prompt)
    start = len(written)
    for _ in range(n):
        ids = np.array([written])
        batch = (
            Seq2SeqBatch(source=np.array([prompt]), target_inputs=ids, targets=ids)
            if is_pair
            else LmBatch(inputs=ids, targets=ids)
        )
        logits = model.logits(params, batch)[0, -1].astype(np.float64)
        for token in set(written):
            logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
        written.append(int(np.argmax(logits)))
        if written[-1] in stops:
            break
    return written[start:]


def test_generate_equals_recomputing_everything():
    got = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=20)
    expected = [naive_greedy(GPT, GPT_PARAMS, prompt, 20) for prompt in PROMPTS]
    assert [row.tolist() for row in got] == expected
    assert len({tuple(row) for row in expected}) == 3


@pytest.mark.parametrize("name", PAIR_MODELS)
def test_generate_answers_a_source(name):
    model = PAIR_MODELS[name]
    params = spread(model.initialize(seed=0))
    got = generate(model, params, PROMPTS, max_new_tokens=12)
    expected = [naive_greedy(model, params, prompt, 12) for prompt in PROMPTS]
    assert [row.tolist() for row in got] == expected


def test_generate_stops_each_row_at_its_own_stop_id():
    stops = set(naive_greedy(GPT, GPT_PARAMS, PROMPTS[0], 20)[6:7])
    got = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=20, stop_ids=stops)
    expected = [naive_greedy(GPT, GPT_PARAMS, prompt, 20, stops=stops) for prompt in PROMPTS]
    assert [row.tolist() for row in got] == expected
    assert len({len(row) for row in expected}) > 1


def test_generate_penalises_what_was_written():
    sampling = Sampling(temperature=0.0, repetition_penalty=3.0)
    got = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=15, sampling=sampling)
    assert [row.tolist() for row in got] == [naive_greedy(GPT, GPT_PARAMS, p, 15, penalty=3.0) for p in PROMPTS]
    assert [row.tolist() for row in got] != [naive_greedy(GPT, GPT_PARAMS, p, 15) for p in PROMPTS]


def test_stream_gives_tokens_as_they_are_chosen():
    whole = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=6)
    for step, tokens in enumerate(stream(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=6)):
        assert tokens == {row: int(ids[step]) for row, ids in enumerate(whole)}


def test_sampled_rows_do_not_depend_on_their_company():
    sampling = Sampling(temperature=0.8, top_k=10, seed=4)
    together = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=10, sampling=sampling)
    first = generate(GPT, GPT_PARAMS, PROMPTS[:1], max_new_tokens=10, sampling=sampling)
    assert together[0].tolist() == first[0].tolist()
    other = generate(GPT, GPT_PARAMS, PROMPTS[:1], max_new_tokens=10, sampling=Sampling(temperature=0.8, seed=5))
    assert other[0].tolist() != first[0].tolist()


def test_sampling_draws_from_the_distribution():
    n = 4000
    logits = np.tile(np.array([[2.0, 1.0, 0.5, -1.0, -np.inf]]), (n, 1))
    sampling = Sampling(temperature=1.5)
    drawn = sampling.choose(logits, rows=np.arange(n), step=0)
    expected = np.exp(logits[0] / 1.5) / np.exp(logits[0] / 1.5).sum()
    counts = np.bincount(drawn, minlength=5)
    assert counts[4] == 0
    # Pearson's statistic has 3 degrees of freedom; above 16.3 once in a thousand.
    assert ((counts - n * expected)[:4] ** 2 / (n * expected[:4])).sum() < 16.3
    np.testing.assert_array_equal(drawn[7:9], sampling.choose(logits[:2], rows=np.array([7, 8]), step=0))


def naive_filter(logits, top_k, top_p, min_p):
    """Sets of tokens, one filter after the other."""
    kept = set(range(len(logits)))

    def probabilities():
        total = sum(np.exp(logits[token]) for token in kept)
        return {token: np.exp(logits[token]) / total for token in kept}

    if top_k is not None:
        least = sorted(logits)[-min(top_k, len(logits))]
        kept = {token for token in kept if logits[token] >= least}
    if top_p is not None:
        total, chosen = 0.0, set()
        for token, probability in sorted(probabilities().items(), key=lambda item: -item[1]):
            if total < top_p:
                chosen.add(token)
            total += probability
        kept = chosen
    if min_p is not None:
        found = probabilities()
        kept = {token for token in kept if found[token] >= min_p * max(found.values())}
    return kept


@given(
    logits=st.lists(st.integers(-40, 40), min_size=1, max_size=12, unique=True),
    top_k=st.none() | st.integers(1, 14),
    top_p=st.none() | st.sampled_from([0.1, 0.5, 0.9, 0.99]),
    min_p=st.none() | st.sampled_from([0.01, 0.3, 1.0]),
)
def test_filters_match_naive(logits, top_k, top_p, min_p):
    logits = [value / 10 for value in logits]
    sampling = Sampling(top_k=top_k, top_p=top_p, min_p=min_p)
    probabilities = sampling.probabilities(np.array([logits]))[0]
    assert set(np.flatnonzero(probabilities).tolist()) == naive_filter(logits, top_k, top_p, min_p)
    assert probabilities.sum() == pytest.approx(1.0)


def test_top_k_keeps_equals():
    probabilities = Sampling(top_k=2).probabilities(np.array([[1.0, 3.0, 3.0, 3.0]]))
    assert np.count_nonzero(probabilities) == 3


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature must be a number, got 'hot'"),
        ({"temperature": None}, "temperature must be a number, got None"),
        ({"top_k": 2.5}, "top_k must be a whole number, got 2.5"),
        ({"top_k": "3"}, "top_k must be a whole number, got '3'"),
        ({"top_p": "0.5"}, "top_p must be a number, got '0.5'"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"min_p": 1.5}, "min_p"),
        ({"repetition_penalty": 0.0}, "repetition_penalty"),
        ({"repetition_penalty": 1e-320}, "repetition_penalty must be from 1e-200 to 1e\\+200, got 1e-320"),
        ({"repetition_penalty": 1e300}, "repetition_penalty"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty"),
    ],
)
def test_bad_sampling_is_refused_by_name(options, word):
    with pytest.raises(ConfigError, match=word):
        Sampling(**options)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 3e38])
@pytest.mark.parametrize("temperature", [5e-324, 1e-308, 1e-200])
@pytest.mark.parametrize("filters", [{}, {"top_k": 3, "top_p": 0.9, "min_p": 0.1}])
def test_a_tiny_temperature_takes_the_largest(scale, temperature, filters):
    logits = np.random.default_rng(0).standard_normal((50, 16)) * scale / 4
    logits[0, 3] = logits[0, 5] = 1.1 * logits[0].max()
    sampling = Sampling(temperature=temperature, **filters)
    drawn = sampling.choose(logits.astype(np.float32), rows=np.arange(50), step=0)
    np.testing.assert_array_equal(drawn[1:], logits[1:].argmax(axis=1))
    assert sampling.probabilities(logits)[0, [3, 5]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("penalty", [1e-200, 1e200])
def test_the_most_extreme_penalty_draws_a_token(penalty):
    logits = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    logits[:, 0] = 3e38
    for seen in (logits > 0, logits < 0, np.ones_like(logits, np.bool_)):
        sampling = Sampling(repetition_penalty=penalty)
        drawn = sampling.choose(logits, rows=np.arange(50), step=0, seen=seen)
        assert (drawn < 16).all()
        np.testing.assert_allclose(sampling.probabilities(logits, seen=seen).sum(axis=1), 1.0)


@pytest.mark.parametrize("row", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]])
def test_what_cannot_be_drawn_from_is_refused(row):
    with pytest.raises(NonFiniteError, match="the largest logit of each row must be a finite number"):
        Sampling().choose(np.array([[1.0, 2.0], row]), rows=np.arange(2), step=0)


def test_top_k_may_be_a_number_of_numpy():
    logits = np.arange(8.0)[None]
    assert np.count_nonzero(Sampling(top_k=np.uint8(3)).probabilities(logits)) == 3


# What each token stands for: a character of two bytes is in two tokens, and no stop string is a token.
PIECES = [b"a", b"b", b"ab", b"\xc3", b"\xa9", b" ", b"c", b"ca", b"bc"]


def decode(ids):
    return b"".join(PIECES[token % len(PIECES)] for token in ids)


def decode_text(ids):
    return decode(ids).decode(errors="replace")


@pytest.mark.parametrize("decoder", [decode, decode_text])
@pytest.mark.parametrize("stop_strings", [["bc"], ["ab", " c"], ["\N{LATIN SMALL LETTER E WITH ACUTE}", "cab"]])
@pytest.mark.parametrize("name", ["gpt", *PAIR_MODELS])
def test_generate_stops_each_row_where_its_text_completes_a_stop_string(name, stop_strings, decoder):
    model = PAIR_MODELS.get(name, GPT)
    params = spread(model.initialize(seed=0))
    # None ends in half a character, which would be the new text's for a decoder to text.
    prompts = [[seed, 3, 5 + seed] for seed in range(7)] + [[9], [2, 6]]
    sampling = Sampling(temperature=9.0, seed=3)
    whole = generate(model, params, prompts, max_new_tokens=20, sampling=sampling)
    got = generate(
        model,
        params,
        prompts,
        max_new_tokens=20,
        sampling=sampling,
        stop_strings=stop_strings,
        decode=decoder,
    )
    lengths = []
    for row, expected in zip(got, whole, strict=True):
        texts = [decode(expected[:n].tolist()).decode(errors="replace") for n in range(len(expected) + 1)]
        ends = [n for n, text in enumerate(texts) if any(stop in text for stop in stop_strings)]
        lengths.append(min(ends, default=len(expected)))
        assert row.tolist() == expected[: lengths[-1]].tolist()
    assert min(lengths) < 20


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(temperature=2.0, top_k=5, seed=2)])
def test_banned_ids_are_never_chosen(sampling):
    whole = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=20, sampling=sampling)
    banned = sorted({int(row[0]) for row in whole} | {int(row[7]) for row in whole})
    got = generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=20, sampling=sampling, banned_ids=banned)
    found = beam_search(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=20, n_beams=3, banned_ids=banned)
    for ids in [*got, *(hypothesis.ids for row in found for hypothesis in row)]:
        assert not np.isin(ids, banned).any()


def test_banning_an_id_changes_nothing_where_another_is_likelier():
    (first, second, third) = (int(row[0]) for row in generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=1))
    assert second not in (first, third)
    got = [int(row[0]) for row in generate(GPT, GPT_PARAMS, PROMPTS, max_new_tokens=1, banned_ids=[second])]
    assert (got[0], got[2]) == (first, third)
    assert got[1] != second


def test_stop_strings_and_stop_ids_end_a_row_together():
    prompts = [[seed, 3] for seed in range(6)]
    options = {"max_new_tokens": 20, "sampling": Sampling(seed=1)}
    by_text = generate(GPT, GPT_PARAMS, prompts, **options, stop_strings=["ab"], decode=decode)
    by_id = generate(GPT, GPT_PARAMS, prompts, **options, stop_ids=[4])
    both = generate(GPT, GPT_PARAMS, prompts, **options, stop_strings=["ab"], decode=decode, stop_ids=[4])
    lengths = [(len(text), len(id)) for text, id in zip(by_text, by_id, strict=True)]
    assert any(text < id for text, id in lengths)
    assert any(id < text for text, id in lengths)
    assert [len(row) for row in both] == [min(pair) for pair in lengths]
    with pytest.raises(ConfigError, match="stop_strings need decode"):
        generate(GPT, GPT_PARAMS, prompts, max_new_tokens=1, stop_strings=["ab"])
    for bad in ("ab", "", [b"ab"]):
        for given_decode in (None, decode):
            with pytest.raises(ConfigError, match="stop_strings must be a sequence"):
                generate(GPT, GPT_PARAMS, prompts, max_new_tokens=1, stop_strings=bad, decode=given_decode)


def test_ids_that_can_be_gone_through_once_are_heeded():
    stops = naive_greedy(GPT, GPT_PARAMS, PROMPTS[0], 20)[6:7]
    options = {"max_new_tokens": 20, "stop_ids": stops, "banned_ids": [stops[0] - 1]}
    once = {**options, "stop_ids": iter(stops), "banned_ids": iter(options["banned_ids"])}
    got, expected = (generate(GPT, GPT_PARAMS, PROMPTS, **given) for given in (once, options))
    assert [row.tolist() for row in got] == [row.tolist() for row in expected]
    assert len(expected[0]) < 20
    once |= {"stop_ids": iter(stops), "banned_ids": iter(options["banned_ids"])}
    got, expected = (beam_search(GPT, GPT_PARAMS, PROMPTS, **given) for given in (once, options))
    assert [[h.ids.tolist() for h in row] for row in got] == [[h.ids.tolist() for h in row] for row in expected]


@pytest.mark.parametrize("name", ["gpt", *PAIR_MODELS])
def test_wrong_arguments_are_refused_before_the_model_reads(name, monkeypatch):
    model = PAIR_MODELS.get(name, GPT)
    params = model.initialize(seed=0)

    def read(*_arguments, **_options):
        raise AssertionError("the model has read")

    for method in ("step", "encode"):
        if hasattr(model, method):
            monkeypatch.setattr(type(model), method, read)
    wrong = [
        ({"max_new_tokens": 2.5}, "max_new_tokens must be a whole number, got 2.5"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1, got 0"),
        *(({ids: [3, 1.7]}, f"{ids} must be a whole number, got 1.7") for ids in ("stop_ids", "banned_ids")),
        *(({ids: ["3"]}, f"{ids} must be a whole number, got '3'") for ids in ("stop_ids", "banned_ids")),
        *(({ids: 3}, f"{ids} must be a collection of ids, got int") for ids in ("stop_ids", "banned_ids")),
        *(({ids: [3, VOCAB]}, f"{ids} must be at least 0 .*, got {VOCAB}") for ids in ("stop_ids", "banned_ids")),
        ({"banned_ids": range(VOCAB)}, "banned_ids must leave an id"),
    ]
    for options, message in wrong:
        for search in (generate, beam_search):
            with pytest.raises(ConfigError, match=message):
                search(model, params, PROMPTS, **{"max_new_tokens": 1, **options})
    with pytest.raises(ConfigError, match="stop_strings must be"):
        generate(model, params, PROMPTS, max_new_tokens=1, stop_strings=[""], decode=decode)
    with pytest.raises(ConfigError, match="n_beams must be a whole number"):
        beam_search(model, params, PROMPTS, max_new_tokens=1, n_beams=1.5)


@pytest.mark.parametrize("lacking", ["step", "start_cache", "check_parameters", "config"])
def test_a_model_that_lacks_what_writing_needs_is_refused(lacking):
    names = {"step", "start_cache", "check_parameters", "config"} - {lacking}
    model = type("Mine", (), {name: getattr(GPT, name) for name in names})()
    with pytest.raises(ConfigError, match=r"model must write token by token, .* got Mine"):
        generate(model, GPT_PARAMS, PROMPTS, max_new_tokens=1)


@pytest.mark.parametrize("name", ["gpt", *PAIR_MODELS])
def test_parameters_that_are_broken_or_not_the_models_are_refused(name):
    model = PAIR_MODELS.get(name, GPT)
    params = model.initialize(seed=0)
    broken = next(key for key in params if key.endswith("feed_forward.up.weight") and "encoder" not in key)
    for search in (generate, beam_search):
        with pytest.raises(NonFiniteError, match=f"parameter '{broken}' is not finite"):
            search(model, params | {broken: params[broken] * np.nan}, PROMPTS, max_new_tokens=2)
        with pytest.raises(ConfigError, match=f"parameters lack '{broken}'"):
            search(model, {key: array for key, array in params.items() if key != broken}, PROMPTS, max_new_tokens=2)
    norm = "final_norm.weight" if name == "gpt" else "decoder.final_norm.weight"
    with pytest.raises(NonFiniteError, match="numbers overflow on the way"):
        generate(model, params | {norm: np.full_like(params[norm], 3e38)}, PROMPTS, max_new_tokens=2)


def test_bad_prompts_and_models_are_refused():
    with pytest.raises(ConfigError, match=r"whole numbers, got float64 .* in row 1"):
        generate(GPT, GPT_PARAMS, [[1], [1.7, 2.0]], max_new_tokens=1)
    with pytest.raises(ConfigError, match="whole numbers"):
        generate(GPT, GPT_PARAMS, "text", max_new_tokens=1)
    for search in (generate, beam_search):
        for bad in (-1, VOCAB):
            for name in ("stop_ids", "banned_ids"):
                with pytest.raises(ConfigError, match=rf"{name} must be .* got {bad}"):
                    search(GPT, GPT_PARAMS, [[1]], max_new_tokens=1, **{name: [3, bad]})
        with pytest.raises(ConfigError, match="banned_ids must leave an id"):
            search(GPT, GPT_PARAMS, [[1]], max_new_tokens=1, banned_ids=range(VOCAB))
    with pytest.raises(ConfigError, match="prompts"):
        generate(GPT, GPT_PARAMS, [[]], max_new_tokens=1)
    with pytest.raises(ConfigError, match="prompts"):
        generate(GPT, GPT_PARAMS, [], max_new_tokens=1)
    with pytest.raises(ConfigError, match="max_new_tokens"):
        generate(GPT, GPT_PARAMS, [[1]], max_new_tokens=0)
    bert = Bert(BertConfig(**SIZES))
    with pytest.raises(ConfigError, match="Bert"):
        generate(bert, bert.initialize(seed=0), [[1]], max_new_tokens=1)


@pytest.mark.parametrize("search", [generate, beam_search])
@pytest.mark.parametrize("name", ["gpt", *PAIR_MODELS])
def test_prompts_that_do_not_fit_are_refused_in_the_terms_of_the_caller(search, name):
    model = PAIR_MODELS.get(name, GPT)
    params = model.initialize(seed=0)

    def check(prompts, message, max_new_tokens=1):
        with pytest.raises(ConfigError, match=message):
            search(model, params, prompts, max_new_tokens=max_new_tokens)

    for prompts in ([1, 2, 3], np.array([1, 2, 3]), 5, None, (iter(()))):
        check(prompts, r"prompts must be a list of lists of ids, such as \[\[1, 2\], \[3\]\], got")
    check([[1, 2, 3], [99]], f"below vocab_size {VOCAB}, got 99 at prompt 1, token 0")
    check([[1], [1, 2, -3]], f"below vocab_size {VOCAB}, got -3 at prompt 1, token 2")
    if name == "gpt":
        check([[1], [1] * 30], r"must be at most 41 together, .* has 40 positions .*, got 30 \+ 12", 12)
        assert [len(row) for row in search(model, params, [[1], [1] * 30], max_new_tokens=11)]
    elif name == "seq2seq":
        check([[1], [1] * 41], "must each be at most the 40 positions of the model, got 41 and 1")
        check([[1]], "must each be at most the 40 positions of the model, got 1 and 41", 41)
    else:
        assert search(model, params, [[1] * 50], max_new_tokens=2)
