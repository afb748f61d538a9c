"""Bits per byte: the accounting of bytes, the fairness of windows, intervals, and the command."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

import merganser as mg
from merganser import cli
from merganser.errors import ConfigError, TextError
from merganser.lm import LmSettings, compare_bits_per_byte
from merganser.lm.statistics import bootstrap_bits_per_byte, interval
from merganser.lm.streams import encode_stream, split_documents
from merganser.transformer import Gpt, GptConfig, LmBatch
from merganser.transformer.evaluation import bits_per_byte, row_batch, score_rows, sliding_windows

WORDS = ["cat", "dog", "naïve", "日本語", "🙂", "sat", "on", "the", "mat"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, size=int(RNG.integers(3, 30)))) + f" {number}" for number in range(60)]
SMALL = LmSettings(
    train_bytes=6_000,
    held_out_bytes=1_500,
    context_bytes=32,
    n_rows=8,
    seeds=(0, 1),
    d_model=16,
    n_layers=1,
    n_heads=2,
    d_ff=32,
    rate=0.01,
    n_threads=1,
)


@pytest.fixture(scope="module")
def tokenizers():
    return {
        "bytes": mg.train_bpe(TEXTS, vocab_size=257, special_tokens=["<|end|>"]),
        "merged": mg.train_bpe(TEXTS, vocab_size=300),
    }


@pytest.fixture(scope="module")
def comparison(tokenizers):
    return compare_bits_per_byte(tokenizers, TEXTS, settings=SMALL)


@given(st.integers(0, 300), st.integers(2, 50))
def test_windows_score_every_byte_once_with_half_a_window_before(n_bytes, context_bytes):
    scored = []
    for window in sliding_windows(n_bytes, context_bytes):
        assert window.stop - window.start <= context_bytes
        assert window.start <= window.first_scored < window.stop
        assert window.start == 0 or window.first_scored - window.start >= context_bytes // 2
        scored += range(window.first_scored, window.stop)
    assert scored == list(range(n_bytes))


def test_scores_are_those_of_a_naive_sum():
    model = Gpt(GptConfig(vocab_size=12, d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=16))
    params = {name: array * 5 for name, array in model.initialize(seed=0).items()}
    rng = np.random.default_rng(1)
    rows = [(rng.integers(0, 11, size=int(n)), int(n) // 3) for n in rng.integers(1, 14, size=9)]
    rows.append((np.array([3, 4]), 2))
    got = score_rows(model, params, rows, start_id=11, n_batch_tokens=30)
    for (ids, n_context), nats in zip(rows, got, strict=True):
        inputs = np.array([[11, *ids[:-1]]])
        logits = model.logits(params, LmBatch(inputs=inputs, targets=inputs))[0].astype(np.float64)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = -sum(logs[place, ids[place]] for place in range(n_context, len(ids)))
        assert nats == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_uniform_model_has_the_bits_of_its_vocabulary(tokenizers):
    # With all parameters zero, every token costs ln V.
    stream = encode_stream("merged", tokenizers["merged"], [TEXTS[0].encode()], n_threads=1)
    model = Gpt(GptConfig(vocab_size=301, d_model=8, n_layers=1, n_heads=2, d_ff=8, max_positions=512))
    zeros = {name: np.zeros_like(array) for name, array in model.initialize(seed=0).items()}
    (nats,) = score_rows(model, zeros, [(stream.ids[0], 0)], start_id=300)
    n_bytes = len(TEXTS[0].encode())
    assert bits_per_byte(float(nats), n_bytes) == pytest.approx(math.log2(301) * len(stream.ids[0]) / n_bytes, rel=1e-6)


def test_start_token_is_never_a_target():
    batch = row_batch([(np.array([1, 2, 3]), 0), (np.array([4]), 0)], start_id=9)
    assert not (batch.targets == 9).any()
    assert (batch.inputs[:, 0] == 9).all()


def test_stream_starts_are_the_bytes_of_the_text(tokenizers):
    texts = [text.encode() for text in TEXTS]
    for name, tokenizer in tokenizers.items():
        stream = encode_stream(name, tokenizer, texts, n_threads=1)
        assert stream.n_lossy == 0
        for document, text in enumerate(texts):
            ends = [*stream.starts[document][1:].tolist(), len(text)]
            for token, start, end in zip(stream.ids[document], stream.starts[document], ends, strict=True):
                assert tokenizer.token_bytes(int(token)) == text[start:end]
            pieces = [stream.cut(document, start, start + 7) for start in range(0, len(text), 7)]
            assert np.concatenate(pieces).tolist() == tokenizer.encode(text)


SPIECE = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True}
WITH_SPACE_IN_FRONT = {
    "unigram": lambda: mg.train_unigram(TEXTS, vocab_size=300, byte_fallback=True),
    "sentencepiece": lambda: mg.train_sentencepiece(TEXTS, vocab_size=300, model_type="bpe", **SPIECE),
}


@pytest.mark.parametrize("name", WITH_SPACE_IN_FRONT)
def test_stream_of_a_tokenizer_that_puts_a_space_in_front_is_not_lossy(name):
    tokenizer = WITH_SPACE_IN_FRONT[name]()
    texts = [text.encode() for text in [*TEXTS, "two  spaces\n\tand a tab ", "Ω is not in the vocabulary"]]
    stream = encode_stream(name, tokenizer, texts, n_threads=1)
    assert stream.n_lossy == 0
    for document, text in enumerate(texts):
        ids, starts = stream.ids[document], stream.starts[document]
        assert ids.tolist() == tokenizer.encode(text)
        assert starts[0] == 0
        # What follows a start is what the token stands for, but for the space in front of the text.
        for place in range(1, len(ids)):
            token = tokenizer.token_bytes(int(ids[place]))
            if len(token) > 1:
                assert text[starts[place] :].startswith(token)


def test_comparison_marks_and_does_not_crown_what_loses_text(tokenizers):
    texts = [f"{'THE' if number % 2 else 'the'} cat sat on mat {number}" for number in range(60)]
    lossy = mg.train_wordpiece(texts, vocab_size=60)
    settings = dataclasses.replace(SMALL, seeds=(0,))
    comparison = compare_bits_per_byte({"bert": lossy, **tokenizers}, texts, settings=settings)
    assert [row.is_lossy for row in comparison] == [True, False, False]
    assert comparison["bert"].n_lossy == 30
    assert "bert (lossy): 30 documents cannot be restored" in str(comparison)
    data = json.loads(comparison.to_json())
    assert [row["is_lossy"] for row in data["tokenizers"]] == [True, False, False]
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    console.print(comparison)
    green = [line for line in console.file.getvalue().splitlines() if "[1;32m" in line]
    assert len(green) == 1
    assert green[0].startswith(("bytes", "merged"))


def test_stream_of_a_normalizing_tokenizer_is_lossy_and_keeps_every_token():
    tokenizer = mg.train_bpe(TEXTS, vocab_size=260, normalizer="nfc")
    texts = ["cafe\u0301 cafe\u0301".encode(), b"plain"]
    stream = encode_stream("nfc", tokenizer, texts, n_threads=1)
    assert stream.n_lossy == 1
    for document, text in enumerate(texts):
        assert stream.cut(document, 0, len(text)).tolist() == tokenizer.encode(text)


def test_split_shares_nothing_and_drops_copies():
    split = split_documents([*TEXTS, TEXTS[3], "", TEXTS[5]], held_out_bytes=900, seed=0)
    assert split.n_duplicates == 2
    assert sorted([*split.training, *split.held_out]) == sorted(text.encode() for text in TEXTS)
    assert 900 <= sum(map(len, split.held_out)) < 900 + max(len(text.encode()) for text in TEXTS)
    again = split_documents(TEXTS, held_out_bytes=900, seed=0)
    assert again.held_out == split.held_out
    assert split_documents(TEXTS, held_out_bytes=900, seed=1).held_out != split.held_out


def test_split_never_holds_out_most_of_the_text():
    split = split_documents(TEXTS, held_out_bytes=10**9, seed=0)
    assert sum(map(len, split.held_out)) < sum(map(len, split.training))


def test_comparison_trains_on_the_same_bytes(comparison, tokenizers):
    bytes_row, merged_row = comparison
    assert bytes_row.train_bytes == merged_row.train_bytes
    assert bytes_row.n_steps == merged_row.n_steps
    assert bytes_row.train_tokens == bytes_row.train_bytes
    assert merged_row.train_tokens < bytes_row.train_tokens
    assert bytes_row.train_flops > merged_row.train_flops
    assert bytes_row.n_bytes == merged_row.n_bytes == bytes_row.n_tokens
    assert bytes_row.n_body_parameters == merged_row.n_body_parameters
    assert bytes_row.n_embedding_parameters == (257 + 1) * 16
    for row in comparison:
        # A uniform choice of bytes costs 8 bits; nine words in any order cost far less.
        assert 0.3 < row.bits_per_byte < 5
        assert row.low <= row.bits_per_byte <= row.high
        assert not row.is_lossy
        assert row.fingerprint == tokenizers[row.name].fingerprint
    assert (bytes_row.difference, bytes_row.difference_low) == (0.0, 0.0)
    assert merged_row.difference == pytest.approx(merged_row.bits_per_byte - bytes_row.bits_per_byte)
    assert merged_row.difference_low <= merged_row.difference <= merged_row.difference_high


def test_comparison_is_the_ratio_of_its_records(comparison):
    data = json.loads(comparison.to_json())
    for row in data["tokenizers"]:
        records = [record for record in data["records"] if record["tokenizer"] == row["name"]]
        assert [record["seed"] for record in records] == [0, 1]
        mean = sum(record["nats"] for record in records) / 2
        assert row["bits_per_byte"] == pytest.approx(mean / math.log(2) / row["n_bytes"])
        for record in records:
            assert sum(record["document_nats"]) == pytest.approx(record["nats"])
    assert "bits per byte" in str(comparison)
    assert comparison["merged"] is comparison[1]
    with pytest.raises(KeyError):
        comparison["absent"]


def test_comparison_is_deterministic(comparison, tokenizers):
    again = compare_bits_per_byte(tokenizers, TEXTS, settings=SMALL)
    assert again.to_dict() == comparison.to_dict()


def test_truncation_and_padding_are_left_out(tokenizers):
    settings = dataclasses.replace(SMALL, train_bytes=600, seeds=(0,))
    plain = tokenizers["merged"]
    cut = plain.with_truncation(mg.Truncation(max_length=3)).with_padding(mg.Padding(token="a"))
    got, expected = (compare_bits_per_byte({"merged": tok}, TEXTS, settings=settings) for tok in (cut, plain))
    assert got.to_dict() == expected.to_dict()


def test_budget_of_flops_equals_arithmetic(tokenizers):
    settings = dataclasses.replace(SMALL, budget="flops", seeds=(0,))
    first, second = compare_bits_per_byte(tokenizers, TEXTS, settings=settings)
    assert second.n_steps > first.n_steps
    assert second.train_flops == pytest.approx(first.train_flops, rel=0.5 / first.n_steps + 0.05)


def test_progress_counts_all_steps(tokenizers):
    seen = []
    compare_bits_per_byte(tokenizers, TEXTS, settings=SMALL, progress=lambda *report: seen.append(report))
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)}


def test_bootstrap_covers_what_it_should():
    rng = np.random.default_rng(3)
    n_bytes = rng.integers(50, 150, size=40)
    hard = rng.gamma(4.0, size=40)
    nats = np.stack([np.tile(n_bytes * hard, (3, 1)), np.tile(n_bytes * hard * 0.99, (3, 1))])
    samples = bootstrap_bits_per_byte(nats, n_bytes)
    low, high = interval(samples[0])
    figure = nats[0, 0].sum() / math.log(2) / n_bytes.sum()
    assert low < figure < high
    assert high - low > 0.2 * figure
    # A hundredth less on every document is certain, however far documents differ.
    difference_low, difference_high = interval(samples[1] - samples[0])
    assert difference_high < 0
    assert difference_low > -0.02 * figure


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"train_bytes": 0}, "train_bytes"),
        ({"train_bytes": 10**300}, "train_bytes must be at least 1 and less than"),
        ({"context_bytes": 1}, "context_bytes"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (1, 1)}, "seeds"),
        ({"budget": "tokens"}, "budget"),
        ({"n_heads": 3}, "n_heads must divide d_model 128, got 3"),
        ({"n_layers": 0}, "n_layers"),
        ({"rate": -1.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
    ],
)
def test_bad_settings_are_refused_by_name(options, word):
    with pytest.raises(ConfigError, match=word):
        LmSettings(**options)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *((flag, value) for flag in ("--train-mb", "--held-out-kb") for value in ("inf", "1e300", "nan", "-1", "0")),
        ("--width", "10"),
        ("--width", "2147483648"),
        ("--layers", "5000"),
        ("--context-bytes", "10000000000"),
    ],
)
def test_command_refuses_a_bad_number_by_its_flag(flag, value, tmp_path):
    # There are no such files: what is refused is refused before they are looked for.
    arguments = ["lm", "--tokenizer", str(tmp_path / "no.json"), "--text", str(tmp_path / "no.txt"), flag, value]
    refused = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}).invoke(cli.app, arguments)
    assert refused.exit_code == 2
    assert f"Invalid value for '{flag}'" in refused.stderr
    assert "multiple of 4" in refused.stderr or (flag, value) != ("--width", "10")


def test_bad_text_is_refused(tokenizers):
    with pytest.raises(ConfigError, match="3 different documents"):
        compare_bits_per_byte(tokenizers, ["a", "b", "a"], settings=SMALL)
    with pytest.raises(TextError, match="document 1: invalid UTF-8 at byte 0"):
        compare_bits_per_byte(tokenizers, ["a", b"\xff"], settings=SMALL)


def test_command_shows_what_the_library_measures(tokenizers, tmp_path):
    for name, tokenizer in tokenizers.items():
        tokenizer.save(tmp_path / f"{name}.json")
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    arguments = ["lm", "--text", str(tmp_path / "texts.jsonl"), "--train-mb", "0.004", "--held-out-kb", "1"]
    arguments += ["--context-bytes", "32", "--seeds", "1", "--width", "16", "--layers", "1", "--threads", "1"]
    for name in tokenizers:
        arguments += ["--tokenizer", str(tmp_path / f"{name}.json")]
    runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"})
    shown = runner.invoke(cli.app, arguments)
    assert shown.exit_code == 0, shown.output
    data = json.loads(runner.invoke(cli.app, [*arguments, "--json"]).stdout)
    for row in data["tokenizers"]:
        assert row["name"] in shown.stdout
        assert f"{row['bits_per_byte']:.4f}" in shown.stdout
    (tmp_path / "one.txt").write_text(TEXTS[0])
    arguments[2] = str(tmp_path / "one.txt")
    refused = runner.invoke(cli.app, arguments)
    assert refused.exit_code == 1
    assert "separator" in refused.stderr
