"""tokenizers 1.0 (pre-release): tokenizer.json; encode, encode_batch; no trainer.

It cannot be installed beside the stable version: give its interpreter with
``--python tokenizers-rc=PATH``.
"""

from __future__ import annotations

from typing import Any, cast

import tokenizers

from benchmarks.engines import Encoded, Engine, UnsupportedError, check_source


class Adapter(Engine):
    """`tokenizers.Tokenizer` of version 1."""

    native_form = "uint32 array (`Encoding.ids_array`)"
    batch_form = "list of `Encoding`, `.ids_array` read"
    preferred_source = "json"
    _tokenizer: Any

    def __init__(self, *, n_threads: int) -> None:
        super().__init__(n_threads=n_threads)
        if not self.version().startswith("1."):
            message = f"tokenizers must be version 1, got {self.version()}"
            raise ImportError(message)

    def version(self) -> str:
        """Give the version of the library."""
        return str(tokenizers.__version__)

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read a tokenizer.json."""
        path = check_source(source, supported=("json",), vocabulary=vocabulary)
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(path)
        except ValueError as error:
            message = f"{vocabulary['name']}: {error}"
            raise UnsupportedError(message) from error

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return cast("list[int]", self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_native(self, text: str) -> Encoded:
        """Encode one string to an array."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids_array

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call."""
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [encoding.ids_array for encoding in encoded]

    def native_ids(self, encoded: Encoded) -> list[int]:
        """Convert an array."""
        return cast("list[int]", encoded.tolist())

    def batch_ids(self, encoded: Encoded) -> list[list[int]]:
        """Convert arrays."""
        return [ids.tolist() for ids in encoded]

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))
