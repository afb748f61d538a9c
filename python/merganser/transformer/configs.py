"""The shape of a model: one frozen class a family, with the published sizes as presets.

A configuration says everything that a model is apart from its parameters. It is checked when it is made, so that a
model never meets a width that its heads do not divide.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from merganser.errors import ConfigError
from merganser.transformer.blocks import BlockStyle, NormPosition
from merganser.transformer.layers import ACTIVATIONS, Activation

ConfigT = TypeVar("ConfigT", bound="Config")

# Sizes beyond which an array could not exist, and more blocks than any model has: a guard against hostile files.
_MAX_SIZE = 1 << 31
_MAX_LAYERS = 1 << 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What all configurations share: presets, and checks of sizes and probabilities by the fields' names."""

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):
                # JSON, where configurations are kept, has Python's own numbers only.
                value = value.item()
                object.__setattr__(self, field.name, value)
            if value is not None or field.default is not None:
                check_field(field.name, value)

    @classmethod
    def preset(cls: type[ConfigT], name: str, **changes: Any) -> ConfigT:  # noqa: PYI019
        """Return a published configuration, with changes.

        Parameters
        ----------
        name : str
            A key of ``PRESETS``.
        **changes
            Fields that differ.

        Returns
        -------
        Config
            Of the class it is asked of.

        Raises
        ------
        ConfigError
            The class has no such preset.

        Examples
        --------
        >>> GptConfig.preset("gpt2", vocab_size=8192).d_model
        768
        """
        if name not in cls.PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(sorted(cls.PRESETS))}, got {name!r}")
        return cls(**{**cls.PRESETS[name], **changes})


def check_field(name: str, value: object) -> None:
    """Raise ConfigError where a field's value is outside what its name says it may be."""
    is_size = name.startswith(("n_", "d_")) or name in {"vocab_size", "max_positions", "max_distance"}
    if is_size and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < _MAX_SIZE):
        raise ConfigError(f"{name} must be a whole number of at least 1 and below {_MAX_SIZE}, got {value!r}")
    if name.endswith("layers") and isinstance(value, int) and value > _MAX_LAYERS:
        raise ConfigError(f"{name} must be at most {_MAX_LAYERS}, got {value}")
    if name.endswith("dropout") and not (isinstance(value, (int, float)) and 0 <= value < 1):
        raise ConfigError(f"{name} must be at least 0 and below 1, got {value!r}")
    if name in {"norm_epsilon", "init_std"} and not (isinstance(value, (int, float)) and 0 < value < 1):
        raise ConfigError(f"{name} must be above 0 and below 1, got {value!r}")
    if name.startswith(("is_", "has_")) and not isinstance(value, bool):
        raise ConfigError(f"{name} must be true or false, got {value!r}")
    if name == "activation" and value not in ACTIVATIONS:
        raise ConfigError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ConfigError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_heads(d_model: int, n_heads: int) -> None:
    """Raise ConfigError unless the heads divide the width."""
    if d_model % n_heads:
        raise ConfigError(f"n_heads must divide d_model {d_model}, got {n_heads}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GptConfig(Config):
    """A decoder alone, pre-norm with learned positions: GPT-2 (Radford et al., 2019).

    Parameters
    ----------
    vocab_size : int
    max_positions : int
        Longest row of tokens.
    d_model, n_layers, n_heads, d_ff : int
        Width, blocks, attention heads, width of the feed-forward sublayer.
    activation : str
    norm_epsilon : float
    dropout, attention_dropout, embedding_dropout : float
        Of sublayer outputs, of attention weights, of the embeddings.
    init_std : float
        Standard deviation of fresh weights; those that end a sublayer are divided by ``sqrt(2 n_layers)``.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "gpt2": {"d_model": 768, "n_layers": 12, "n_heads": 12, "d_ff": 3072},
        "gpt2-medium": {"d_model": 1024, "n_layers": 24, "n_heads": 16, "d_ff": 4096},
        "tiny": {"d_model": 128, "n_layers": 4, "n_heads": 4, "d_ff": 512, "max_positions": 256, "vocab_size": 4096},
    }

    vocab_size: int = 50257
    max_positions: int = 1024
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int = 3072
    activation: Activation = "gelu_tanh"
    norm_epsilon: float = 1e-5
    dropout: float = 0.1
    attention_dropout: float = 0.1
    embedding_dropout: float = 0.1
    init_std: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.d_model, self.n_heads)

    @property
    def style(self) -> BlockStyle:
        """What the blocks have in common."""
        return _paper_style(self, "pre")


BertHead = Literal["pooler", "masked_lm", "next_sentence", "classification", "span"]
BERT_HEADS = ("pooler", "masked_lm", "next_sentence", "classification", "span")
"""What can stand on BERT's encoder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BertConfig(Config):
    """An encoder alone, post-norm with learned positions: BERT (Devlin et al., 2018).

    Parameters
    ----------
    vocab_size, max_positions, n_token_types : int
    d_model, n_layers, n_heads, d_ff : int
        Width, blocks, attention heads, width of the feed-forward sublayer.
    activation : str
    norm_epsilon : float
    dropout, attention_dropout : float
        Of sublayer outputs and embeddings, of attention weights.
    classifier_dropout : float, optional
        Of what the classification head reads. None: as `dropout`.
    init_std : float
        Standard deviation of fresh weights.
    heads : tuple of str
        What stands on the encoder, of `BERT_HEADS`. ``next_sentence`` and ``classification`` need ``pooler``.
    n_labels : int
        Classes of the classification head.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "bert-base": {"d_model": 768, "n_layers": 12, "n_heads": 12, "d_ff": 3072},
        "bert-large": {"d_model": 1024, "n_layers": 24, "n_heads": 16, "d_ff": 4096},
        "minilm-l6": {"d_model": 384, "n_layers": 6, "n_heads": 12, "d_ff": 1536, "heads": ("pooler",)},
        "tiny": {"d_model": 128, "n_layers": 2, "n_heads": 2, "d_ff": 512, "max_positions": 128, "vocab_size": 4096},
    }

    vocab_size: int = 30522
    max_positions: int = 512
    n_token_types: int = 2
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int = 3072
    activation: Activation = "gelu"
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    classifier_dropout: float | None = None
    init_std: float = 0.02
    heads: tuple[str, ...] = ("pooler", "masked_lm", "next_sentence")
    n_labels: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.d_model, self.n_heads)
        for head in self.heads:
            check_choice("heads", head, BERT_HEADS)
            if head in {"next_sentence", "classification"} and "pooler" not in self.heads:
                raise ConfigError(f"heads must have 'pooler' where they have {head!r}, got {self.heads}")

    @property
    def style(self) -> BlockStyle:
        """What the blocks have in common."""
        return _paper_style(self, "post")


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Config(Config):
    """An encoder-decoder with relative positions, RMS norm and no biases: T5 (Raffel et al., 2019).

    Parameters
    ----------
    vocab_size : int
    d_model, d_head, d_ff : int
        Width; width of a head, which need not be ``d_model / n_heads``; width of the feed-forward sublayer.
    n_layers, n_decoder_layers, n_heads : int
        Blocks of the encoder and of the decoder, attention heads.
    n_buckets, max_distance : int
        Buckets of relative positions, and the distance from which all share the last one.
    activation : str
    is_gated : bool
        Whether the feed-forward sublayer is gated, as in T5 1.1.
    is_output_tied : bool
        Whether the output layer is the embedding.
    is_output_scaled : bool
        Whether the decoder's output is multiplied by ``d_model ** -0.5``, as T5 1.0 does.
    norm_epsilon : float
    dropout : float
        Of sublayer outputs, activations, attention weights, embeddings and final outputs.
    start_id : int
        What the decoder reads first.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "t5-small": {},
        "t5-base": {"d_model": 768, "d_ff": 3072, "n_layers": 12, "n_decoder_layers": 12, "n_heads": 12},
        "t5-v1_1-small": {
            "d_ff": 1024,
            "n_layers": 8,
            "n_decoder_layers": 8,
            "n_heads": 6,
            "activation": "gelu_tanh",
            "is_gated": True,
            "is_output_tied": False,
            "is_output_scaled": False,
        },
        "tiny": {"d_model": 128, "d_head": 32, "d_ff": 256, "n_layers": 2, "n_decoder_layers": 2, "n_heads": 4},
    }

    vocab_size: int = 32128
    d_model: int = 512
    d_head: int = 64
    d_ff: int = 2048
    n_layers: int = 6
    n_decoder_layers: int = 6
    n_heads: int = 8
    n_buckets: int = 32
    max_distance: int = 128
    activation: Activation = "relu"
    is_gated: bool = False
    is_output_tied: bool = True
    is_output_scaled: bool = True
    norm_epsilon: float = 1e-6
    dropout: float = 0.1
    start_id: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_buckets % 4:
            raise ConfigError(f"n_buckets must be a multiple of 4, got {self.n_buckets}")
        if self.max_distance <= self.n_buckets // 2:
            raise ConfigError(f"max_distance must be above n_buckets / 2, got {self.max_distance}")
        check_id("start_id", self.start_id, self.vocab_size)

    @property
    def style(self) -> BlockStyle:
        """What the blocks have in common."""
        return BlockStyle(
            n_heads=self.n_heads,
            scale=1.0,
            norm="rms",
            norm_position="pre",
            norm_epsilon=self.norm_epsilon,
            activation=self.activation,
            is_gated=self.is_gated,
            dropout=self.dropout,
            attention_dropout=self.dropout,
            activation_dropout=self.dropout,
        )


POSITIONS = ("sinusoidal", "sinusoidal_halves", "learned")
"""Kinds of positions: the paper's, the same with sines in the first half of the width, or parameters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig(Config):
    """The encoder-decoder of the paper (Vaswani et al., 2017), and of Marian's translation models.

    Source, target and output share one embedding, as in section 3.4 of the paper.

    Parameters
    ----------
    vocab_size, max_positions : int
    d_model, d_ff, n_layers, n_decoder_layers, n_heads : int
        Width, width of the feed-forward sublayer, blocks of the encoder and of the decoder, attention heads.
    positions : {"sinusoidal", "sinusoidal_halves", "learned"}
    norm_position : {"pre", "post"}
        ``"post"`` is the paper's; ``"pre"``, with a norm at the end of each stack, trains without care.
    activation : str
    is_embedding_scaled : bool
        Whether embeddings are multiplied by ``sqrt(d_model)``.
    has_output_bias : bool
        Whether logits have a bias.
    norm_epsilon : float
    dropout, attention_dropout, activation_dropout : float
        Of sublayer outputs and embeddings, of attention weights, of feed-forward activations.
    start_id : int
        What the decoder reads first.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "base": {"norm_position": "post"},
        "base-pre-norm": {},
        "big": {"norm_position": "post", "d_model": 1024, "d_ff": 4096, "n_heads": 16, "dropout": 0.3},
        "marian": {
            "norm_position": "post",
            "positions": "sinusoidal_halves",
            "activation": "silu",
            "has_output_bias": True,
            "vocab_size": 58101,
            "max_positions": 512,
            "start_id": 58100,
        },
        "tiny": {"d_model": 128, "d_ff": 512, "n_layers": 2, "n_decoder_layers": 2, "n_heads": 4, "vocab_size": 4096},
    }

    vocab_size: int = 37000
    max_positions: int = 1024
    d_model: int = 512
    d_ff: int = 2048
    n_layers: int = 6
    n_decoder_layers: int = 6
    n_heads: int = 8
    positions: Literal["sinusoidal", "sinusoidal_halves", "learned"] = "sinusoidal"
    norm_position: NormPosition = "pre"
    activation: Activation = "relu"
    is_embedding_scaled: bool = True
    has_output_bias: bool = False
    norm_epsilon: float = 1e-5
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    start_id: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.d_model, self.n_heads)
        check_choice("positions", self.positions, POSITIONS)
        check_choice("norm_position", self.norm_position, ("pre", "post"))
        if self.positions != "learned" and self.d_model % 2:
            raise ConfigError(f"d_model must be even for sinusoidal positions, got {self.d_model}")
        check_id("start_id", self.start_id, self.vocab_size)

    @property
    def style(self) -> BlockStyle:
        """What the blocks have in common."""
        style = _paper_style(self, self.norm_position)
        return dataclasses.replace(style, activation_dropout=self.activation_dropout)


def _paper_style(config: GptConfig | BertConfig | Seq2SeqConfig, norm_position: NormPosition) -> BlockStyle:
    """Return the paper's blocks: layer norm, and attention scaled by the width of a head."""
    return BlockStyle(
        n_heads=config.n_heads,
        scale=(config.d_model // config.n_heads) ** -0.5,
        norm="layer",
        norm_position=norm_position,
        norm_epsilon=config.norm_epsilon,
        activation=config.activation,
        dropout=config.dropout,
        attention_dropout=config.attention_dropout,
    )


def check_id(name: str, value: object, vocab_size: int) -> None:
    """Raise ConfigError unless ``value`` is an id of the vocabulary."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < vocab_size:
        raise ConfigError(f"{name} must be at least 0 and below vocab_size {vocab_size}, got {value!r}")
