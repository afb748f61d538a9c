"""Every trainer by its name, with one set of options for all: what the command line offers."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from merganser import files
from merganser.errors import ConfigError
from merganser.tokenizer import Tokenizer
from merganser.training.bpe import train_bpe
from merganser.training.sentencepiece import train_sentencepiece
from merganser.training.unigram import train_unigram
from merganser.training.wordpiece import train_wordpiece

__all__ = ["check_format", "train_by"]

_TRAINERS: dict[str, Callable[..., Tokenizer]] = {
    "bpe": train_bpe,
    "wordpiece": train_wordpiece,
    "unigram": train_unigram,
    "sentencepiece": train_sentencepiece,
}

# Options that a trainer calls by another name than the command line.
_OF_WORDS = {"special_token": "special_tokens"}
_RENAMED: dict[str, dict[str, str]] = {
    "bpe": _OF_WORDS,
    "wordpiece": _OF_WORDS,
    "unigram": _OF_WORDS | {"max_token_length": "max_piece_length"},
    "sentencepiece": {
        "special_token": "control_symbols",
        "max_token_length": "max_sentencepiece_length",
        "allow_smaller": "hard_vocab_limit",
    },
}


# What a tokenizer of next to no text does without.
_OF_MUCH_TEXT = dict.fromkeys(("min_count", "max_memory", "spill_dir", "progress"))
_ROOM = 1 << 16


def check_format(method: str, options: Mapping[str, Any], path: Path) -> None:
    """Refuse, before hours of training, a path whose format cannot hold what will be trained.

    A tokenizer is trained on next to no text by the same options, and written to nowhere.

    Parameters
    ----------
    method, options
        As for `train_by`.
    path : Path
        Where the tokenizer is to be saved.

    Raises
    ------
    UnsupportedError
        If the format that the path's name means cannot express such a tokenizer.
    ConfigError
        As `train_by`.
    """
    superwords = options.get("superwords")
    room = _ROOM if superwords is None else max(_ROOM, superwords.start + 1)
    tried = {**options, **_OF_MUCH_TEXT, "vocab_size": room, "allow_smaller": True}
    files.data_of(train_by(method, [_text_besides(options.get("special_token") or ())], tried)._inner, path, None)


def _text_besides(special_tokens: Iterable[str]) -> str:
    """Return a letter that is no special token."""
    taken = set(special_tokens)
    return next(
        letter for letter in map(chr, range(ord("a"), sys.maxunicode)) if letter.isalpha() and letter not in taken
    )


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
    trainer, renamed = _TRAINERS[method], _RENAMED[method]
    parameters = inspect.signature(trainer).parameters
    arguments: dict[str, Any] = {}
    for option, value in options.items():
        if value is None:
            continue
        name = renamed.get(option, option)
        if name not in parameters:
            msg = f"--{option.replace('_', '-')} is not an option of --method {method}"
            raise ConfigError(msg)
        arguments[name] = not value if name == "hard_vocab_limit" else value
    return trainer(documents, **arguments)
