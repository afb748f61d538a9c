"""tokenizers, the stable version: tokenizer.json; encode, encode_batch_fast, BpeTrainer.

Training sees whole documents through an iterator, as its documentation says for
anything but one line a document.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from benchmarks.corpora import stream_documents
from benchmarks.engines import Encoded, Engine, check_source
from benchmarks.vocabularies import byte_characters

if TYPE_CHECKING:
    from pathlib import Path


class Adapter(Engine):
    """`tokenizers.Tokenizer`."""

    native_form = "list of int (`Encoding.ids`)"
    batch_form = "list of `Encoding`, `.ids` read"
    preferred_source = "json"
    _tokenizer: tokenizers.Tokenizer

    def version(self) -> str:
        """Give the version of the library."""
        return str(tokenizers.__version__)

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read a tokenizer.json."""
        path = check_source(source, supported=("json",), vocabulary=vocabulary)
        self._tokenizer = tokenizers.Tokenizer.from_file(path)

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call, without offsets."""
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def train(self, path: Path, *, vocab_size: int, special_token: str) -> list[bytes]:
        """Train byte-level BPE with the GPT-2 pattern."""
        tokenizer = tokenizers.Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[special_token],
            show_progress=False,
        )
        tokenizer.train_from_iterator(stream_documents(path), trainer=trainer)
        vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
        vocabulary.pop(special_token, None)
        byte_of = {character: byte for byte, character in enumerate(byte_characters())}
        by_id = sorted(vocabulary, key=vocabulary.__getitem__)
        return [bytes(byte_of[character] for character in token) for token in by_id]
