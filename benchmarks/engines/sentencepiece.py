"""sentencepiece: its own models; BPE over characters with byte fallback.

It has no GPT-2 or cl100k vocabulary, so it is timed with a vocabulary of its
own. Its trainer splits at whitespace and digits and learns from lines: the same
text and vocabulary size, another algorithm, so its tokens are not compared.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

import sentencepiece

from benchmarks.engines import Encoded, Engine, check_source

if TYPE_CHECKING:
    from pathlib import Path

# The default drops longer lines without a word in the result.
_MAX_LINE_BYTES = 1 << 20


class Adapter(Engine):
    """`sentencepiece.SentencePieceProcessor`."""

    native_form = "list of int"
    batch_form = "list of lists"
    preferred_source = "sentencepiece"
    _processor: Any

    def version(self) -> str:
        """Give the version of the library."""
        return str(sentencepiece.__version__)

    def load(self, vocabulary: dict[str, Any], source: str) -> None:
        """Read a .model file."""
        path = check_source(source, supported=("sentencepiece",), vocabulary=vocabulary)
        self._processor = sentencepiece.SentencePieceProcessor(model_file=path)

    def encode(self, text: str) -> list[int]:
        """Encode one string to a list."""
        return cast("list[int]", self._processor.encode(text))

    def encode_batch(self, texts: list[str]) -> Encoded:
        """Encode strings in one call."""
        return self._processor.encode(texts, num_threads=self.n_threads)

    def decode(self, ids: list[int]) -> str:
        """Decode ids given as a list."""
        return str(self._processor.decode(ids))

    def train(self, path: Path, *, vocab_size: int, special_token: str) -> list[bytes]:
        """Train BPE with byte fallback on the lines of the file."""
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            input=str(path),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=_MAX_LINE_BYTES,
            user_defined_symbols=[special_token],
            num_threads=self.n_threads,
            minloglevel=2,
        )
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        return [processor.id_to_piece(i).encode() for i in range(processor.get_piece_size())]
