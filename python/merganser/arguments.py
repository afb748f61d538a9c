"""Types and checks of arguments that several calls take, so that each is refused in the same words everywhere."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from merganser.errors import ConfigError, TextError, UnknownTokenError

__all__ = [
    "Ids",
    "OnSpecial",
    "check_limits",
    "document_lists",
    "id_array",
    "id_error",
    "id_list",
    "integer",
    "is_iterable",
    "is_wide",
    "many_texts",
    "path_of",
    "real_number",
    "seed_number",
    "thread_count",
    "utf8",
    "valid_text",
    "valid_texts",
    "whole_number",
]

OnSpecial: TypeAlias = Literal["raise", "encode", "text"]
"""What becomes of a special token's text inside ordinary text."""

Ids: TypeAlias = "Sequence[int] | NDArray[Any]"
"""Ids of one sequence."""

Text = TypeVar("Text", bound="str | bytes")

# A document counts a little more than its text, so that a list of empty ones ends too.
_WEIGHT_OF_ONE = 64
_WIDE = {np.dtype(np.uint16): False, np.dtype(np.uint32): True}


def many_texts(texts: Iterable[Text], name: str) -> Iterable[Text]:
    """Give `texts` back, but refuse a single text, which would pass for its characters, and a path."""
    if isinstance(texts, (str, bytes, os.PathLike)):
        msg = f"{name} must be many texts, got one {type(texts).__name__}; wrap a text in a list"
        if name == "documents":
            msg += ", and read a path with merganser.read(path)"
        raise TypeError(msg)
    if not is_iterable(texts):
        msg = f"{name} must be many texts, got {type(texts).__name__}"
        raise TypeError(msg)
    return texts


def is_iterable(value: object) -> bool:
    """Tell whether there is something to go through, also where only ``__getitem__`` says so."""
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True


def document_lists(documents: Iterable[str | bytes], max_bytes: int) -> Iterator[tuple[list[str | bytes], int]]:
    """Give out documents by the list of about `max_bytes`, each list with the sum of its lengths."""
    texts: list[str | bytes] = []
    length = 0
    for index, document in enumerate(many_texts(documents, "documents")):
        if not isinstance(document, (str, bytes)):
            msg = f"document {index} must be str or bytes, got {type(document).__name__}"
            raise TypeError(msg)
        texts.append(document)
        length += len(document)
        if length + _WEIGHT_OF_ONE * len(texts) >= max_bytes:
            yield texts, length
            texts, length = [], 0
    if texts:
        yield texts, length


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


def valid_texts(texts: Iterable[str], name: str, one: str) -> list[str]:
    """Make a list of texts, each checked; `name` says what the caller calls them, `one` what each is."""
    return [valid_text(text, one) for text in many_texts(texts, name)]


def id_list(ids: Iterable[int], name: str) -> list[int]:
    """Make a list of ids, and refuse what is no sequence; `name` says what the caller calls it."""
    if not is_iterable(ids) or isinstance(ids, str):
        msg = f"{name} must be a sequence of ids, got {type(ids).__name__}"
        raise TypeError(msg)
    return list(ids)


def id_array(ids: Ids) -> Ids:
    """Turn an array of any integer type into one of uint32, which the core takes as it is; leave the rest as it is."""
    if not isinstance(ids, np.ndarray):
        return ids
    if ids.ndim != 1:
        msg = f"ids must be one sequence, got an array of shape {ids.shape}; decode_batch takes many"
        raise TypeError(msg)
    if ids.dtype.kind in "iu" and ids.dtype.itemsize > 2:
        fits = ids.size == 0 or (ids.min() >= 0 and ids.max() < 1 << 32)
        return ids.astype(np.uint32, copy=False) if fits else ids
    return ids


def integer(value: int, name: str) -> int:
    """Give an integer of any type back as `int`, and refuse the rest; `name` says which argument it is."""
    try:
        return operator.index(value)
    except TypeError:
        msg = f"{name} must be an integer, got {type(value).__name__}"
        raise TypeError(msg) from None


def whole_number(value: int, name: str, least: int = 0) -> int:
    """Refuse what is not an integer from `least` on."""
    number = integer(value, name)
    if not least <= number < 1 << 63:
        msg = f"{name} must be at least {least} and less than 2**63, got {number}"
        raise ConfigError(msg)
    return number


def check_limits(**limits: tuple[int | None, int]) -> None:
    """Refuse an argument that is no integer, below the least that it may be, or beyond 63 bits.

    Parameters
    ----------
    **limits
        Name of each argument with its value (`None` passes) and the least.

    Raises
    ------
    ConfigError
        If one is out of range.
    TypeError
        If one is not an integer.
    """
    for name, (value, least) in limits.items():
        if value is not None:
            whole_number(value, name, least)


def real_number(value: float, name: str) -> float:
    """Give a number of any type back as `float`, and refuse the rest."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        msg = f"{name} must be a number, got {type(value).__name__}"
        raise TypeError(msg)
    try:
        return float(value)
    except OverflowError:
        msg = f"{name} is too large"
        raise ConfigError(msg) from None


def seed_number(seed: int) -> int:
    """Refuse a seed that is not an integer of 64 bits without a sign."""
    number = integer(seed, "seed")
    if not 0 <= number < 1 << 64:
        msg = f"seed must be from 0 to 2**64 - 1, got {number}"
        raise ConfigError(msg)
    return number


def id_error(id: int, vocab_size: int) -> UnknownTokenError:  # the field's word
    """Make the error of an id that the core could not take: no vocabulary holds it.

    Raises
    ------
    TypeError
        If it is not even an integer.
    """
    return UnknownTokenError(f"token id {integer(id, 'id')} is not in the vocabulary (vocab_size {vocab_size})")


def path_of(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Make a path, and refuse what is none."""
    if not isinstance(path, (str, os.PathLike)):
        msg = f"{name} must be str or os.PathLike, got {type(path).__name__}"
        raise TypeError(msg)
    return Path(path)


def thread_count(n_threads: int | None) -> int | None:
    """Refuse a number of threads below one."""
    if n_threads is not None and not 1 <= integer(n_threads, "n_threads") < 1 << 63:
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
