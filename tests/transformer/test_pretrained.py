"""Published weights: round trips of every family, the freedoms that files take, and what is refused."""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import hub_server
import numpy as np
import pytest

from merganser.errors import ConfigError, FormatError, MissingDependencyError, UnsupportedError
from merganser.transformer import (
    T5,
    Bert,
    BertConfig,
    Gpt,
    GptConfig,
    Seq2Seq,
    Seq2SeqConfig,
    T5Config,
    load_pretrained,
    pretrained,
    save_pretrained,
)
from merganser.transformer.configs import BERT_HEADS
from merganser.transformer.tensor_file import TensorFile, write_tensors

SIZES = {"vocab_size": 30, "d_model": 12, "n_layers": 2, "n_heads": 3, "d_ff": 20}
PAIR = {**SIZES, "n_decoder_layers": 1}
MARIAN = {**PAIR, "max_positions": 9, "norm_position": "post", "positions": "sinusoidal_halves"}
MODELS = {
    "gpt": Gpt(GptConfig(**SIZES, max_positions=9)),
    "gpt_relu": Gpt(GptConfig(**SIZES, max_positions=9, activation="relu", dropout=0.0, norm_epsilon=1e-6)),
    "bert": Bert(BertConfig(**SIZES, max_positions=9)),
    "bert_classes": Bert(BertConfig(**SIZES, max_positions=9, heads=("pooler", "classification"), n_labels=4)),
    "bert_every_head": Bert(BertConfig(**SIZES, max_positions=9, heads=BERT_HEADS)),
    "bert_bare": Bert(BertConfig(**SIZES, max_positions=9, heads=())),
    "t5": T5(T5Config(**PAIR, d_head=5)),
    "t5_gated": T5(
        T5Config(**PAIR, is_gated=True, activation="gelu_tanh", is_output_tied=False, is_output_scaled=False)
    ),
    "t5_silu": T5(T5Config(**PAIR, is_gated=True, activation="silu")),
    "marian": Seq2Seq(Seq2SeqConfig(**MARIAN, has_output_bias=True, activation="silu")),
    "marian_without_bias": Seq2Seq(Seq2SeqConfig(**MARIAN, is_embedding_scaled=False)),
}


def draw_params(model, seed=1):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in model.shapes().items()}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", MODELS)
def test_loading_undoes_saving(name, dtype, tmp_path):
    model = MODELS[name]
    params = draw_params(model)
    save_pretrained(tmp_path, model, params, dtype=dtype)
    loaded, found = load_pretrained(tmp_path)
    assert loaded == model
    assert list(found) == list(params)
    for key, array in params.items():
        assert found[key].dtype == np.float32
        assert found[key].flags.c_contiguous
        if dtype == "float32":
            np.testing.assert_array_equal(found[key], array)
        else:
            np.testing.assert_allclose(found[key], array, rtol=2.0**-8 if dtype == "bfloat16" else 2.0**-11, atol=1e-7)


def test_loading_undoes_saving_when_sharded(tmp_path):
    model = MODELS["bert"]
    params = draw_params(model)
    save_pretrained(tmp_path, model, params, max_shard_bytes=3000)
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert len(files) > 3
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    assert max(path.stat().st_size for path in tmp_path.glob("*.safetensors")) < 6000
    loaded, found = load_pretrained(tmp_path)
    assert loaded == model
    for key, array in params.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("sizes", [(1 << 30, 3000), (3000, 1 << 30), (1500, 3000), (3000, 3000)])
def test_saving_replaces_what_was_saved_before(sizes, tmp_path):
    model = MODELS["gpt"]
    (tmp_path / "tokenizer.json").write_text("{}")
    for seed, size in enumerate(sizes):
        params = draw_params(model, seed)
        save_pretrained(tmp_path, model, params, max_shard_bytes=size)
    check_same(tmp_path, model, params)
    files = {path.name for path in tmp_path.iterdir()}
    assert ("model.safetensors" in files) != ("model.safetensors.index.json" in files)
    assert len({name[len("model-00001") :] for name in files if name.startswith("model-")}) <= 1
    assert "tokenizer.json" in files


@pytest.mark.parametrize("sizes", [(1 << 30, 1 << 30), (8000, 8000), (1 << 30, 8000), (8000, 1 << 30)])
def test_interrupted_saving_leaves_the_old_model_or_one_that_is_refused(sizes, tmp_path, monkeypatch):
    old, new = MODELS["gpt"], Gpt(dataclasses.replace(MODELS["gpt"].config, norm_epsilon=1e-3))
    old_params, new_params = draw_params(old, 0), draw_params(new, 1)
    left = 0

    def interrupted(function):
        def run(*arguments, **options):
            nonlocal left
            if left == 0:
                raise OSError(28, "No space left on device")
            left -= 1
            return function(*arguments, **options)

        return run

    outcomes, messages = [], set()
    while "new" not in outcomes:
        folder = tmp_path / str(len(outcomes))
        save_pretrained(folder, old, old_params, max_shard_bytes=sizes[0])
        left = len(outcomes)
        with monkeypatch.context() as patch:
            for owner, name in (
                (pretrained, "write_tensors"),
                (pretrained, "_write_json"),
                (pretrained, "force_folder_to_disk"),
                (Path, "unlink"),
                (Path, "rename"),
            ):
                patch.setattr(owner, name, interrupted(getattr(owner, name)))
            with contextlib.suppress(OSError):
                save_pretrained(folder, new, new_params, max_shard_bytes=sizes[1])
        try:
            model, params = load_pretrained(folder)
        except FormatError as error:
            messages.add(str(error).removeprefix(str(folder)))
            outcomes.append("refused")
            continue
        outcomes.append("old" if model == old else "new")
        expected = old_params if model == old else new_params
        assert all(np.array_equal(array, expected[name]) for name, array in params.items())
    assert messages == {": has no config.json; where saving was interrupted, save again"}
    # All that is written to disk is written while the old model stands.
    assert outcomes == sorted(outcomes, key=["old", "refused", "new"].index)
    assert outcomes.count("old") >= (3 if sizes[1] > 8000 else 5)
    check_same(folder, new, new_params)


def test_failed_saving_leaves_no_file_behind(tmp_path):
    model = MODELS["gpt"]
    params = draw_params(model)
    save_pretrained(tmp_path, model, params)
    before = sorted(tmp_path.iterdir())
    name = next(name for name in params if name.startswith("blocks.1"))
    with pytest.raises(ConfigError, match="65504"):
        save_pretrained(tmp_path, model, params | {name: params[name] + 1e6}, dtype="float16", max_shard_bytes=3000)
    assert sorted(tmp_path.iterdir()) == before
    check_same(tmp_path, model, params)


def rewrite(folder, change, config=None):
    """Change the tensors of a folder by a function, and some fields of its configuration."""
    path = folder / "model.safetensors"
    file = TensorFile(path)
    write_tensors(path, change({name: file[name] for name in file}))
    if config:
        place = folder / "config.json"
        place.write_text(json.dumps({**json.loads(place.read_text()), **config}))


def check_same(folder, model, params):
    loaded, found = load_pretrained(folder)
    assert loaded == model
    for key, array in params.items():
        np.testing.assert_array_equal(found[key], array)


def test_gpt_loads_as_the_hub_has_it(tmp_path):
    model = MODELS["gpt"]
    params = draw_params(model)
    save_pretrained(tmp_path, model, params)

    def change(tensors):
        tensors = {name.removeprefix("transformer."): array for name, array in tensors.items()}
        constants = {f"h.{index}.attn.bias": np.tri(9, dtype=np.float32)[None, None] for index in range(2)}
        return {**tensors, **constants, "lm_head.weight": tensors["wte.weight"]}

    rewrite(tmp_path, change, {"n_inner": None, "n_ctx": 9, "task_specific_params": {"a": 1}})
    with pytest.raises(FormatError, match=r"'h.0.mlp.c_fc.weight' must have the shape \(12, 48\), got \(12, 20\)"):
        load_pretrained(tmp_path)
    rewrite(tmp_path, lambda tensors: tensors, {"n_inner": 20})
    check_same(tmp_path, model, params)


def test_bert_loads_with_old_names_and_without_prefix(tmp_path):
    model = Bert(BertConfig(**SIZES, max_positions=9, heads=("pooler",)))
    params = draw_params(model)
    save_pretrained(tmp_path, model, params)

    def change(tensors):
        renamed = {}
        for name, array in tensors.items():
            old = name.removeprefix("bert.").replace("LayerNorm.weight", "LayerNorm.gamma")
            renamed[old.replace("LayerNorm.bias", "LayerNorm.beta")] = array
        return renamed | {"embeddings.position_ids": np.arange(9)[None]}

    rewrite(tmp_path, change)
    check_same(tmp_path, model, params)


def test_t5_loads_with_repeated_embeddings(tmp_path):
    model = MODELS["t5"]
    params = draw_params(model)
    save_pretrained(tmp_path, model, params)
    old = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"

    def change(tensors):
        shared = tensors.pop("shared.weight")
        return {**tensors, "encoder.embed_tokens.weight": shared, "decoder.embed_tokens.weight": shared, old: shared}

    rewrite(tmp_path, change)
    check_same(tmp_path, model, params)


def without(name):
    return lambda tensors: {key: array for key, array in tensors.items() if key != name}


def changed(name, array):
    return lambda tensors: {**tensors, name: array(tensors)}


FAULTS = [
    ("gpt", without("transformer.h.1.ln_2.bias"), {}, FormatError, "tensor 'transformer.h.1.ln_2.bias' is missing"),
    (
        "gpt",
        changed("transformer.wte.weight", lambda _: np.ones((29, 12), np.float32)),
        {},
        FormatError,
        r"'transformer.wte.weight' must have the shape \(30, 12\), got \(29, 12\)",
    ),
    (
        "bert",
        changed("bert.pooler.dense.weight", lambda _: np.ones((12, 12), np.int64)),
        {},
        FormatError,
        "'bert.pooler.dense.weight' must be of floats, got int64",
    ),
    (
        "gpt",
        changed("score.weight", lambda _: np.ones((2, 12), np.float32)),
        {},
        UnsupportedError,
        "tensor 'score.weight' belongs to nothing that is computed here",
    ),
    (
        "gpt",
        changed("lm_head.weight", lambda tensors: tensors["transformer.wte.weight"] + 1),
        {},
        UnsupportedError,
        "tensor 'lm_head.weight' must equal 'transformer.wte.weight', to which it is tied",
    ),
    ("gpt", dict, {"model_type": "llama"}, UnsupportedError, "model_type must be one of gpt2, .*, got 'llama'"),
    ("gpt", dict, {"model_type": ["gpt2"]}, UnsupportedError, "model_type must be one of"),
    ("gpt", dict, {"scale_attn_weights": False}, UnsupportedError, "scale_attn_weights must be True, got 'False'"),
    ("gpt", dict, {"activation_function": "mish"}, UnsupportedError, "activation_function must be one of .*'mish'"),
    ("gpt", dict, {"n_head": 5}, FormatError, "config.json: n_heads must divide d_model 12, got 5"),
    ("gpt", dict, {"n_layer": 10**15}, FormatError, "config.json: n_layers must be .*, got 1000000000000000"),
    ("gpt", dict, {"n_layer": 3}, FormatError, "tensor 'transformer.h.2.ln_1.weight' is missing"),
    ("gpt", dict, {"n_layer": 10**6}, FormatError, "config.json: n_layers must be at most 4096, got 1000000"),
    ("gpt", dict, {"n_layer": 4096}, FormatError, "tensor 'transformer.h.2.ln_1.weight' is missing"),
    ("gpt", dict, {"n_embd": "12"}, FormatError, "config.json: d_model must be a whole number"),
    ("gpt", dict, {"resid_pdrop": "much"}, FormatError, "config.json: dropout must be at least 0"),
    ("bert", dict, {"position_embedding_type": "relative_key"}, UnsupportedError, "position_embedding_type must be"),
    (
        "bert_classes",
        dict,
        {"architectures": ["BertForTokenClassification"]},
        UnsupportedError,
        "BertForTokenClassification is not computed here",
    ),
    (
        "bert_classes",
        without("bert.pooler.dense.weight"),
        {},
        UnsupportedError,
        "a classifier without a pooler, such as BertForTokenClassification, is not computed here",
    ),
    ("gpt", dict, {"n_embd": {}, "n_inner": None}, FormatError, "config.json: d_model must be a whole number"),
    ("gpt", dict, {"n_embd": 1 << 31}, FormatError, "of at least 1 and below 2147483648, got 2147483648"),
    ("t5", dict, {"feed_forward_proj": "gated-mish"}, UnsupportedError, "feed_forward_proj must be one of"),
    ("marian", dict, {"decoder_ffn_dim": 21}, UnsupportedError, "decoder_ffn_dim must be that of the encoder, 20"),
    ("marian", dict, {"normalize_before": True}, UnsupportedError, "normalize_before must be False, got 'True'"),
]


@pytest.mark.parametrize(("name", "change", "config", "error", "message"), FAULTS)
def test_a_folder_that_does_not_fit_is_refused_by_name(name, change, config, error, message, tmp_path):
    save_pretrained(tmp_path, MODELS[name], draw_params(MODELS[name]))
    rewrite(tmp_path, change, config)
    with pytest.raises(error, match=message):
        load_pretrained(tmp_path)


# What a hostile or careless file may hold in any field.
ODD = [None, True, "", "12", "A" * 100_000, [], {}, [12], {"a": 1}, 0, -1, 1 << 40, 1e300, 0.5, float("nan")]


@pytest.mark.parametrize("name", ["gpt", "bert_classes", "t5_gated", "marian"])
def test_any_field_of_any_type_is_read_or_refused_in_few_words(name, tmp_path):
    save_pretrained(tmp_path, MODELS[name], draw_params(MODELS[name]))
    place = tmp_path / "config.json"
    config = json.loads(place.read_text())
    changes = [{field: odd} for field in (*config, "num_labels", "decoder_vocab_size") for odd in ODD]
    changes += [{"n_embd": odd, "n_inner": None} for odd in ODD]
    messages = []
    for change in changes:
        place.write_text(json.dumps(config | change))
        try:
            load_pretrained(tmp_path)
        except FormatError as error:
            messages.append(str(error).replace(str(tmp_path), ""))
    assert max(map(len, messages)) < 400


def test_the_number_of_classes_is_found_as_transformers_finds_it(tmp_path):
    model = MODELS["bert_classes"]
    save_pretrained(tmp_path, model, draw_params(model))
    rewrite(tmp_path, dict, {"id2label": None, "num_labels": 4})
    assert load_pretrained(tmp_path)[0] == model
    rewrite(tmp_path, dict, {"id2label": {str(number): "x" for number in range(4)}, "num_labels": 7})
    assert load_pretrained(tmp_path)[0] == model
    rewrite(tmp_path, dict, {"id2label": {}})
    with pytest.raises(FormatError, match="n_labels must be"):
        load_pretrained(tmp_path)
    save_pretrained(tmp_path, MODELS["bert"], draw_params(MODELS["bert"]))
    rewrite(tmp_path, dict, {"id2label": {}})
    assert load_pretrained(tmp_path)[0] == MODELS["bert"]


def test_the_dropout_of_a_classifier_is_kept(tmp_path):
    config = BertConfig(**SIZES, max_positions=9, heads=("pooler", "classification"), classifier_dropout=0.5)
    save_pretrained(tmp_path, Bert(config), draw_params(Bert(config)))
    assert json.loads((tmp_path / "config.json").read_text())["classifier_dropout"] == 0.5
    assert load_pretrained(tmp_path)[0].config == config
    rewrite(tmp_path, dict, {"classifier_dropout": None})
    assert load_pretrained(tmp_path)[0].config.classifier_dropout is None


def test_a_folder_without_its_files_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"has no config\.json"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(FormatError, match=r"has neither model\.safetensors nor model\.safetensors\.index\.json"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("nothing")
    with pytest.raises(FormatError, match="not valid JSON"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"a": "../secret.safetensors"}, "'../secret.safetensors' is not a file of this folder"),
        ({"a": "missing.safetensors"}, "'missing.safetensors' is not a file of this folder"),
        ({"a": "m" * 300}, f"'{'m' * 100}...' is not a file of this folder"),
        ({"a": "\0"}, "is not a file of this folder"),
        ({"a": 3}, "weight_map must give a file for each tensor"),
        (["a"], "weight_map must give a file for each tensor"),
        ({"a": "one.safetensors"}, "tensor 'a' is not in one.safetensors"),
    ],
)
def test_a_hostile_index_is_refused(places, message, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_tensors(tmp_path / "secret.safetensors", {"a": np.ones(3)})
    write_tensors(folder / "one.safetensors", {"b": np.ones(3)})
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    with pytest.raises(FormatError, match=message):
        load_pretrained(folder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Seq2Seq(Seq2SeqConfig(**PAIR, max_positions=9)), "norm_position must be 'post' for Marian's files, got 'pre'"),
        (Gpt(GptConfig(**SIZES, max_positions=9, activation="tanh")), "activation must be one of"),
        (T5(T5Config(**PAIR, is_gated=True, activation="gelu")), "gated T5 with the exact gelu has no published form"),
    ],
)
def test_saving_refuses_what_has_no_published_form(model, message, tmp_path):
    with pytest.raises(UnsupportedError, match=message):
        save_pretrained(tmp_path / "new", model, draw_params(model))
    assert not (tmp_path / "new").exists()


def publish(folder, name):
    """Return the files of a folder by their paths on the hub, with some that are not read."""
    files = {f"{name}/resolve/main/{path.name}": path.read_bytes() for path in folder.iterdir()}
    for other in ("model.fp16.safetensors", "onnx/model.safetensors", "pytorch_model.bin"):
        files[f"{name}/resolve/main/{other}"] = b"not to be fetched"
    return files


@pytest.mark.parametrize("n_bytes", [1 << 30, 8000])
def test_of_a_repository_only_what_is_read_is_fetched(n_bytes, tmp_path):
    pytest.importorskip("huggingface_hub")
    model = MODELS["gpt"]
    params = draw_params(model)
    save_pretrained(tmp_path / "own", model, params, max_shard_bytes=n_bytes)
    options = {"cache_dir": tmp_path / "cache", "token": "secret"}
    with hub_server.serve(publish(tmp_path / "own", "someone/gpt"), token="secret") as (endpoint, asked):
        loaded, found = load_pretrained("someone/gpt", endpoint=endpoint, **options)
        got = {line.removeprefix("GET someone/gpt/resolve/main/") for line in asked if line.startswith("GET")}
    # Where there is no single file, the answer says so.
    assert got - {"model.safetensors"} <= {path.name for path in (tmp_path / "own").iterdir()} <= got
    assert loaded == model
    assert all(np.array_equal(found[name], array) for name, array in params.items())
    again, _ = load_pretrained("someone/gpt", local_files_only=True, **options)
    assert again == model


def test_a_repository_that_cannot_be_loaded_is_refused_by_name(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    options = {"cache_dir": tmp_path / "cache", "token": False}
    with hub_server.serve({"a/b/resolve/main/config.json": b"{}", "c/resolve/v1/x": b""}) as (endpoint, _):
        with pytest.raises(FormatError, match=r"has neither model\.safetensors nor model\.safetensors\.index\.json"):
            load_pretrained("a/b", endpoint=endpoint, **options)
        with pytest.raises(FormatError, match=r"c: the repository holds no config\.json"):
            load_pretrained("c", revision="v1", endpoint=endpoint, **options)
    with (
        hub_server.serve({"a/b/resolve/main/config.json": b"{}"}, token="secret") as (endpoint, _),
        pytest.raises(hub.errors.GatedRepoError),
    ):
        load_pretrained("a/b", endpoint=endpoint, cache_dir=tmp_path / "other", token=False)
    for name in ("a/b/c", "../up", "a b", "x" * 5000 + "/"):
        with pytest.raises(FormatError, match="is neither a folder nor the name of a repository") as caught:
            load_pretrained(name)
        assert len(str(caught.value)) < 300
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"'someone/gpt': loading by name needs .*merganser\[hub\]"):
        load_pretrained("someone/gpt")


def test_a_hostile_index_of_a_repository_fetches_nothing_outside_its_folder(tmp_path):
    pytest.importorskip("huggingface_hub")
    index = json.dumps({"weight_map": {"a": "onnx/model.safetensors"}}).encode()
    files = {"a/b/resolve/main/config.json": b"{}", "a/b/resolve/main/model.safetensors.index.json": index}
    with hub_server.serve(files) as (endpoint, asked):
        with pytest.raises(FormatError, match=r"'onnx/model\.safetensors' is not a file of this folder"):
            load_pretrained("a/b", endpoint=endpoint, cache_dir=tmp_path, token=False)
        assert not any("onnx" in line for line in asked)
