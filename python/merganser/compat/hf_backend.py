"""`Backend`: the surface of ``tokenizers.Tokenizer`` over a merganser tokenizer.

A merganser tokenizer never changes. Calls that change the face, such as `add_tokens`, give it another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from merganser import files
from merganser.arguments import id_list, many_texts
from merganser.atomic import atomic_write
from merganser.compat.hf_encoding import HFEncoding
from merganser.encoding import Encoding
from merganser.errors import ConfigError, UnknownTokenError
from merganser.settings import Padding, Side, Strategy, Truncation

if TYPE_CHECKING:
    from merganser.tokenizer import Tokenizer

__all__ = ["AddedToken", "Backend", "split_pair"]

Input: TypeAlias = "str | Sequence[str]"
"""A text, or its words."""

Flags: TypeAlias = "tuple[str, bool, bool, bool, bool, bool]"


@dataclasses.dataclass
class AddedToken:
    """A token that is found in a text before the model sees it, with what decides where: names as in `tokenizers`."""

    content: str
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool
    special: bool


class Backend:
    """See the module's head.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokenizer; its truncation and padding become those of the face.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._truncation = tokenizer.truncation
        self._padding = tokenizer.padding
        if self._truncation is not None:
            tokenizer = tokenizer.with_truncation(None)
        if self._padding is not None:
            tokenizer = tokenizer.with_padding(None)
        self.encode_special_tokens = False
        self._set_tokenizer(tokenizer)

    def _set_tokenizer(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, int] | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The merganser tokenizer, with the truncation and padding of the face."""
        return self._tokenizer.with_truncation(self._truncation).with_padding(self._padding)

    def encode(
        self,
        sequence: Input,
        pair: Input | None = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> HFEncoding:
        """Encode one text or pair, special tokens in it as such.

        Parameters
        ----------
        sequence : str, or sequence of str
            The text; its words if `is_pretokenized`, each of which is a text of its own.
        pair : str, or sequence of str, optional
            A second text.
        is_pretokenized : bool, default False
            Whether texts come as words.
        add_special_tokens : bool, default True
            Whether the post-processor adds its ids.
        """
        return self._encode([(sequence, pair)], is_pretokenized, add_special_tokens, self._truncation, self._padding)[0]

    def encode_batch(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[HFEncoding]:
        """Encode many texts, or pairs as tuples or lists of two."""
        pairs = [split_pair(one, is_pretokenized) for one in many_texts(input, "input")]
        return self._encode(pairs, is_pretokenized, add_special_tokens, self._truncation, self._padding)

    def encode_batch_fast(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[HFEncoding]:
        """Encode as :meth:`encode_batch`; offsets are computed when asked for in either."""
        return self.encode_batch(input, is_pretokenized, add_special_tokens)

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """Return the text of ids; those that are not in the vocabulary are left out."""
        ids = id_list(ids, "ids")
        try:
            return self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)
        except UnknownTokenError:
            known = [id_ for id_ in ids if self.id_to_token(id_) is not None]
            return self._tokenizer.decode(known, skip_special_tokens=skip_special_tokens)

    def decode_batch(self, sequences: Iterable[Iterable[int]], skip_special_tokens: bool = True) -> list[str]:
        """Return the text of each sequence."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]

    def token_to_id(self, token: str) -> int | None:
        """Return the id of a token as the vocabulary spells it."""
        if self._ids is None:
            self._ids = self.get_vocab()
        return self._ids.get(token)

    def id_to_token(self, id: int) -> str | None:
        """Return the token of an id as the vocabulary spells it."""
        try:
            return self._tokenizer.token_text(id)
        except UnknownTokenError:
            return None

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """Return text and id of every token."""
        vocab = dict(self._tokenizer._inner.model_tokens())
        if with_added_tokens:
            vocab.update((content, id_) for content, id_, _ in self._tokenizer._inner.added_tokens)
        return vocab

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Return every added token by its id."""
        return {token[0]: AddedToken(*token[1:]) for token in self._tokenizer._inner.added_token_flags}

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """Return how many tokens there are."""
        return len(self.get_vocab(with_added_tokens))

    def add_tokens(self, tokens: Sequence[Any]) -> int:
        """Add tokens, `str` or with the attributes of ``AddedToken``, and return how many are new or changed."""
        return self._add([_flags(token, is_special=False) for token in tokens])

    def add_special_tokens(self, tokens: Any) -> int:
        """Add special tokens, and return how many are new or changed."""
        return self._add([_flags(token, is_special=True) for token in tokens])

    def num_special_tokens_to_add(self, is_pair: bool = False) -> int:
        """Return how many ids the post-processor adds to one text or to a pair."""
        return len(self._encode([("", "" if is_pair else None)], False, True, None, None)[0])

    @property
    def truncation(self) -> dict[str, Any] | None:
        """How long sequences may be."""
        chosen = self._truncation
        return (
            None
            if chosen is None
            else {
                "max_length": chosen.max_length,
                "stride": chosen.stride,
                "strategy": chosen.strategy,
                "direction": chosen.side,
            }
        )

    def enable_truncation(
        self, max_length: int, stride: int = 0, strategy: Strategy = "longest_first", direction: Side = "right"
    ) -> None:
        """Cut sequences to a length."""
        self._truncation = Truncation(max_length, strategy=strategy, stride=stride, side=direction)

    def no_truncation(self) -> None:
        """Cut nothing."""
        self._truncation = None

    @property
    def padding(self) -> dict[str, Any] | None:
        """To what length sequences are filled up."""
        chosen = self._padding
        return (
            None
            if chosen is None
            else {
                "length": chosen.length,
                "pad_to_multiple_of": chosen.multiple_of,
                "pad_id": chosen.id,
                "pad_token": chosen.token,
                "pad_type_id": chosen.type_id,
                "direction": chosen.side,
            }
        )

    def enable_padding(
        self,
        direction: Side = "right",
        pad_id: int = 0,
        pad_type_id: int = 0,
        pad_token: str = "[PAD]",  # noqa: S107 - a token of a vocabulary
        length: int | None = None,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        """Fill sequences up to a length."""
        self._padding = Padding(length, direction, pad_to_multiple_of, pad_id, pad_type_id, pad_token)

    def no_padding(self) -> None:
        """Fill nothing up."""
        self._padding = None

    def to_str(self, pretty: bool = False) -> str:
        """Return the text of a ``tokenizer.json``."""
        return files.json_text(self.tokenizer._inner, pretty=pretty)

    def save(self, path: str | os.PathLike[str], pretty: bool = True) -> None:
        """Save as a ``tokenizer.json``."""
        with atomic_write(Path(path)) as file:
            file.write(self.to_str(pretty).encode())

    def _add(self, flags: list[Flags]) -> int:
        from merganser.tokenizer import Tokenizer

        inner, n_added = self._tokenizer._inner.with_added_tokens(flags)
        self._set_tokenizer(Tokenizer._wrap(inner))
        return n_added

    def _encode(
        self,
        pairs: Sequence[tuple[Any, Any]],
        is_pretokenized: bool,
        add_special_tokens: bool,
        truncation: Truncation | None,
        padding: Padding | None,
        splits_special: bool | None = None,
    ) -> list[HFEncoding]:
        """Encode texts or words, with these settings."""
        sources = [tuple(_source(one, is_pretokenized) for one in pair if one is not None) for pair in pairs]
        splits_special = self.encode_special_tokens if splits_special is None else splits_special
        all_arrays = self._tokenizer._inner.encodings(
            [(source[0], source[1] if len(source) > 1 else None) for source in sources],
            add_special_tokens,
            "text" if splits_special else "encode",
            None if truncation is None else truncation.fields,
            None if padding is None else padding.fields,
            None,
        )
        pad_token = "" if padding is None else padding.token
        return [
            HFEncoding(Encoding.of_arrays(arrays, source, self._tokenizer, pad_token))
            for arrays, source in zip(all_arrays, sources, strict=True)
        ]


def _source(value: Any, is_pretokenized: bool) -> str | tuple[str, ...]:
    """Check a text, or words."""
    if is_pretokenized:
        if isinstance(value, str) or not all(isinstance(word, str) for word in value):
            msg = f"a text must be words, a list of str, with is_pretokenized, got {value!r}"
            raise TypeError(msg)
        return tuple(value)
    if not isinstance(value, str):
        msg = f"a text must be str, got {type(value).__name__}; pass is_pretokenized=True for a list of words"
        raise TypeError(msg)
    return value


def split_pair(value: Any, is_pretokenized: bool) -> tuple[Any, Any]:
    """Tell a text from a pair: of pre-tokenized ones, a pair is a tuple or list of two lists."""
    if isinstance(value, str):
        return value, None
    if not hasattr(value, "__len__"):
        msg = f"a text must be str, or a sequence of two, got {type(value).__name__}"
        raise TypeError(msg)
    is_pair = len(value) == 2 and (not is_pretokenized or not any(isinstance(one, str) for one in value))
    return (value[0], value[1]) if is_pair else (value, None)


def _flags(token: Any, *, is_special: bool) -> Flags:
    """Return the flags of a token, a `str` or an object like ``AddedToken``."""
    if isinstance(token, str):
        return (token, False, False, False, not is_special, is_special)
    if is_special:
        # As the peer does; of an ``AddedToken`` that says nothing of `normalized`, it depends on this.
        with contextlib.suppress(AttributeError):
            token.special = True
    try:
        flags = (token.content, token.single_word, token.lstrip, token.rstrip, token.normalized, token.special)
    except AttributeError:
        msg = f"a token must be str or have the attributes of AddedToken, got {type(token).__name__}"
        raise ConfigError(msg) from None
    return (*flags[:5], is_special or flags[5])
