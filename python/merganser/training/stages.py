"""How text is normalized and split before training: stages by name, or as ``tokenizer.json`` has them.

The names and what they mean are the core's; here are their types, and the one way from what a caller gives to what the
core takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from merganser import _core
from merganser.errors import ConfigError

__all__ = ["Normalizer", "NormalizerName", "PreTokenizer", "PreTokenizerName", "stage_texts"]

PreTokenizerName: TypeAlias = Literal[
    "gpt2", "cl100k", "o200k", "qwen2", "lines", "bert", "whitespace", "whitespace-split", "metaspace", "none"
]
"""Pre-tokenizers that have a name.

``gpt2``, ``cl100k`` (GPT-4, Llama 3), ``o200k`` (GPT-4o) and ``qwen2`` are patterns for byte-level models, and so is
``lines``, for tokens of several words: lines with the newlines that follow, and digits in groups of up to three;
``bert`` splits at white space and around punctuation, ``whitespace`` into words and runs of symbols,
``whitespace-split`` at white space alone; ``metaspace`` is SentencePiece's way, words with U+2581 before them; ``none``
leaves the text whole.
"""

PreTokenizer: TypeAlias = "PreTokenizerName | Mapping[str, Any] | str"
"""How text is split before training: a name, or a mapping as in ``tokenizer.json`` (also as JSON text)."""

NormalizerName: TypeAlias = Literal["nfc", "nfd", "nfkc", "nfkd", "lowercase", "strip-accents", "bert", "bert-cased"]
"""Normalizers that have a name: Unicode forms, lower case, and BERT's clean-up without case or with."""

Normalizer: TypeAlias = "NormalizerName | Mapping[str, Any] | str"
"""What text goes through before it is split: a name, or a mapping as in ``tokenizer.json`` (also as JSON text)."""


def stage_texts(normalizer: Normalizer | None, pre_tokenizer: PreTokenizer) -> tuple[str | None, str]:
    """Return the texts by which the core knows two stages: equal for stages that are equal, however they were given.

    Parameters
    ----------
    normalizer, pre_tokenizer : str or mapping
        A name, or a stage as in ``tokenizer.json``; no normalizer is None.

    Returns
    -------
    tuple of (str or None, str)
        For each its name, if it has one, and else JSON text.

    Raises
    ------
    ConfigError
        A name is not known.
    FormatError
        A mapping is no stage; the message says where.

    Examples
    --------
    >>> stage_texts("nfc", {"type": "BertPreTokenizer"})
    ('nfc', 'bert')
    """
    text = None if normalizer is None else _text(normalizer, "normalizer")
    return _core.stage_texts(text, _text(pre_tokenizer, "pre_tokenizer"))


def _text(stage: str | Mapping[str, Any], name: str) -> str:
    if isinstance(stage, str):
        return stage
    if not isinstance(stage, Mapping):
        msg = f"{name} must be a name or a mapping as in tokenizer.json, got {stage!r}"
        raise ConfigError(msg)
    try:
        return json.dumps(stage, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"{name} must be a mapping as in tokenizer.json: {error}"
        raise ConfigError(msg) from None


def _plain(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    msg = f"{type(value).__name__} is not a value of JSON"
    raise TypeError(msg)
