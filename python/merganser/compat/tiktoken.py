"""`TiktokenEncoding`: the surface of ``tiktoken.Encoding`` over a merganser tokenizer.

Made by :meth:`merganser.Tokenizer.as_tiktoken`. As in tiktoken, special tokens in text are an error unless
`allowed_special` or `disallowed_special` says otherwise, and nothing is added around a text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from merganser.arguments import id_list, many_texts
from merganser.compat.unstable import Completions
from merganser.errors import ConfigError, DisallowedSpecialError, UnknownTokenError

if TYPE_CHECKING:
    from merganser.tokenizer import Tokenizer

__all__ = ["TiktokenEncoding"]

SpecialTokens: TypeAlias = "Literal['all'] | Collection[str]"
"""Texts of special tokens, or all of them."""


class TiktokenEncoding:
    """A tokenizer with the calls of ``tiktoken.Encoding``.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokenizer, without truncation and padding.
    name : str
        What the encoding calls itself.

    Raises
    ------
    ConfigError
        If `tokenizer` truncates or pads.

    Notes
    -----
    Threads may share it, and it can be pickled. Every call gives what the tokenizer gives without its post-processor.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259, special_tokens=["<|endoftext|>"])
    >>> enc = tok.as_tiktoken(name="banana")
    >>> enc.encode("banana<|endoftext|>", allowed_special={"<|endoftext|>"})
    [258, 257, 65, 0]
    >>> enc.decode_with_offsets([258, 257, 65])
    ('banana', [0, 3, 5])
    >>> enc.eot_token, enc.n_vocab
    (0, 259)
    """

    def __init__(self, tokenizer: Tokenizer, name: str) -> None:
        if tokenizer.truncation is not None or tokenizer.padding is not None:
            msg = (
                "tiktoken knows neither truncation nor padding; pass tokenizer.with_truncation(None).with_padding(None)"
            )
            raise ConfigError(msg)
        self.name = name
        self._tokenizer = tokenizer
        self._special_tokens = tokenizer.special_tokens

    def __repr__(self) -> str:
        return f"<Encoding {self.name!r}>"

    def encode_ordinary(self, text: str) -> list[int]:
        """Encode text, special tokens in it as ordinary text."""
        return self._tokenizer.encode(_repaired(text), add_special_tokens=False, on_special="text")

    def encode(
        self, text: str, *, allowed_special: SpecialTokens = (), disallowed_special: SpecialTokens | None = "all"
    ) -> list[int]:
        """Encode text.

        Parameters
        ----------
        text : str
            The text. A lone surrogate becomes U+FFFD.
        allowed_special : "all" or collection of str
            Special tokens whose text becomes their id.
        disallowed_special : "all", collection of str, or None
            Texts that must not occur; ``"all"``: those of special tokens that are not allowed. What is neither is
            ordinary text.

        Raises
        ------
        DisallowedSpecialError
            A `ValueError`: `text` contains one of `disallowed_special`.
        """
        allowed = self._check(text, allowed_special, disallowed_special)
        text = _repaired(text)
        if not allowed:
            return self.encode_ordinary(text)
        if allowed >= self.special_tokens_set:
            return self._tokenizer.encode(text, add_special_tokens=False, on_special="encode")
        ids: list[int] = []
        for place, part in enumerate(_alternatives(allowed).split(text)):
            ids.extend([self._special_tokens[part]] if place % 2 else self.encode_ordinary(part))
        return ids

    def encode_to_numpy(
        self, text: str, *, allowed_special: SpecialTokens = (), disallowed_special: SpecialTokens | None = "all"
    ) -> NDArray[np.uint32]:
        """Encode as :meth:`encode`, into an array of uint32."""
        allowed = self._check(text, allowed_special, disallowed_special)
        if not allowed or allowed >= self.special_tokens_set:
            on_special: Literal["encode", "text"] = "encode" if allowed else "text"
            return self._tokenizer.encode_to_numpy(
                _repaired(text), add_special_tokens=False, on_special=on_special, dtype=np.uint32
            )
        ids = self.encode(text, allowed_special=allowed, disallowed_special=())
        return np.array(ids, dtype=np.uint32)

    def encode_ordinary_batch(self, text: Sequence[str], *, num_threads: int = 8) -> list[list[int]]:
        """Encode many texts as :meth:`encode_ordinary`."""
        return self.encode_batch(text, num_threads=num_threads, disallowed_special=())

    def encode_batch(
        self,
        text: Sequence[str],
        *,
        num_threads: int = 8,
        allowed_special: SpecialTokens = (),
        disallowed_special: SpecialTokens | None = "all",
    ) -> list[list[int]]:
        """Encode many texts as :meth:`encode`."""
        allowed: frozenset[str] = frozenset()
        text = list(many_texts(text, "text"))
        for one in text:
            allowed = self._check(one, allowed_special, disallowed_special)
        if allowed and not allowed >= self.special_tokens_set:
            return [self.encode(one, allowed_special=allowed, disallowed_special=()) for one in text]
        batch = self._tokenizer.encode_batch(
            map(_repaired, text),
            add_special_tokens=False,
            on_special="encode" if allowed else "text",
            n_threads=num_threads,
        )
        return batch.to_list()

    def encode_with_unstable(
        self, text: str, *, allowed_special: SpecialTokens = (), disallowed_special: SpecialTokens | None = "all"
    ) -> tuple[list[int], list[list[int]]]:
        """Encode the part of text whose ids no further text changes, and all ids that the rest may begin.

        Raises
        ------
        UnsupportedError
            If the order of merges is not that of ids, as tiktoken's is.
        """
        ids = self.encode(text, allowed_special=allowed_special, disallowed_special=disallowed_special)
        allowed = self._check(text, allowed_special, ())
        tail = _alternatives(allowed).split(_repaired(text))[-1] if allowed else _repaired(text)
        n_stable, completions = self._completions.of(ids, tail)
        return ids[:n_stable], [list(completion) for completion in completions]

    def encode_single_token(self, text_or_bytes: str | bytes) -> int:
        """Return the id of a token, special or not; `KeyError` if there is none."""
        token = text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return found

    def decode_bytes(self, tokens: Iterable[int]) -> bytes:
        """Return the bytes of ids; `KeyError` if one is not in the vocabulary."""
        try:
            return self._tokenizer.decode_bytes(id_list(tokens, "tokens"))
        except UnknownTokenError as error:
            raise KeyError(str(error)) from None

    def decode(self, tokens: Iterable[int], errors: str = "replace") -> str:
        """Return the text of ids; `errors` as that of ``bytes.decode``."""
        return self.decode_bytes(tokens).decode("utf-8", errors=errors)

    def decode_single_token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id; `KeyError` if it is not in the vocabulary."""
        try:
            return self._tokenizer.token_bytes(token)
        except UnknownTokenError:
            raise KeyError(str(token)) from None

    def decode_tokens_bytes(self, tokens: Iterable[int]) -> list[bytes]:
        """Return the bytes of each id."""
        return [self.decode_single_token_bytes(token) for token in id_list(tokens, "tokens")]

    def decode_with_offsets(self, tokens: Iterable[int]) -> tuple[str, list[int]]:
        """Return the text of ids, and the character where each begins, or which it continues."""
        pieces = self.decode_tokens_bytes(tokens)
        offsets = []
        n_chars = 0
        for piece in pieces:
            offsets.append(max(0, n_chars - (0x80 <= piece[0] < 0xC0)) if piece else n_chars)
            n_chars += sum(not 0x80 <= byte < 0xC0 for byte in piece)
        return b"".join(pieces).decode(), offsets

    def decode_batch(
        self,
        batch: Iterable[Iterable[int]],
        *,
        errors: str = "replace",
        num_threads: int = 8,  # noqa: ARG002 - decoding a batch is quick on one thread
    ) -> list[str]:
        """Return the text of each sequence."""
        return [self.decode(tokens, errors) for tokens in batch]

    def decode_bytes_batch(
        self,
        batch: Iterable[Iterable[int]],
        *,
        num_threads: int = 8,  # noqa: ARG002 - decoding a batch is quick on one thread
    ) -> list[bytes]:
        """Return the bytes of each sequence."""
        return [self.decode_bytes(tokens) for tokens in batch]

    def token_byte_values(self) -> list[bytes]:
        """Return the bytes of every token that is not special, sorted."""
        return sorted(self._ranks)

    def is_special_token(self, token: int) -> bool:
        """Return whether an id is that of a special token."""
        return token in self._special_tokens.values()

    @cached_property
    def special_tokens_set(self) -> set[str]:
        """The texts of the special tokens."""
        return set(self._special_tokens)

    @property
    def eot_token(self) -> int:
        """The id of ``<|endoftext|>``; `KeyError` if there is none."""
        return self._special_tokens["<|endoftext|>"]

    @property
    def max_token_value(self) -> int:
        """The largest id."""
        return self._tokenizer.vocab_size - 1

    @property
    def n_vocab(self) -> int:
        """One more than the largest id."""
        return self._tokenizer.vocab_size

    @cached_property
    def _ranks(self) -> dict[bytes, int]:
        special = set(self._special_tokens.values())
        return {token: id_ for token, id_ in self._tokenizer.vocab().items() if id_ not in special}

    @cached_property
    def _completions(self) -> Completions:
        return Completions(self._tokenizer, self._ranks)

    def _check(self, text: str, allowed: SpecialTokens, disallowed: SpecialTokens | None) -> frozenset[str]:
        """Raise if one of `disallowed` is in `text`; return the special tokens that are allowed."""
        if not isinstance(text, str):
            msg = f"text must be str, got {type(text).__name__}"
            raise TypeError(msg)
        specials = frozenset(self._special_tokens)
        wanted = specials if allowed == "all" else frozenset(allowed)
        refused = specials - wanted if disallowed == "all" else frozenset(disallowed or ())
        found = _alternatives(refused).search(text) if refused else None
        if found is not None:
            token = found.group()
            msg = (
                f"text contains the disallowed special token {token!r} at character {found.start()}; to encode it as "
                f"the special token pass allowed_special={{{token!r}, ...}}, to encode it as ordinary text pass "
                f"disallowed_special=(enc.special_tokens_set - {{{token!r}}}), or () for all"
            )
            raise DisallowedSpecialError(msg)
        return wanted & specials

    def __getstate__(self) -> dict[str, Any]:
        # What is cached is quickly made again.
        return {key: self.__dict__[key] for key in ("name", "_tokenizer", "_special_tokens")}


@lru_cache(maxsize=64)
def _alternatives(tokens: frozenset[str]) -> re.Pattern[str]:
    """Match any of the texts, the longest of those that begin at a place; the match is the only group."""
    return re.compile(f"({'|'.join(map(re.escape, sorted(tokens, key=len, reverse=True)))})")


def _repaired(text: str) -> str:
    """Join surrogate pairs, and replace lone surrogates by U+FFFD."""
    if not isinstance(text, str):
        msg = f"text must be str, got {type(text).__name__}"
        raise TypeError(msg)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
