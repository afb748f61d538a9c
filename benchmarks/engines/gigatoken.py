"""gigatoken: rank files, tokenizer.json, SentencePiece models; arrays out.

With one thread `encode_batch` is told ``parallel=False``. Its trainer knows the
GPT-2 pattern only and takes its number of threads from the environment.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, cast

import gigatoken

from benchmarks.corpora import END_OF_DOCUMENT
from benchmarks.engines import Encoded, Engine, check_source


class Adapter(Engine):
    """`gigatoken.Tokenizer`."""

    native_form = "uint32 array"
    batch_form = "awkward array of uint32"
    _tokenizer: gigatoken.Tokenizer

    def version(self) -> str:
        """Give the version of the library."""
        return metadata.version("gigatoken")

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read any of the three formats."""
        path = check_source(source, supported=("tiktoken", "json", "sentencepiece"), vocabulary=vocabulary)
        if source == "tiktoken":
            self._tokenizer = gigatoken.Tokenizer.from_tiktoken(path)
        elif source == "json":
            self._tokenizer = gigatoken.Tokenizer.from_json(Path(path).read_bytes())
        else:
            self._tokenizer = gigatoken.Tokenizer.from_sentencepiece(path)

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return cast("list[int]", self._tokenizer.encode(text).tolist())

    def encode_native(self, text: str) -> Encoded:
        """Encode one string to an array."""
        return self._tokenizer.encode(text)

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call."""
        return self._tokenizer.encode_batch(texts, parallel=self.n_threads > 1)

    def native_ids(self, encoded: Encoded) -> list[int]:
        """Convert an array."""
        return cast("list[int]", encoded.tolist())

    def batch_ids(self, encoded: Encoded) -> list[list[int]]:
        """Convert an awkward array."""
        return cast("list[list[int]]", encoded.to_list())

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list; the library gives bytes."""
        return self._tokenizer.decode(ids).decode("utf-8", errors="replace")

    def train(self, path: Path, *, vocab_size: int, special_token: str) -> list[bytes]:
        """Train byte-level BPE with the GPT-2 pattern; ties as tokenizers breaks them."""
        separator = f"{END_OF_DOCUMENT}\n".encode()
        vocabulary, _ = gigatoken.train_bpe(
            gigatoken.TextFileSource([path], separator=separator),
            vocab_size=vocab_size,
            special_tokens=[special_token],
            separator=separator,
        )
        return [vocabulary[i] for i in sorted(vocabulary) if vocabulary[i] != special_token.encode()]
