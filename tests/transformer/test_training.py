"""Training: a function of state, seed and step; resuming to the bit; what stops it; what it records."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
from child_process import run as run_script

from merganser.errors import ConfigError, FormatError, NonFiniteError
from merganser.transformer import (
    IGNORED,
    AdamW,
    ArraySource,
    Bert,
    BertConfig,
    Blocks,
    Constant,
    Cosine,
    Gpt,
    GptConfig,
    LmBatch,
    ParameterGroup,
    Trainer,
    kernels,
    load_checkpoint,
    next_sentence_batch,
    plot_curves,
    read_log,
    save_checkpoint,
)
from merganser.transformer import checkpoint as checkpoint_module
from merganser.transformer.curves import smooth
from merganser.transformer.describing import described
from merganser.transformer.model import not_finite

CONFIG = GptConfig(vocab_size=11, d_model=16, n_layers=2, n_heads=2, d_ff=32, max_positions=12)
MODEL = Gpt(CONFIG)
IDS = np.random.default_rng(0).integers(0, 11, size=400)
N_STEPS = 6


def make_trainer(**options):
    settings = {
        "model": MODEL,
        "batches": Blocks(ArraySource(IDS), n_rows=4, length=8, seed=3),
        "schedule": Cosine(0.02, n_steps=N_STEPS, n_warmup=2),
        "n_steps": N_STEPS,
        "seed": 5,
    }
    return Trainer(**{**settings, **options})


def assert_same_state(got, expected):
    assert got.step == expected.step
    for mine, other in (
        (got.params, expected.params),
        (got.moments.first, expected.moments.first),
        (got.moments.second, expected.moments.second),
    ):
        assert list(mine) == list(other)
        for name in other:
            assert mine[name].dtype == np.float32
            assert mine[name].tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("options", [{}, {"n_threads": 2}, {"accumulation": 2, "label_smoothing": 0.1}])
def test_training_resumes_to_the_bit(tmp_path, options):
    whole = make_trainer(**options).run()
    trainer = make_trainer(**options, checkpoints=tmp_path, checkpoint_every=2)
    first = trainer.start()
    while first.step < 4:
        trainer.step(first)
    save_checkpoint(tmp_path, first, settings=trainer._settings())
    again = make_trainer(**options, checkpoints=tmp_path).resume()
    assert_same_state(again, first)
    assert_same_state(make_trainer(**options, checkpoints=tmp_path).run(again), whole)


def test_training_is_deterministic_and_depends_on_the_seed():
    assert_same_state(make_trainer().run(), make_trainer().run())
    other = make_trainer(seed=6).run()
    assert any((other.params[name] != array).any() for name, array in make_trainer().run().params.items())


def test_training_lowers_the_loss():
    model = Gpt(GptConfig(vocab_size=11, d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=8))
    batches = Blocks(ArraySource(np.arange(300) % 11), n_rows=8, length=8)
    trainer = make_trainer(model=model, batches=batches, schedule=Constant(0.02), n_steps=40)
    state = trainer.start()
    before = trainer.loss(state.params, batches(0)).mean
    after = trainer.loss(trainer.run(state).params, batches(0)).mean
    # The next number is certain.
    assert before > 2
    assert after < 0.1


def test_accumulation_equals_one_large_batch_of_unequal_counts():
    model = Gpt(dataclasses.replace(CONFIG, dropout=0.0, attention_dropout=0.0, embedding_dropout=0.0))
    rng = np.random.default_rng(1)
    inputs, targets = rng.integers(0, 11, size=(2, 4, 8))
    targets[:1, 1:] = IGNORED
    parts = [LmBatch(inputs=inputs[rows], targets=targets[rows]) for rows in (slice(0, 1), slice(1, 4))]
    whole = make_trainer(model=model, batches=lambda _: LmBatch(inputs=inputs, targets=targets), n_steps=1)
    in_parts = make_trainer(model=model, batches=lambda number: parts[number % 2], accumulation=2, n_steps=1)
    one, two = whole.start(), in_parts.start()
    first, second = whole.step(one), in_parts.step(two)
    assert first.n_targets == second.n_targets == 25
    assert first.loss == pytest.approx(second.loss, rel=1e-6)
    assert first.gradient_norm == pytest.approx(second.gradient_norm, rel=1e-5)
    for name, moment in one.moments.first.items():
        np.testing.assert_allclose(two.moments.first[name], moment, rtol=1e-3, atol=1e-7)


def test_threads_give_the_same_gradients_up_to_rounding():
    model = Gpt(dataclasses.replace(CONFIG, dropout=0.0, attention_dropout=0.0, embedding_dropout=0.0))
    states = []
    for n_threads in (1, 2, 3):
        trainer = make_trainer(model=model, n_threads=n_threads)
        states.append(trainer.start())
        trainer.step(states[-1])
    for state in states[1:]:
        for name, moment in states[0].moments.first.items():
            np.testing.assert_allclose(state.moments.first[name], moment, rtol=1e-3, atol=1e-7)


def test_clipping_bounds_what_the_optimizer_sees():
    trainer = make_trainer(clip_norm=1e-3)
    state = trainer.start()
    assert trainer.step(state).gradient_norm > 1e-3
    total = sum(float(np.square(moment).sum()) for moment in state.moments.first.values())
    # The first moment is a tenth of the first gradient.
    assert np.sqrt(total) == pytest.approx(1e-4, rel=1e-3)


def test_loss_that_is_not_finite_stops_with_step_and_layer():
    trainer = make_trainer()
    state = trainer.start()
    trainer.step(state)
    state.params["blocks.1.feed_forward.up.weight"][:] = 1e30
    state.params["blocks.1.feed_forward.down.weight"][:] = 1e30
    before = {name: array.copy() for name, array in state.params.items()}
    with pytest.raises(NonFiniteError, match=r"step 1: .*blocks\.1\.feed_forward"):
        trainer.run(state)
    assert state.step == 1
    for name, array in before.items():
        np.testing.assert_array_equal(state.params[name], array)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.01, "0.01"])
def test_rate_that_is_none_is_refused_and_the_state_kept(tmp_path, wrong):
    trainer = make_trainer(
        schedule=lambda step: 0.01 if step < 3 else wrong, checkpoints=tmp_path, checkpoint_every=1, n_kept=1
    )
    state = trainer.start()
    with pytest.raises(ConfigError, match="step 3: schedule must give a rate that is finite and not negative, got"):
        trainer.run(state)
    assert_same_state(trainer.resume(), state)
    assert not_finite(state.params) is None


@pytest.mark.parametrize("has_kernels", [False, True])
@pytest.mark.parametrize("checkpoint_every", [1, 6])
def test_parameters_beyond_float32_are_neither_saved_nor_returned(tmp_path, monkeypatch, has_kernels, checkpoint_every):
    monkeypatch.setattr(kernels, "IS_ENABLED", has_kernels)
    trainer = make_trainer(
        schedule=lambda step: 0.01 if step != 3 else 3e38,
        checkpoints=tmp_path,
        checkpoint_every=checkpoint_every,
        n_kept=1,
    )
    # Of two rates apart, the error names the one that did it, also where only the next loss shows it.
    with pytest.raises(
        NonFiniteError, match=r"step 3: after the update at rate 3e\+38 the parameter '.*' is not finite"
    ):
        trainer.run()
    assert checkpoint_module.checkpoint_steps(tmp_path) == ([3] if checkpoint_every == 1 else [])
    with pytest.raises(NonFiniteError, match="step 0: after the update"):
        make_trainer(schedule=Constant(3e38), n_steps=1).run()


def test_moment_beyond_float32_is_not_saved(tmp_path):
    class Steep:
        config = CONFIG
        initialize = staticmethod(MODEL.initialize)

        def loss_and_gradients(self, params, batch, **options):
            loss, gradients = MODEL.loss_and_gradients(params, batch, **options)
            gradients["final_norm.bias"][:] = 1e25
            return loss, gradients

    trainer = make_trainer(model=Steep(), clip_norm=None, checkpoints=tmp_path, checkpoint_every=1)
    with pytest.raises(NonFiniteError, match=r"step 0: .* the second moment of 'final_norm\.bias' is not finite"):
        trainer.run()
    assert not checkpoint_module.checkpoint_steps(tmp_path)


def test_gradient_that_is_not_finite_stops_with_step_and_parameter():
    class Broken:
        config = CONFIG
        initialize = staticmethod(MODEL.initialize)

        def loss_and_gradients(self, params, batch, **options):
            loss, gradients = MODEL.loss_and_gradients(params, batch, **options)
            gradients["blocks.0.attention.qkv.weight"][0, 0] = np.nan
            return loss, gradients

    trainer = make_trainer(model=Broken())
    with pytest.raises(NonFiniteError, match=r"step 0: .*blocks\.0\.attention\.qkv\.weight"):
        trainer.run()


def test_next_sentences_alone_can_be_learned():
    model = Bert(BertConfig(vocab_size=40, d_model=16, n_layers=1, n_heads=2, d_ff=32, max_positions=16))
    documents = [[[10 * document + sentence] * 3 for sentence in range(3)] for document in range(1, 4)]

    def batches(number):
        rng = np.random.default_rng(number)
        return next_sentence_batch(documents, rng=rng, n_rows=4, length=12, cls_id=1, sep_id=2, pad_id=0)

    trainer = make_trainer(model=model, batches=batches)
    state = trainer.start()
    report = trainer.step(state)
    assert report.n_targets == 4
    assert report.loss == pytest.approx(np.log(2), rel=0.2)
    assert report.gradient_norm > 0


def test_batch_without_targets_is_refused_with_its_step():
    batch = LmBatch(inputs=np.zeros((1, 4), int), targets=np.full((1, 4), IGNORED))
    with pytest.raises(ConfigError, match="step 0"):
        make_trainer(batches=lambda _: batch).run()


def test_log_holds_every_step_once_whatever_was_interrupted(tmp_path):
    log = tmp_path / "log.jsonl"
    options = {"checkpoints": tmp_path / "checkpoints", "checkpoint_every": 2, "log": log}
    evaluated = {"evaluate": lambda params: float(len(params)), "evaluate_every": 3}

    class Interrupted(Exception):
        pass

    def interrupt(done, total, phase):
        assert total == N_STEPS
        assert phase.startswith("train: loss ")
        if done == 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        make_trainer(**options, **evaluated).run(progress=interrupt)
    with log.open("a") as file:
        file.write('{"step": 99')
    trainer = make_trainer(**options, **evaluated)
    state = trainer.resume()
    assert state.step == 4
    trainer.run(state)
    records = read_log(log)
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record["step"] for record in records if "evaluation" in record] == [3, 6]
    whole = tmp_path / "whole.jsonl"
    make_trainer(log=whole).run()
    for mine, other in zip(records, read_log(whole), strict=True):
        assert [mine[key] for key in ("loss", "rate", "gradient_norm", "n_targets")] == [
            other[key] for key in ("loss", "rate", "gradient_norm", "n_targets")
        ]
    log.write_text('{"step": 1, "loss": 1.0}\nnonsense\n')
    with pytest.raises(FormatError, match="line 2"):
        read_log(log)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_evaluation_that_is_not_finite_is_null_in_the_log(tmp_path, number):
    log = tmp_path / "log.jsonl"
    # Of an earlier training, as Python writes it.
    log.write_text(f'{{"step": 0, "loss": 1.0, "evaluation": {json.dumps(number)}}}\n')
    make_trainer(log=log, evaluate=lambda params: number, evaluate_every=3).run()

    def refuse(constant):
        raise AssertionError(constant)

    lines = [json.loads(line, parse_constant=refuse) for line in log.read_text().splitlines()]
    assert lines == read_log(log)
    assert [record["step"] for record in lines if "evaluation" in record] == [0, 3, 6]
    assert all(record["evaluation"] is None for record in lines if "evaluation" in record)
    pytest.importorskip("matplotlib")
    plot_curves({"one": log}, tmp_path / "curves.svg")
    svg = (tmp_path / "curves.svg").read_text()
    assert "one, smoothed" in svg
    assert "held out" not in svg


def test_log_that_is_not_text_is_refused(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"step"\xff')
    for call in (lambda: read_log(log), lambda: make_trainer(log=log).run()):
        with pytest.raises(FormatError, match=r"log\.jsonl: is not the log of a training: not UTF-8 at byte 7"):
            call()


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    records = [{"step": step, "loss": 3.0 / step, "rate": 0.1} for step in range(1, 20)]
    records[9]["evaluation"] = 1.0
    plot_curves({"one": records, "two": records[:5]}, tmp_path / "curves.svg")
    svg = (tmp_path / "curves.svg").read_text()
    assert svg.startswith("<?xml")
    assert "nats per target" in svg or "<path" in svg
    plot_curves({"one": records}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"


def test_smoothed_curve_neither_lags_nor_heeds_what_is_not_finite():
    line = np.linspace(5.0, 1.0, 101)
    # In the middle of a straight fall, a mean of the past would be 9 steps late.
    assert smooth(line, 0.9)[50] == pytest.approx(3.0)
    np.testing.assert_allclose(smooth([2.0, float("nan"), 2.0, float("inf"), 2.0], 0.5), 2.0)
    np.testing.assert_array_equal(smooth([3.0, 1.0], 0.0), [3.0, 1.0])
    assert smooth([9.0, 3.0, 1.0], 0.9)[0] == 9.0
    # Near the ends a straight fall stays one, up to the last loss.
    np.testing.assert_allclose(smooth(line[:20], 0.9), line[:20])
    assert np.isnan(smooth([float("nan")], 0.9)).all()


def test_checkpoints_are_kept_as_many_as_asked(tmp_path):
    make_trainer(checkpoints=tmp_path, checkpoint_every=1, n_kept=3).run()
    assert checkpoint_module.checkpoint_steps(tmp_path) == [4, 5, 6]
    state, _ = load_checkpoint(tmp_path, step=4)
    assert state.step == 4
    with pytest.raises(FileNotFoundError, match="step 1"):
        load_checkpoint(tmp_path, step=1)


def test_run_refuses_a_folder_of_later_checkpoints(tmp_path):
    make_trainer(checkpoints=tmp_path).run()
    with pytest.raises(FileExistsError, match="step 6"):
        make_trainer(checkpoints=tmp_path).run()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"seed": 6}, "seed"),
        ({"n_threads": 2}, "n_threads"),
        ({"batches": Blocks(ArraySource(IDS), n_rows=4, length=8, seed=4)}, "batches .*seed=3.*, not .*seed=4"),
        ({"batches": Blocks(ArraySource(IDS[:-1]), n_rows=4, length=8, seed=3)}, "batches .*n_tokens=400"),
        ({"batches": lambda _: None}, "batches .*, not a function"),
        ({"optimizer": AdamW(beta2=0.98)}, "optimizer"),
        ({"model": Gpt(GptConfig(vocab_size=12, d_model=16, n_layers=2, n_heads=2, d_ff=32))}, "model"),
    ],
)
def test_resume_refuses_other_settings(tmp_path, options, word):
    make_trainer(checkpoints=tmp_path).run()
    with pytest.raises(ConfigError, match=f"made with {word}"):
        make_trainer(checkpoints=tmp_path, **options).resume()
    # Equal loaders are made anew in each process.
    assert make_trainer(checkpoints=tmp_path).resume().step == N_STEPS


@dataclasses.dataclass
class MyLoader:
    """A loader of a user's: neither of its fields is written the same in another process, or short."""

    source: object
    rows: list

    def __call__(self, number):
        return Blocks(ArraySource(np.array(self.rows)), n_rows=2, length=8)(number)


class DescribedLoader(MyLoader):
    def describe(self):
        return f"mine of {len(self.rows)}"


def test_loaders_of_others_resume_by_what_they_describe(tmp_path):
    class Unlike(ArraySource):
        __repr__ = object.__repr__

    def loader(kind, n=400):
        return kind(Unlike(IDS), IDS[:n].tolist())

    for kind in (MyLoader, DescribedLoader):
        folder = tmp_path / kind.__name__
        make_trainer(batches=loader(kind), checkpoints=folder).run()
        assert make_trainer(batches=loader(kind), checkpoints=folder).resume().step == N_STEPS
    _, settings = load_checkpoint(tmp_path / "MyLoader")
    assert settings["batches"] == "a function"
    with pytest.raises(ConfigError, match="batches mine of 400, not mine of 399"):
        make_trainer(batches=loader(DescribedLoader, 399), checkpoints=folder).resume()


RATE = """
import functools, numpy as np
from merganser.transformer import *

def rate(step, peak=0.01):
    return peak

class Rates:
    def rate(self, step):
        return 0.01

    __call__ = rate

model = Gpt(GptConfig(vocab_size=11, d_model=8, n_layers=1, n_heads=2, d_ff=8, max_positions=8))
batches = Blocks(ArraySource(np.arange(99) % 11), n_rows=2, length=4)
schedules = (rate, lambda step: 0.01, functools.partial(rate, peak=0.02), Rates().rate, Rates())
trainers = [
    Trainer(model=model, batches=batches, schedule=schedule, n_steps=1, checkpoints=f"{FOLDER}/{number}")
    for number, schedule in enumerate(schedules)
]
"""


def test_training_by_a_function_resumes_in_another_process(tmp_path):
    script = f"FOLDER = {os.fspath(tmp_path)!r}{RATE}"
    run_script(script + "[trainer.run() for trainer in trainers]\nprint(0)")
    # Another seed of hashes, other addresses.
    steps = run_script(script + "print([trainer.resume().step for trainer in trainers])", PYTHONHASHSEED="7")
    assert steps == [1] * 5


def test_resume_tells_functions_apart_by_their_names(tmp_path):
    def rate(step):
        return 0.01

    def other(step):
        return 0.01

    make_trainer(schedule=rate, checkpoints=tmp_path).run()
    assert make_trainer(schedule=rate, checkpoints=tmp_path).resume().step == N_STEPS
    with pytest.raises(ConfigError, match=r"made with schedule .*test_training\.\S*\.rate, not .*\.other"):
        make_trainer(schedule=other, checkpoints=tmp_path).resume()


def test_training_resumes_whatever_types_its_numbers_have(tmp_path):
    groups = (ParameterGroup(".*bias", weight_decay=0.0), ParameterGroup(".*norm.*", rate_scale=0.5))
    make_trainer(checkpoints=tmp_path, optimizer=AdamW(beta2=0.98, groups=groups)).run()
    groups = (
        ParameterGroup(".*bias", weight_decay=np.float64(0.0)),
        ParameterGroup(".*norm.*", rate_scale=np.float64(0.5)),
    )
    options = {
        "schedule": Cosine(np.float64(0.02), n_steps=np.int64(N_STEPS), n_warmup=np.int32(2)),
        "seed": np.int64(5),
        "n_threads": np.int64(1),
        "clip_norm": np.float32(1.0),
        "optimizer": AdamW(beta2=np.float64(0.98), groups=groups),
    }
    assert make_trainer(checkpoints=tmp_path, **options).resume().step == N_STEPS
    # What is described goes on as what was saved: the form is that of dataclasses.
    assert described(options["schedule"]) == repr(Cosine(0.02, n_steps=N_STEPS, n_warmup=2))
    assert described(groups[:1]) == repr((ParameterGroup(".*bias", weight_decay=0.0),))


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_interrupted_checkpoint_keeps_the_last_good_one(tmp_path, monkeypatch, failing):
    trainer = make_trainer(checkpoints=tmp_path)
    state = trainer.start()
    trainer.step(state)
    save_checkpoint(tmp_path, state, settings={}, n_kept=1)
    good = {name: array.copy() for name, array in state.params.items()}
    trainer.step(state)
    calls = []

    def fail(*arguments):
        calls.append(arguments)
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path, state, settings={}, n_kept=1)
    monkeypatch.undo()
    assert calls
    assert os.listdir(tmp_path) == ["step-000000001"]
    found, _ = load_checkpoint(tmp_path)
    for name, array in good.items():
        np.testing.assert_array_equal(found.params[name], array)


def test_killed_process_leaves_nothing_that_loads(tmp_path):
    trainer = make_trainer(checkpoints=tmp_path)
    state = trainer.start()
    place = save_checkpoint(tmp_path, state, settings={})
    shutil.copytree(place, tmp_path / ".unfinished-abc")
    assert checkpoint_module.checkpoint_steps(tmp_path) == [0]
    with pytest.raises(FileExistsError):
        save_checkpoint(tmp_path, state, settings={})


def test_next_checkpoint_removes_what_a_killed_process_left(tmp_path):
    script = f"""
    import os, signal
    from merganser.transformer import checkpoint, Moments
    checkpoint.sha256_of = lambda path: os.kill(os.getpid(), signal.SIGKILL)
    state = checkpoint.TrainingState(step=1, params={{}}, moments=Moments(first={{}}, second={{}}))
    checkpoint.save_checkpoint({os.fspath(tmp_path)!r}, state, settings={{}})
    """
    with pytest.raises(AssertionError, match="ended with -9"):
        run_script(script)
    assert [name.startswith(".unfinished-") for name in os.listdir(tmp_path)] == [True]
    save_checkpoint(tmp_path, make_trainer().start(), settings={})
    assert os.listdir(tmp_path) == ["step-000000000"]


def test_checkpoint_leaves_alone_what_another_writer_is_at(tmp_path, monkeypatch):
    one, two = make_trainer().start(), make_trainer().start()
    two.step = 1
    write = checkpoint_module.write_tensors

    def write_beside_another(path, arrays):
        monkeypatch.setattr(checkpoint_module, "write_tensors", write)
        write(path, arrays)
        save_checkpoint(tmp_path, two, settings={})

    monkeypatch.setattr(checkpoint_module, "write_tensors", write_beside_another)
    save_checkpoint(tmp_path, one, settings={})
    assert checkpoint_module.checkpoint_steps(tmp_path) == [0, 1]
    for state in (one, two):
        assert_same_state(load_checkpoint(tmp_path, step=state.step)[0], state)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("fault", ["truncated", "changed", "missing"])
def test_damaged_checkpoint_is_refused_by_its_file(tmp_path, name, fault):
    place = save_checkpoint(tmp_path, make_trainer().start(), settings={})
    path = place / name
    data = bytearray(path.read_bytes())
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 3 if name != "checkpoint.json" else 0] ^= 1
        path.write_bytes(data)
    with pytest.raises(FormatError, match=name.replace(".", r"\.")):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"step": 3},
        {"step": "0"},
        {"settings": 1},
        {"settings": {"seed": 1}},
        {"files": {}},
        {"files": []},
    ],
)
def test_hostile_head_is_refused(tmp_path, change):
    place = save_checkpoint(tmp_path, make_trainer().start(), settings={})
    path = place / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match="checkpoint"):
        load_checkpoint(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(FormatError, match="checkpoint"):
        load_checkpoint(tmp_path)


def test_start_copies_pretrained_parameters():
    params = MODEL.initialize(seed=1)
    kept = {name: array.copy() for name, array in params.items()}
    trainer = make_trainer(n_steps=1)
    trainer.run(trainer.start(params))
    for name, array in kept.items():
        np.testing.assert_array_equal(params[name], array)


def test_bad_settings_are_refused_by_name():
    for name, value in (
        ("n_steps", 0),
        ("accumulation", 0),
        ("n_threads", 0),
        ("clip_norm", 0.0),
        ("label_smoothing", 1.0),
        ("checkpoint_every", 2),
        ("n_steps", 2.5),
        ("n_threads", "2"),
        ("seed", -1),
        ("seed", 0.5),
        ("batches", [1]),
        ("schedule", 0.01),
        ("optimizer", "adam"),
        ("optimizer", AdamW),
    ):
        with pytest.raises(ConfigError, match=f"{name} "):
            make_trainer(**{name: value})
    with pytest.raises(ConfigError, match="checkpoints"):
        make_trainer().resume()
