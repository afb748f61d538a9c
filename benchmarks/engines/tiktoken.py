"""tiktoken: rank files; encode_ordinary, encode_to_numpy, encode_ordinary_batch.

The patterns are those of tiktoken's own definitions, not ours: they are written
for its regular expression engine.
"""

from __future__ import annotations

from typing import Any

import tiktoken
from tiktoken.load import load_tiktoken_bpe

from benchmarks.engines import Encoded, Engine, check_source

_PATTERNS = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "cl100k": (
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"""
        r""" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
    ),
}


class Adapter(Engine):
    """tiktoken's `Encoding`."""

    native_form = "list of int"
    batch_form = "list of lists"
    _encoding: tiktoken.Encoding

    def version(self) -> str:
        """Give the version of the library."""
        return tiktoken.__version__

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read ranks and build the encoding."""
        path = check_source(source, supported=("tiktoken",), vocabulary=vocabulary)
        self._encoding = tiktoken.Encoding(
            vocabulary["name"],
            pat_str=_PATTERNS[vocabulary["pattern_name"]],
            mergeable_ranks=load_tiktoken_bpe(path),
            special_tokens=vocabulary["special_tokens"],
        )

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return self._encoding.encode_ordinary(text)

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call; its pool of threads is left out when one thread is asked for."""
        if self.n_threads == 1:
            encode = self._encoding.encode_ordinary
            return [encode(text) for text in texts]
        return self._encoding.encode_ordinary_batch(texts, num_threads=self.n_threads)

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        return self._encoding.decode(ids)
