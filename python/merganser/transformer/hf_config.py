"""Published configurations: `config.json` to our classes and back.

What a file asks for and a model here does not do is refused by name, so that no file is run as something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merganser.errors import ConfigError, FormatError, UnsupportedError
from merganser.transformer.configs import BertConfig, Config, GptConfig, Seq2SeqConfig, T5Config, check_field

_ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
_ACTIVATION_NAMES = {"relu": "relu", "gelu": "gelu", "gelu_tanh": "gelu_new", "silu": "silu"}

# Ours on the left, the published field on the right. A field that a file lacks has the default of our class.
_GPT2 = {
    "vocab_size": "vocab_size",
    "max_positions": "n_positions",
    "d_model": "n_embd",
    "n_layers": "n_layer",
    "n_heads": "n_head",
    "norm_epsilon": "layer_norm_epsilon",
    "dropout": "resid_pdrop",
    "attention_dropout": "attn_pdrop",
    "embedding_dropout": "embd_pdrop",
    "init_std": "initializer_range",
}
_BERT = {
    "vocab_size": "vocab_size",
    "max_positions": "max_position_embeddings",
    "n_token_types": "type_vocab_size",
    "d_model": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "d_ff": "intermediate_size",
    "norm_epsilon": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout",
    "init_std": "initializer_range",
}
_T5 = {
    "vocab_size": "vocab_size",
    "d_model": "d_model",
    "d_head": "d_kv",
    "d_ff": "d_ff",
    "n_layers": "num_layers",
    "n_decoder_layers": "num_decoder_layers",
    "n_heads": "num_heads",
    "n_buckets": "relative_attention_num_buckets",
    "max_distance": "relative_attention_max_distance",
    "norm_epsilon": "layer_norm_epsilon",
    "dropout": "dropout_rate",
    "start_id": "decoder_start_token_id",
}
_MARIAN = {
    "vocab_size": "vocab_size",
    "max_positions": "max_position_embeddings",
    "d_model": "d_model",
    "d_ff": "encoder_ffn_dim",
    "n_layers": "encoder_layers",
    "n_decoder_layers": "decoder_layers",
    "n_heads": "encoder_attention_heads",
    "is_embedding_scaled": "scale_embedding",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "start_id": "decoder_start_token_id",
}
# Fields with the one value that is computed here; a file that lacks one means that value.
_REQUIRED: dict[str, dict[str, Any]] = {
    "gpt2": {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
    "bert": {
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
    "t5": {"is_decoder": False, "is_encoder_decoder": True},
    "marian": {
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "normalize_before": False,
        "normalize_embedding": False,
        "add_final_layer_norm": False,
        "add_bias_logits": False,
        "static_position_embeddings": True,
    },
}
# What these compute with the tensors of a classifier is something else than a class for each row.
_OTHER_CLASSIFIERS = ("BertForTokenClassification", "BertForMultipleChoice")
_MAX_MESSAGE = 300
# Marian's fields that our class has other defaults for.
_MARIAN_NEEDS = ("d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads", "encoder_ffn_dim")


def read_config(data: Mapping[str, Any], tensors: Mapping[str, Any], path: str) -> Config:
    """Make a configuration of a published one.

    Parameters
    ----------
    data : mapping
        What `config.json` holds.
    tensors : mapping by name
        Names in the weights tell what the configuration does not: heads, tied outputs.
    path : str
        For messages.

    Returns
    -------
    Config
        Of the class of its family.

    Raises
    ------
    UnsupportedError
        The family, or what a field asks for, is not computed here.
    FormatError
        A field's value is impossible.
    """
    family = data.get("model_type")
    readers = {"gpt2": _read_gpt2, "bert": _read_bert, "t5": _read_t5, "marian": _read_marian}
    if not isinstance(family, str) or family not in readers:
        msg = f"{path}: model_type must be one of {', '.join(readers)}, got {str(family)[:40]!r}"
        raise UnsupportedError(msg)
    for field, value in _REQUIRED[family].items():
        if data.get(field, value) != value:
            raise UnsupportedError(f"{path}: {field} must be {value!r}, got {str(data[field])[:40]!r}")
    try:
        return readers[family](data, tensors, path)
    except ConfigError as error:
        # A value out of the file may be long.
        raise FormatError(f"{path}: {str(error)[:_MAX_MESSAGE]}") from None


def write_config(config: Config) -> dict[str, Any]:
    """Return what `config.json` holds for a configuration.

    Raises
    ------
    UnsupportedError
        No published family has such models.
    """
    if isinstance(config, GptConfig):
        own = {"n_inner": config.d_ff, "activation_function": _activation_name(config.activation)}
        return _written("gpt2", "GPT2LMHeadModel", _GPT2, config) | own
    if isinstance(config, BertConfig):
        return _write_bert(config)
    if isinstance(config, T5Config):
        form = ("gated-" if config.is_gated else "") + _activation_name(config.activation)
        own = {
            "feed_forward_proj": form.replace("gated-gelu_new", "gated-gelu"),
            "tie_word_embeddings": config.is_output_scaled,
            "is_encoder_decoder": True,
            "pad_token_id": 0,
            "eos_token_id": 1,
        }
        if config.is_gated and config.activation == "gelu":
            raise UnsupportedError("gated T5 with the exact gelu has no published form: its 'gated-gelu' is gelu_tanh")
        return _written("t5", "T5ForConditionalGeneration", _T5, config) | own
    if isinstance(config, Seq2SeqConfig):
        return _write_marian(config)
    raise UnsupportedError(f"{type(config).__name__} has no published form")


def _read_gpt2(data: Mapping[str, Any], _tensors: Mapping[str, Any], path: str) -> Config:
    fields = _read_fields(data, _GPT2)
    fields["d_ff"] = data.get("n_inner")
    if fields["d_ff"] is None:
        d_model = fields.get("d_model", GptConfig.d_model)
        check_field("d_model", d_model)
        fields["d_ff"] = 4 * d_model
    return GptConfig(**fields, **_activation(data, "activation_function", "gelu_new", path))


def _read_bert(data: Mapping[str, Any], tensors: Mapping[str, Any], path: str) -> Config:
    marks = {
        "pooler": "bert.pooler.dense.weight",
        "masked_lm": "cls.predictions.bias",
        "next_sentence": "cls.seq_relationship.weight",
        "classification": "classifier.weight",
        "span": "qa_outputs.weight",
    }
    fields = _read_fields(data, _BERT)
    fields["heads"] = tuple(head for head, mark in marks.items() if mark in tensors)
    labels = data.get("id2label")
    if "classification" in fields["heads"]:
        _check_classifier(data, fields["heads"], path)
        if labels is None and data.get("num_labels") is not None:
            fields["n_labels"] = data["num_labels"]
    if isinstance(labels, dict) and (labels or "classification" in fields["heads"]):
        fields["n_labels"] = len(labels)
    return BertConfig(**fields, **_activation(data, "hidden_act", "gelu", path))


def _check_classifier(data: Mapping[str, Any], heads: tuple[str, ...], path: str) -> None:
    """Refuse a classifier of something else than rows."""
    classes = data.get("architectures")
    other = next((name for name in _OTHER_CLASSIFIERS if isinstance(classes, list) and name in classes), None)
    if other is None and "pooler" not in heads:
        other = "a classifier without a pooler, such as BertForTokenClassification,"
    if other is not None:
        raise UnsupportedError(f"{path}: {other} is not computed here")


def _read_t5(data: Mapping[str, Any], tensors: Mapping[str, Any], path: str) -> Config:
    fields = _read_fields(data, _T5)
    fields.setdefault("n_decoder_layers", fields.get("n_layers", 6))
    form = str(data.get("feed_forward_proj", "relu"))
    is_gated = form.startswith("gated-")
    # The published name "gated-gelu" means the tanh form.
    activation = "gelu_new" if form == "gated-gelu" else form.removeprefix("gated-")
    fields |= _activation({"feed_forward_proj": activation}, "feed_forward_proj", "relu", path)
    fields["is_gated"] = is_gated
    fields["is_output_tied"] = "lm_head.weight" not in tensors
    fields["is_output_scaled"] = data.get("scale_decoder_outputs", data.get("tie_word_embeddings", True)) is not False
    return T5Config(**fields)


def _read_marian(data: Mapping[str, Any], tensors: Mapping[str, Any], path: str) -> Config:
    for field in _MARIAN_NEEDS:
        if field not in data:
            raise FormatError(f"{path}: {field} is missing")
    for field in ("ffn_dim", "attention_heads"):
        encoder, decoder = data[f"encoder_{field}"], data.get(f"decoder_{field}")
        if encoder != decoder:
            msg = f"{path}: decoder_{field} must be that of the encoder, {str(encoder)[:40]}, got {str(decoder)[:40]!r}"
            raise UnsupportedError(msg)
    if data.get("decoder_vocab_size") not in (None, data.get("vocab_size")):
        raise UnsupportedError(
            f"{path}: decoder_vocab_size must be vocab_size, got {str(data['decoder_vocab_size'])[:40]}"
        )
    fields = {"vocab_size": 58101, "is_embedding_scaled": False, "start_id": 58100} | _read_fields(data, _MARIAN)
    return Seq2SeqConfig(
        **fields,
        **_activation(data, "activation_function", "gelu", path),
        norm_position="post",
        positions="sinusoidal_halves",
        has_output_bias="final_logits_bias" in tensors,
    )


def _write_bert(config: BertConfig) -> dict[str, Any]:
    heads = set(config.heads)
    classes = {
        frozenset({"pooler"}): "BertModel",
        frozenset({"pooler", "masked_lm", "next_sentence"}): "BertForPreTraining",
        frozenset({"masked_lm"}): "BertForMaskedLM",
        frozenset({"pooler", "next_sentence"}): "BertForNextSentencePrediction",
        frozenset({"pooler", "classification"}): "BertForSequenceClassification",
        frozenset({"span"}): "BertForQuestionAnswering",
    }
    name = classes.get(frozenset(heads), "BertModel")
    labels = {str(index): f"LABEL_{index}" for index in range(config.n_labels)}
    own = {
        "hidden_act": _activation_name(config.activation),
        "position_embedding_type": "absolute",
        "id2label": labels,
        "label2id": {text: int(index) for index, text in labels.items()},
    }
    return _written("bert", name, _BERT, config) | own


def _write_marian(config: Seq2SeqConfig) -> dict[str, Any]:
    wanted = {"norm_position": "post", "positions": "sinusoidal_halves", "norm_epsilon": 1e-5}
    for field, value in wanted.items():
        if getattr(config, field) != value:
            raise UnsupportedError(f"{field} must be {value!r} for Marian's files, got {getattr(config, field)!r}")
    own = {
        "decoder_ffn_dim": config.d_ff,
        "decoder_attention_heads": config.n_heads,
        "activation_function": _activation_name(config.activation),
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "is_encoder_decoder": True,
        "pad_token_id": config.start_id,
    }
    return _written("marian", "MarianMTModel", _MARIAN, config) | own


def _read_fields(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: data[theirs] for ours, theirs in names.items() if data.get(theirs) is not None}


def _written(family: str, architecture: str, names: Mapping[str, str], config: Config) -> dict[str, Any]:
    head = {"architectures": [architecture], "model_type": family}
    return head | {theirs: getattr(config, ours) for ours, theirs in names.items()}


def _activation(data: Mapping[str, Any], field: str, default: str, path: str) -> dict[str, Any]:
    name = data.get(field, default)
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise UnsupportedError(f"{path}: {field} must be one of {', '.join(_ACTIVATIONS)}, got {str(name)[:40]!r}")
    return {"activation": _ACTIVATIONS[name]}


def _activation_name(activation: str) -> str:
    if activation not in _ACTIVATION_NAMES:
        raise UnsupportedError(
            f"activation must be one of {', '.join(_ACTIVATION_NAMES)} for files, got {activation!r}"
        )
    return _ACTIVATION_NAMES[activation]
