"""`HFEncoding` and `BatchEncoding`: what Hugging Face's calls return, over `merganser.Encoding`."""

from __future__ import annotations

from collections import UserDict
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from merganser.encoding import Encoding
from merganser.errors import ConfigError, MissingDependencyError

__all__ = ["BatchEncoding", "CharSpan", "HFEncoding", "TokenSpan", "to_tensor"]


class CharSpan(NamedTuple):
    """Characters of a text."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens of a sequence."""

    start: int
    end: int


class HFEncoding:
    """The surface of ``tokenizers.Encoding``: plain lists, offsets in characters.

    Parameters
    ----------
    encoding : Encoding
        What it shows.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding

    @cached_property
    def ids(self) -> list[int]:
        """The ids."""
        ids: list[int] = self.encoding.ids.tolist()
        return ids

    @cached_property
    def type_ids(self) -> list[int]:
        """The segment of each id."""
        type_ids: list[int] = self.encoding.type_ids.tolist()
        return type_ids

    @cached_property
    def tokens(self) -> list[str]:
        """The text of each id; of an added token and of Unigram's unk token the text that it was found in."""
        return self.encoding.found_tokens()

    @cached_property
    def offsets(self) -> list[tuple[int, int]]:
        """The characters that each id stands for."""
        return [(start, end) for start, end in self.encoding.char_offsets.tolist()]

    @cached_property
    def word_ids(self) -> list[int | None]:
        """The word each id came from."""
        return _optional(self.encoding.word_ids)

    @cached_property
    def sequence_ids(self) -> list[int | None]:
        """The text of a pair each id came from."""
        return _optional(self.encoding.sequence_ids)

    @cached_property
    def special_tokens_mask(self) -> list[int]:
        """1 where the post-processor or padding added the id."""
        mask: list[int] = self.encoding.special_tokens_mask.astype(int).tolist()
        return mask

    @cached_property
    def attention_mask(self) -> list[int]:
        """0 for padding."""
        mask: list[int] = self.encoding.attention_mask.astype(int).tolist()
        return mask

    @cached_property
    def overflowing(self) -> list[HFEncoding]:
        """What truncation cut off."""
        return [HFEncoding(other) for other in self.encoding.overflowing]

    @property
    def n_sequences(self) -> int:
        """How many texts it came from."""
        return self.encoding.n_sequences

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """Return the token of a character."""
        return self.encoding.char_to_token(char_pos, sequence_index)

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """Return the word of a character."""
        return self.encoding.char_to_word(char_pos, sequence_index)

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        """Return the characters of a token, which may be none at a place."""
        if self.encoding.token_to_sequence(token_index) is None:
            return None
        start, end = self.encoding.char_offsets[token_index].tolist()
        return start, end

    def token_to_word(self, token_index: int) -> int | None:
        """Return the word of a token."""
        return self.encoding.token_to_word(token_index)

    def token_to_sequence(self, token_index: int) -> int | None:
        """Return the text of a pair that a token came from."""
        return self.encoding.token_to_sequence(token_index)

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the tokens of a word."""
        return self.encoding.word_to_tokens(word_index, sequence_index)

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """Return the characters of a word."""
        return self.encoding.word_to_chars(word_index, sequence_index)

    def __len__(self) -> int:
        return len(self.encoding)

    def __repr__(self) -> str:
        return f"Encoding(num_tokens={len(self)}, n_overflowing={len(self.encoding.overflowing)})"

    def __getstate__(self) -> dict[str, Any]:
        return {"encoding": self.encoding, "tokens": self.tokens}


class BatchEncoding(UserDict[str, Any]):
    """The surface of ``transformers.BatchEncoding``: a mapping, and the encodings that it was made from.

    Parameters
    ----------
    data : dict
        Lists or arrays by name.
    encodings : list of HFEncoding, optional
        One a sequence.
    """

    def __init__(self, data: dict[str, Any] | None = None, encodings: list[HFEncoding] | None = None) -> None:
        super().__init__(data or {})
        self.encodings = encodings

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.data[key]
        if self.encodings is not None:
            return self.encodings[key]
        if isinstance(key, slice):
            return {name: values[key] for name, values in self.data.items()}
        msg = f"a key must be str, or a number where there are encodings, got {key!r}"
        raise KeyError(msg)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["data"][name]
        except KeyError:
            msg = f"a BatchEncoding has no {name}"
            raise AttributeError(msg) from None

    @property
    def is_fast(self) -> bool:
        """Whether it knows its encodings."""
        return self.encodings is not None

    @property
    def n_sequences(self) -> int | None:
        """How many texts each sequence came from."""
        return self.encodings[0].n_sequences if self.encodings else None

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Return the tokens of a sequence."""
        return self._encoding(batch_index).tokens

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return the word of each token of a sequence."""
        return self._encoding(batch_index).word_ids

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return the text of a pair of each token of a sequence."""
        return self._encoding(batch_index).sequence_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return the text of a pair that a token came from."""
        batch, token = _place(batch_or_token_index, token_index)
        encoding = self._encoding(batch)
        return encoding.token_to_sequence(_from_start(token, len(encoding)))

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Return the word of a token."""
        batch, token = _place(batch_or_token_index, token_index)
        encoding = self._encoding(batch)
        return encoding.token_to_word(_from_start(token, len(encoding)))

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """Return the characters of a token."""
        batch, token = _place(batch_or_token_index, token_index)
        span = self._encoding(batch).token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """Return the tokens of a word."""
        batch, word = _place(batch_or_word_index, word_index)
        span = self._encoding(batch).word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """Return the characters of a word."""
        batch, word = _place(batch_or_word_index, word_index)
        span = self._encoding(batch).word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the token of a character."""
        batch, char = _place(batch_or_char_index, char_index)
        return self._encoding(batch).char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Return the word of a character."""
        batch, char = _place(batch_or_char_index, char_index)
        return self._encoding(batch).char_to_word(char, sequence_index)

    def convert_to_tensors(self, tensor_type: str | None = None) -> BatchEncoding:
        """Turn the lists into tensors in place: ``"np"``, or ``"pt"`` where torch is installed."""
        if tensor_type is not None:
            for name, values in self.data.items():
                self.data[name] = to_tensor(name, values, tensor_type)
        return self

    def to(self, device: Any, **options: Any) -> BatchEncoding:
        """Move what can be moved, torch tensors, to a device, in place."""
        for name, values in self.data.items():
            if hasattr(values, "to"):
                self.data[name] = values.to(device, **options)
        return self

    def _encoding(self, batch_index: int) -> HFEncoding:
        if self.encodings is None:
            msg = "this BatchEncoding has no encodings: it does not come from text"
            raise ConfigError(msg)
        return self.encodings[batch_index]


def to_tensor(name: str, values: Any, tensor_type: str) -> Any:
    """Turn lists, one a sequence, into a tensor of numpy or torch."""
    if tensor_type not in ("np", "pt"):
        msg = f'return_tensors must be "np" or "pt", got {tensor_type!r}'
        raise ConfigError(msg)
    try:
        array = np.asarray(values, dtype=None if np.size(values) else np.int64)
    except ValueError:
        array = None
    if array is None or array.dtype == object:
        msg = f"{name} has sequences of different lengths; pass padding=True and truncation=True to make them equal"
        raise ConfigError(msg)
    if tensor_type == "np":
        return array
    try:
        import torch
    except ImportError:
        msg = 'return_tensors="pt" needs torch, which is not installed'
        raise MissingDependencyError(msg) from None
    return torch.from_numpy(array)


def _optional(values: Any) -> list[int | None]:
    return [None if value < 0 else value for value in values.tolist()]


def _place(batch_or_place: int, place: int | None) -> tuple[int, int]:
    """Tell (batch, place) from a place in the only sequence of a batch."""
    return (0, batch_or_place) if place is None else (batch_or_place, place)


def _from_start(place: int, length: int) -> int:
    return place + length if place < 0 else place
