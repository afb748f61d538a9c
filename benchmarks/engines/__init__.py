"""Engines: one adapter a library, all with the shape of `Engine`.

An adapter calls the library the way its documentation says is fastest, and
converts only outside the timed calls (`*_ids`). What a library cannot do raises
`UnsupportedError`, and the row stays empty.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pathlib import Path

# In the order of the tables.
ENGINES = ("merganser", "tiktoken", "tokenizers", "tokenizers-rc", "gigatoken", "sentencepiece")


# Each library's own type.
Encoded = Any


class UnsupportedError(Exception):
    """The library has no such function, format or vocabulary."""


class Engine:
    """What a library is asked to do; the base refuses everything.

    Parameters
    ----------
    n_threads : int
        Threads the library may use, at least 1.

    Attributes
    ----------
    native_form : str
        What `encode_native` returns, for the report.
    batch_form : str
        What `encode_batch` returns, for the report.
    preferred_source : str
        File format that encode and decode load the vocabulary from.
    """

    native_form = ""
    batch_form = ""
    preferred_source = "tiktoken"

    def __init__(self, *, n_threads: int) -> None:
        self.n_threads = n_threads

    def version(self) -> str:
        """Give the version of the library."""
        raise NotImplementedError

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Make the tokenizer that the other calls use, from one file."""
        message = f"load from {source}"
        raise UnsupportedError(message)

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        message = "encode"
        raise UnsupportedError(message)

    def encode_native(self, text: str) -> Encoded:
        """Encode one string to the fastest form that holds ids."""
        return self.encode(text)

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call, in the fastest form that holds ids."""
        message = "encode_batch"
        raise UnsupportedError(message)

    def native_ids(self, encoded: Encoded) -> list[int]:
        """Convert what `encode_native` returns; never timed."""
        return cast("list[int]", encoded)

    def batch_ids(self, encoded: Encoded) -> list[list[int]]:
        """Convert what `encode_batch` returns; never timed."""
        return cast("list[list[int]]", encoded)

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        message = "decode"
        raise UnsupportedError(message)

    def train(self, path: Path, *, vocab_size: int, special_token: str) -> list[bytes]:
        """Train on documents that end with a line of the special token; give the tokens in order."""
        message = "train"
        raise UnsupportedError(message)


def make_engine(name: str, *, n_threads: int) -> Engine:
    """Import an adapter, and with it the library.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    n_threads : int
        Threads the library may use.

    Returns
    -------
    Engine

    Raises
    ------
    ImportError
        If the library is not installed.
    """
    module = importlib.import_module(f"benchmarks.engines.{name.replace('-', '_')}")
    return cast("Engine", module.Adapter(n_threads=n_threads))


def check_source(source: str, *, supported: tuple[str, ...], vocabulary: dict[str, Any]) -> str:
    """Give the path of a vocabulary file, refusing a format the library or the vocabulary lacks."""
    if source not in supported or source not in vocabulary["files"]:
        message = f"{vocabulary['name']} from {source}"
        raise UnsupportedError(message)
    return cast("str", vocabulary["files"][source])
