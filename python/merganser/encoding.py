"""`Encoding`: ids with all that can be said of them: where each comes from, and what is padding.

Bytes are the truth: `offsets` are bytes of the raw text; what is said in characters is derived from them when asked.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from merganser.arguments import integer

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Encoding", "TokenTexts"]

Source: TypeAlias = "str | bytes | tuple[str, ...]"
"""A text, or the words that one came as."""

# Neighbours differ, and black is readable on each.
_COLORS = ("#a6cee3", "#fdbf6f", "#b2df8a", "#fb9a99", "#cab2d6", "#ffff99")


class TokenTexts(Protocol):
    """What knows how each token is spelled."""

    def tokens(self, ids: Any) -> list[str]:
        """Return the text of each id."""


@dataclass(frozen=True, eq=False, repr=False)
class Encoding:
    """One finished sequence, from one text or a pair. All arrays are equally long and cannot be written to.

    Made by :meth:`merganser.Tokenizer.encode_full`.

    Attributes
    ----------
    ids : ndarray of uint32, shape (n_tokens,)
        The ids.
    type_ids : ndarray of uint32, shape (n_tokens,)
        The segment of each id, as the post-processor numbers them.
    offsets : ndarray of int64, shape (n_tokens, 2)
        The bytes of its text that each id stands for; (0, 0) for those that came from no text. Empty, at a place in
        the text, for those that came from it and stand for none: of a piece that SentencePiece spells in byte tokens,
        the last stands for the whole, and those before it are empty at its start.
    word_ids : ndarray of int64, shape (n_tokens,)
        The pre-token each id came from, counted over its text; -1 for none.
    sequence_ids : ndarray of int64, shape (n_tokens,)
        0 or 1: the text of a pair each id came from; -1 for none.
    special_tokens_mask : ndarray of bool, shape (n_tokens,)
        Whether the post-processor or padding added the id.
    attention_mask : ndarray of bool, shape (n_tokens,)
        Whether the id is anything but padding.
    overflowing : tuple of Encoding
        What truncation cut off, in sequences of the same length.
    sources : tuple of str, of bytes, or of tuples of str
        The text or texts; of a text that came as words, the words, and then offsets count in each word.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259)
    >>> encoding = tok.encode_full("banana bañ")
    >>> encoding.tokens
    ['ban', 'ana', 'Ġ', 'b', 'a', 'Ã', '±']
    >>> encoding.offsets[-1].tolist(), encoding.char_offsets[-1].tolist()
    ([9, 11], [9, 10])
    >>> encoding.char_to_token(9), encoding.token_to_chars(5), encoding.word_to_tokens(1)
    (5, (9, 10), (2, 7))
    """

    ids: NDArray[np.uint32]
    type_ids: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    word_ids: NDArray[np.int64]
    sequence_ids: NDArray[np.int64]
    special_tokens_mask: NDArray[np.bool_]
    attention_mask: NDArray[np.bool_]
    overflowing: tuple[Encoding, ...]
    sources: tuple[Source, ...]
    _texts: TokenTexts | None = field(default=None)
    _pad_token: str = field(default="")
    _found: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of_arrays(
        cls, arrays: tuple[Any, ...], sources: tuple[Source, ...], texts: TokenTexts, pad_token: str = ""
    ) -> Encoding:
        """Build from what the core gives; callers have :meth:`merganser.Tokenizer.encode_full`.

        Parameters
        ----------
        arrays : tuple
            The arrays in the order of the attributes, places and texts for :meth:`found_tokens`, and a list of such
            tuples of what overflows.
        sources : tuple
            The text or texts.
        texts : TokenTexts
            Knows how each token is spelled.
        pad_token : str, default ""
            The text of padding.

        Returns
        -------
        Encoding
        """
        for array in arrays[:-2]:
            array.setflags(write=False)
        others = tuple(cls.of_arrays(other, sources, texts, pad_token) for other in arrays[-1])
        ids, type_ids, offsets, word_ids, sequence_ids, special_tokens_mask, attention_mask, found, _ = arrays
        return cls(
            ids,
            type_ids,
            offsets,
            word_ids,
            sequence_ids,
            special_tokens_mask,
            attention_mask,
            others,
            sources,
            texts,
            pad_token,
            dict(found),
        )

    @cached_property
    def tokens(self) -> list[str]:
        """The tokens as the vocabulary spells them: of byte-level BPE a character a byte, ``Ġ`` for a space."""
        texts = [] if self._texts is None else self._texts.tokens(self.ids)
        return [text if is_text else self._pad_token for text, is_text in zip(texts, self.attention_mask, strict=True)]

    def found_tokens(self) -> list[str]:
        """Return `tokens` as ``tokenizers`` tells them.

        Returns
        -------
        list of str
            Of an added token the text that it was found in, and of the unk token of Unigram the unknown text.
        """
        return [self._found.get(place, token) for place, token in enumerate(self.tokens)]

    @cached_property
    def char_offsets(self) -> NDArray[np.int64]:
        """As `offsets`, but in characters: ndarray of int64, shape (n_tokens, 2)."""
        chars = np.zeros_like(self.offsets)
        for sequence, source in enumerate(self.sources):
            is_own = self.sequence_ids == sequence
            words = source if isinstance(source, tuple) else (source,)
            word_ids = self.word_ids[is_own] if isinstance(source, tuple) else np.zeros(is_own.sum(), dtype=np.int64)
            chars[is_own] = _to_chars(words, word_ids, self.offsets[is_own])
        chars.setflags(write=False)
        return chars

    @property
    def n_sequences(self) -> int:
        """How many texts it came from."""
        return len(self.sources)

    def char_to_token(self, char: int, sequence: int = 0) -> int | None:
        """Return the first token that stands for a character.

        Parameters
        ----------
        char : int
            The place of the character in its text.
        sequence : int, default 0
            Which text of a pair.

        Returns
        -------
        int or None
            ``None`` where no token stands for it, as for white space that is not encoded.
        """
        char, sequence = integer(char, "char"), integer(sequence, "sequence")
        starts, ends = self.char_offsets.T
        found = np.flatnonzero((self.sequence_ids == sequence) & (starts <= char) & (char < ends))
        return int(found[0]) if found.size else None

    def char_to_word(self, char: int, sequence: int = 0) -> int | None:
        """Return the word that a character belongs to.

        Parameters
        ----------
        char, sequence
            As :meth:`char_to_token`.

        Returns
        -------
        int or None
        """
        token = self.char_to_token(char, sequence)
        return None if token is None else self.token_to_word(token)

    def token_to_chars(self, token: int) -> tuple[int, int] | None:
        """Return the characters that a token stands for, as start and end.

        Parameters
        ----------
        token : int
            The place of the token.

        Returns
        -------
        tuple of int, or None
            ``None`` for a token that stands for none: one that came from no text, or whose offsets are empty.
        """
        if self.token_to_sequence(token) is None:
            return None
        start, end = self.char_offsets[token].tolist()
        return (start, end) if start < end else None

    def token_to_word(self, token: int) -> int | None:
        """Return the word that a token came from.

        Parameters
        ----------
        token : int
            The place of the token.

        Returns
        -------
        int or None
        """
        return _known(self.word_ids, token)

    def token_to_sequence(self, token: int) -> int | None:
        """Return the text of a pair that a token came from.

        Parameters
        ----------
        token : int
            The place of the token.

        Returns
        -------
        int or None
        """
        return _known(self.sequence_ids, token)

    def word_to_tokens(self, word: int, sequence: int = 0) -> tuple[int, int] | None:
        """Return the tokens of a word, as start and end.

        Parameters
        ----------
        word : int
            The word.
        sequence : int, default 0
            Which text of a pair.

        Returns
        -------
        tuple of int, or None
        """
        word, sequence = integer(word, "word"), integer(sequence, "sequence")
        found = np.flatnonzero((self.sequence_ids == sequence) & (self.word_ids == word)) if word >= 0 else np.empty(0)
        return (int(found[0]), int(found[-1]) + 1) if found.size else None

    def word_to_chars(self, word: int, sequence: int = 0) -> tuple[int, int] | None:
        """Return the characters of a word, as start and end.

        Parameters
        ----------
        word, sequence
            As :meth:`word_to_tokens`.

        Returns
        -------
        tuple of int, or None
        """
        tokens = self.word_to_tokens(word, sequence)
        if tokens is None:
            return None
        return int(self.char_offsets[tokens[0], 0]), int(self.char_offsets[tokens[1] - 1, 1])

    def surface(self, token: int) -> str:
        """Return the stretch of raw text that a token stands for; of one that came from no text, its own text.

        Parameters
        ----------
        token : int
            The place of the token.

        Returns
        -------
        str
        """
        if self.token_to_sequence(token) is None:
            return self.tokens[token]
        start, end = self.offsets[token].tolist()
        return self._data(token)[start:end].decode(errors="replace")

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Encoding):
            return NotImplemented
        mine, theirs = self._lists(), other._lists()
        return (
            all(np.array_equal(one, two) for one, two in zip(mine, theirs, strict=True))
            and self.overflowing == other.overflowing
        )

    def __hash__(self) -> int:
        return hash(self.ids.tobytes())

    def __repr__(self) -> str:
        return f"Encoding({len(self)} tokens, {len(self.overflowing)} overflowing)"

    def __getstate__(self) -> dict[str, Any]:
        # The tokens themselves, not the tokenizer that spells them.
        return {**self.__dict__, "tokens": self.tokens, "_texts": None}

    def __rich__(self) -> Text:
        from rich.text import Text

        shown = Text()
        for token, text in self._shown():
            is_text = token is not None and self.token_to_sequence(token) is not None
            style = f"black on {_COLORS[token % len(_COLORS)]}" if token is not None and is_text else "dim"
            shown.append(_marked(text), style=style)
        return shown

    def _repr_html_(self) -> str:
        spans = []
        for token, text in self._shown():
            content = html.escape(_marked(text))
            if token is not None:
                is_text = self.token_to_sequence(token) is not None
                color = _COLORS[token % len(_COLORS)] if is_text else "#dddddd"
                start, end = self.offsets[token].tolist()
                title = f"{self.tokens[token]}: id {self.ids[token]}, bytes {start} to {end}"
                content = f'<span style="background:{color};color:#000" title="{html.escape(title)}">{content}</span>'
            spans.append(content)
        return f'<div style="font-family:monospace;white-space:pre-wrap">{"".join(spans)}</div>'

    def _shown(self) -> Iterator[tuple[int | None, str]]:
        """Give the raw text of each token, and that between tokens with ``None``.

        Of a token that shares its character with the one before, its own text.
        """
        place: tuple[int | None, int | None, int] = (None, None, 0)
        for token in range(len(self)):
            sequence = self.token_to_sequence(token)
            if sequence is None:
                yield token, self.tokens[token]
                continue
            data = self._data(token)
            word = self.token_to_word(token) if isinstance(self.sources[sequence], tuple) else None
            start, end = self.offsets[token].tolist()
            last = place[2] if place[:2] == (sequence, word) else 0
            if start > last:
                yield None, data[last:start].decode(errors="replace")
            yield token, data[start:end].decode(errors="replace") if start >= last else self.tokens[token]
            place = (sequence, word, max(last, end))

    def _data(self, token: int) -> bytes:
        """Return the text or word that the offsets of a token count in."""
        source = self.sources[int(self.sequence_ids[token])]
        text = source[int(self.word_ids[token])] if isinstance(source, tuple) else source
        return text if isinstance(text, bytes) else text.encode()

    def _lists(self) -> Sequence[NDArray[Any]]:
        return (
            self.ids,
            self.type_ids,
            self.offsets,
            self.word_ids,
            self.sequence_ids,
            self.special_tokens_mask,
            self.attention_mask,
        )


def _to_chars(
    texts: Sequence[str | bytes], text_ids: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Turn byte offsets into those of characters; `text_ids` says in which text each counts."""
    datas = [text if isinstance(text, bytes) else text.encode() for text in texts]
    is_start = (np.frombuffer(b"".join(datas), dtype=np.uint8) & 0xC0) != 0x80
    n_chars_before = np.concatenate(([0], np.cumsum(is_start)))
    ends = np.cumsum([len(data) for data in datas], dtype=np.int64)
    starts = np.concatenate(([0], ends))[text_ids][:, np.newaxis]
    chars: NDArray[np.int64] = n_chars_before[starts + offsets] - n_chars_before[starts]
    return chars


def _known(values: NDArray[np.int64], place: int) -> int | None:
    value = int(values[place]) if 0 <= integer(place, "token") < len(values) else -1
    return None if value < 0 else value


def _marked(text: str) -> str:
    return text.replace("\n", "↵\n").replace("\t", "→\t")
