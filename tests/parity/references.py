"""Each model with its own library: the reference that merganser is held equal to.

A reading is what a library says of one text: ids, where each comes from, and the text that the ids decode
to. Ours and theirs are made alike, so that comparing them is one loop for every family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from parity_peers import tiktoken_encoding, tokenizer_json_of

import merganser as mg

Offsets = list[tuple[int, int]]
OnSpecial = Literal["encode", "text"]

# Long texts take seconds each in tokenizers and sentencepiece: without --parity-full only the beginning is compared.
CUT_CHARACTERS = 20_000
# tiktoken's engine has no stack for some long texts; of those it gets so much.
REFUSED_CHARACTERS = 200_000


class Reading(NamedTuple):
    """What a library says of one text."""

    ids: list[int]
    offsets: Offsets
    decoded: str


@dataclass(frozen=True)
class Subject:
    """A model, in both libraries."""

    name: str
    library: str
    ours: mg.Tokenizer
    read: Callable[[str], Reading]
    on_special: OnSpecial
    special_tokens: tuple[str, ...]
    counts_bytes: bool = False
    knows_ends: bool = True

    def readable(self, text: str) -> str:
        """Return the text, or its beginning if the library refuses the whole."""
        if self.library != "tiktoken" or len(text) <= REFUSED_CHARACTERS:
            return text
        try:
            self.read(text)
        except ValueError as error:
            if "stack" not in str(error):
                raise
            return text[:REFUSED_CHARACTERS]
        return text

    def read_ours(self, text: str) -> Reading:
        """Read a text with merganser, the whole encoding, and check that the other paths give the same ids."""
        encoding = self.ours.encode_full(text, on_special=self.on_special)
        ids = encoding.ids.tolist()
        assert self.ours.encode(text, on_special=self.on_special) == ids
        spans = (encoding.offsets if self.counts_bytes else encoding.char_offsets).tolist()
        offsets = [(start, end if self.knows_ends else start) for start, end in spans]
        return Reading(ids, offsets, self.ours.decode(ids))


def load_tokenizers(library: ModuleType, name: str, folder: Path) -> Subject:
    """Load a ``tokenizer.json``."""
    text = tokenizer_json_of(folder)
    assert text is not None
    theirs = library.Tokenizer.from_str(text.decode())

    def read(text: str) -> Reading:
        encoding = theirs.encode(text)
        return Reading(encoding.ids, encoding.offsets, theirs.decode(encoding.ids, skip_special_tokens=False))

    ours = mg.Tokenizer.from_json(text)
    specials = tuple(token for token in ours.special_tokens if "reserved" not in token)
    return Subject(name, "tokenizers", ours, read, "encode", specials[:40])


def load_tiktoken(library: ModuleType, name: str, folder: Path) -> Subject:
    """Load a rank file."""
    path = folder / f"{name}.tiktoken"
    theirs = tiktoken_encoding(library, name, path)

    def read(text: str) -> Reading:
        ids = theirs.encode(text, allowed_special="all")
        decoded, starts = theirs.decode_with_offsets(ids)
        return Reading(ids, [(start, start) for start in starts], decoded)

    ours = mg.Tokenizer.load(path)
    return Subject(name, "tiktoken", ours, read, "encode", tuple(ours.special_tokens), knows_ends=False)


def load_sentencepiece(library: ModuleType, name: str, folder: Path) -> Subject:
    """Load a ``.model``."""
    (path,) = folder.glob("*.model")
    theirs = library.SentencePieceProcessor(model_file=str(path))

    def read(text: str) -> Reading:
        pieces = theirs.encode(text, return_type="proto").pieces
        ids = [piece.id for piece in pieces]
        return Reading(ids, [(piece.begin, piece.end) for piece in pieces], theirs.decode(ids))

    ours = mg.Tokenizer.load(path)
    return Subject(name, "sentencepiece", ours, read, "text", tuple(ours.special_tokens), counts_bytes=True)


MODELS: dict[str, tuple[str, Callable[[Any, str, Path], Subject], str]] = {
    "gpt2": ("tokenizers", load_tokenizers, "gpt2"),
    "roberta-base": ("tokenizers", load_tokenizers, "roberta-base"),
    "llama-3.1": ("tokenizers", load_tokenizers, "llama-3.1"),
    "qwen2.5": ("tokenizers", load_tokenizers, "qwen2.5"),
    "deepseek-v3": ("tokenizers", load_tokenizers, "deepseek-v3"),
    "modernbert": ("tokenizers", load_tokenizers, "modernbert"),
    "phi-3-mini": ("tokenizers", load_tokenizers, "phi-3-mini"),
    "bert-base-uncased": ("tokenizers", load_tokenizers, "bert-base-uncased"),
    "bert-base-multilingual-cased": ("tokenizers", load_tokenizers, "bert-base-multilingual-cased"),
    "t5-small": ("tokenizers", load_tokenizers, "t5-small"),
    "r50k_base": ("tiktoken", load_tiktoken, "tiktoken"),
    "cl100k_base": ("tiktoken", load_tiktoken, "tiktoken"),
    "o200k_base": ("tiktoken", load_tiktoken, "tiktoken"),
    "llama-2-spm": ("sentencepiece", load_sentencepiece, "llama-2-spm"),
    "albert-base-v2": ("sentencepiece", load_sentencepiece, "albert-base-v2"),
    "xlnet-base-cased": ("sentencepiece", load_sentencepiece, "xlnet-base-cased"),
}


@dataclass
class Tally:
    """How many texts two libraries agree on, and the first on which they do not."""

    n_texts: int = 0
    n_bytes: int = 0
    n_ids: int = 0
    n_decoded: int = 0
    n_offsets: int = 0
    first: str = ""

    def add(self, text: str, ours: Reading, theirs: Reading) -> None:
        """Compare one text."""
        self.n_texts += 1
        self.n_bytes += len(text.encode())
        for label, one, other in zip(Reading._fields, ours, theirs, strict=True):
            if one == other:
                continue
            if label == "ids":
                self.n_ids += 1
            elif label == "decoded":
                self.n_decoded += 1
            else:
                self.n_offsets += 1
            self.first = self.first or f"{label} of {text[:60]!r}: {_around(one, other)}"

    @property
    def n_differences(self) -> int:
        """Differences of any kind."""
        return self.n_ids + self.n_decoded + self.n_offsets

    def __str__(self) -> str:
        """One line for a report."""
        kinds = f"ids {self.n_ids}, decoded {self.n_decoded}, offsets {self.n_offsets} differences"
        return f"{self.n_texts:,} texts, {self.n_bytes / 1e6:.1f} MB: {kinds}"


def _around(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    unlike = (place for place, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    place = next(unlike, min(len(ours), len(theirs)))
    window = slice(max(0, place - 3), place + 5)
    return f"from {place} on {ours[window]!r}, not {theirs[window]!r}"


def tally(subject: Subject, texts: Iterable[str]) -> Tally:
    """Compare many texts."""
    result = Tally()
    for text in texts:
        result.add(text, subject.read_ours(text), subject.read(text))
    return result
