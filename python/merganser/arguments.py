"""Types and checks of arguments that several calls take, so that each is refused in the same words everywhere."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from merganser.errors import ConfigError, TextError, UnknownTokenError

__all__ = ["Ids", "OnSpecial", "id_array", "id_list", "is_wide", "many_texts", "seed_number", "thread_count", "token_id", "utf8", "valid_text", "whole_number"]

OnSpecial: TypeAlias = Literal["raise", "encode", "text"]
"""What becomes of a special token's text inside ordinary text."""

Ids: TypeAlias = "Sequence[int] | NDArray[Any]"
"""Ids of one sequence."""

Text = TypeVar("Text", bound="str | bytes")

_WIDE = {np.dtype(np.uint16): False, np.dtype(np.uint32): True}


def many_texts(texts: Iterable[Text], name: str) -> Iterable[Text]:
    """Give `texts` back, but refuse a single text, which would pass for its characters, and a path."""
    if not isinstance(texts, Iterable):
        msg = f"{name} must be many texts, got {type(texts).__name__}"
        raise TypeError(msg)
    if isinstance(texts, (str, bytes, os.PathLike)):
        msg = f"{name} must be many texts, got one {type(texts).__name__}; wrap a text in a list"
        if name == "documents":
            msg += ", and read a path with merganser.read(path)"
        raise TypeError(msg)
    return texts


def utf8(text: str) -> bytes:
    """Encode text, and say where it is not valid Unicode."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        surrogate = ord(text[error.start])
        msg = f"lone surrogate U+{surrogate:04X} at character {error.start}: not valid Unicode text"
        raise TextError(msg) from None


def valid_text(text: str, name: str) -> str:
    """Give `text` back, but refuse what is no `str`, and lone surrogates; `name` says what it is."""
    if not isinstance(text, str):
        msg = f"{name} must be str, got {type(text).__name__}"
        raise TypeError(msg)
    try:
        utf8(text)
    except TextError as error:
        msg = f"{name} {text!r} has a {error}"
        raise TextError(msg) from None
    return text


def id_list(ids: Iterable[int], name: str) -> list[int]:
    """Make a list of ids, and refuse what is no sequence; `name` says what the caller calls it."""
    if not isinstance(ids, Iterable) or isinstance(ids, (str, bytes)):
        msg = f"{name} must be a sequence of ids, got {type(ids).__name__}"
        raise TypeError(msg)
    return list(ids)


def id_array(ids: Ids) -> Ids:
    """Turn an array of any integer type into one of uint32, which the core takes as it is; leave the rest as it is."""
    if isinstance(ids, np.ndarray) and ids.ndim != 1:
        msg = f"ids must be one sequence, got an array of shape {ids.shape}; decode_batch takes many"
        raise TypeError(msg)
    if isinstance(ids, np.ndarray) and ids.dtype.kind in "iu" and ids.dtype.itemsize > 2:
        fits = ids.size == 0 or (ids.min() >= 0 and ids.max() < 1 << 32)
        return ids.astype(np.uint32, copy=False) if fits else ids
    return ids


def whole_number(value: int | None, name: str) -> int | None:
    """Give an integer of any type back as `int`, ``None`` as it is, and refuse the rest by the argument's `name`."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        msg = f"{name} must be an integer, got {type(value).__name__}"
        raise TypeError(msg) from None
    if not 0 <= number < 1 << 63:
        msg = f"{name} must be at least 0 and below 2**63, got {number}"
        raise ConfigError(msg)
    return number


def seed_number(seed: int) -> int:
    """Refuse a seed that is not an integer of 64 bits without a sign."""
    try:
        number = operator.index(seed)
    except TypeError:
        msg = f"seed must be an integer, got {type(seed).__name__}"
        raise TypeError(msg) from None
    if not 0 <= number < 1 << 64:
        msg = f"seed must be from 0 to 2**64 - 1, got {number}"
        raise ConfigError(msg)
    return number


def token_id(id: int, vocab_size: int) -> int:  # the field's word
    """Give an id of any integer type back as `int`; refuse what is none, and one that no vocabulary holds."""
    try:
        number = operator.index(id)
    except TypeError:
        msg = f"id must be an integer, got {type(id).__name__}"
        raise TypeError(msg) from None
    if not 0 <= number < 1 << 32:
        msg = f"token id {number} is not in the vocabulary (vocab_size {vocab_size})"
        raise UnknownTokenError(msg)
    return number


def thread_count(n_threads: int | None) -> int | None:
    """Refuse a number of threads below one."""
    if n_threads is None:
        return None
    try:
        number = operator.index(n_threads)
    except TypeError:
        msg = f"n_threads must be an integer or None, got {type(n_threads).__name__}"
        raise TypeError(msg) from None
    if not 1 <= number < 1 << 63:
        msg = f"n_threads must be at least 1, got {n_threads}"
        raise ConfigError(msg)
    return n_threads


def is_wide(dtype: DTypeLike | None) -> bool | None:
    """Tell uint32 (true) from uint16 (false), and refuse any other dtype of ids; ``None`` leaves the choice open."""
    if dtype is None:
        return None
    try:
        wide = _WIDE.get(np.dtype(dtype))
    except TypeError:
        wide = None
    if wide is None:
        msg = f"dtype must be uint16 or uint32, got {dtype!r}"
        raise ConfigError(msg)
    return wide
