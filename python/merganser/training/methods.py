"""Every trainer by its name, with one set of options for all: what the command line offers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from merganser.errors import ConfigError
from merganser.tokenizer import Tokenizer
from merganser.training.bpe import train_bpe
from merganser.training.sentencepiece import train_sentencepiece
from merganser.training.unigram import train_unigram
from merganser.training.wordpiece import train_wordpiece

__all__ = ["train_by"]

_TRAINERS: dict[str, Callable[..., Tokenizer]] = {
    "bpe": train_bpe,
    "wordpiece": train_wordpiece,
    "unigram": train_unigram,
    "sentencepiece": train_sentencepiece,
}

_SHARED = {name: name for name in ("vocab_size", "n_threads", "progress")}
_OF_WORDS = _SHARED | {name: name for name in ("pre_tokenizer", "normalizer", "allow_smaller")}
_OF_WORDS |= {"special_token": "special_tokens"}
_NAMES: dict[str, dict[str, str]] = {
    "bpe": _OF_WORDS | {"min_frequency": "min_frequency", "max_token_length": "max_token_length"},
    "wordpiece": _OF_WORDS
    | {"min_frequency": "min_frequency", "max_token_length": "max_token_length", "criterion": "criterion"},
    "unigram": _OF_WORDS | {"max_token_length": "max_piece_length", "byte_fallback": "byte_fallback"},
    "sentencepiece": _SHARED
    | {
        "model_type": "model_type",
        "byte_fallback": "byte_fallback",
        "max_token_length": "max_sentencepiece_length",
        "special_token": "control_symbols",
        "allow_smaller": "hard_vocab_limit",
    },
}


def train_by(method: str, documents: Iterable[str | bytes], options: Mapping[str, Any]) -> Tokenizer:
    """Train by the method of this name.

    Parameters
    ----------
    method : {"bpe", "wordpiece", "unigram", "sentencepiece"}
        The trainer.
    documents : Documents or iterable of str or bytes
        The text.
    options : mapping
        Options of all methods by the names of the command line; None: not given.

    Returns
    -------
    Tokenizer

    Raises
    ------
    ConfigError
        If the method does not have an option that is given, or as the trainer.
    """
    names = _NAMES[method]
    arguments: dict[str, Any] = {}
    for option, value in options.items():
        if value is None:
            continue
        if option not in names:
            msg = f"--{option.replace('_', '-')} is not an option of --method {method}"
            raise ConfigError(msg)
        name = names[option]
        arguments[name] = not value if name == "hard_vocab_limit" else value
    return _TRAINERS[method](documents, **arguments)
