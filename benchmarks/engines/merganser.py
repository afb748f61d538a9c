"""merganser: rank files and tokenizer.json; lists, or arrays from `encode_to_numpy` and `encode_batch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import merganser as mg
from benchmarks.corpora import END_OF_DOCUMENT
from benchmarks.engines import Encoded, Engine, check_source

if TYPE_CHECKING:
    from pathlib import Path


class Adapter(Engine):
    """`merganser.Tokenizer`."""

    native_form = "uint16 or uint32 array"
    batch_form = "`Ragged`"
    _tokenizer: mg.Tokenizer

    def version(self) -> str:
        """Give the version of the library."""
        return str(mg.__version__)

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read a rank file or a tokenizer.json."""
        path = check_source(source, supported=("tiktoken", "json"), vocabulary=vocabulary)
        if source == "json":
            self._tokenizer = mg.Tokenizer.load(path)
        else:
            self._tokenizer = mg.Tokenizer.load(
                path, pattern=vocabulary["pattern_name"], special_tokens=vocabulary["special_tokens"]
            )

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return self._tokenizer.encode(text, n_threads=self.n_threads)

    def encode_native(self, text: str) -> Encoded:
        """Encode one string to an array."""
        return self._tokenizer.encode_to_numpy(text, n_threads=self.n_threads)

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call."""
        return self._tokenizer.encode_batch(texts, n_threads=self.n_threads)

    def native_ids(self, encoded: Encoded) -> list[int]:
        """Convert an array."""
        return cast("list[int]", encoded.tolist())

    def batch_ids(self, encoded: Encoded) -> list[list[int]]:
        """Convert a Ragged."""
        return cast("list[list[int]]", encoded.to_list())

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        return self._tokenizer.decode(ids)

    def train(self, path: Path, *, vocab_size: int, special_token: str) -> list[bytes]:
        """Train byte-level BPE with the GPT-2 pattern."""
        tokenizer = mg.train_bpe(
            mg.read(path, separator=f"{END_OF_DOCUMENT}\n"),
            vocab_size=vocab_size,
            pre_tokenizer="gpt2",
            special_tokens=[special_token],
            n_threads=self.n_threads,
        )
        vocabulary = tokenizer.vocab()
        vocabulary.pop(special_token.encode(), None)
        return sorted(vocabulary, key=vocabulary.__getitem__)
