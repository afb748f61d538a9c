"""`Completions`: which ids the end of a text may still become, as tiktoken's ``encode_with_unstable`` tells.

The last pre-token of a text is not settled: more text may lengthen it. Every token that begins with its bytes is a
completion, and so is what comes of each token that begins with some of its last bytes. All of it is by brute force over
the sorted vocabulary, as in tiktoken (Rust source of 0.14, ``_encode_unstable_native``), for the sets to be equal.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merganser.tokenizer import Tokenizer

__all__ = ["Completions"]

_SPACES = frozenset(b" \n\t")
# White_Space of Unicode, of which `str.isspace` knows four separators more.
_SEPARATORS = "\x1c\x1d\x1e\x1f"


class Completions:
    """See the module's head.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokenizer.
    ranks : dict of bytes to int
        Bytes and id of each token that is not special.

    Raises
    ------
    UnsupportedError
        If the order of merges is not that of ids.
    """

    def __init__(self, tokenizer: Tokenizer, ranks: dict[bytes, int]) -> None:
        # Only what a rank file can express merges by id.
        tokenizer._inner.to_tiktoken()
        self._tokenizer = tokenizer
        self._ranks = ranks
        self._sorted = sorted(ranks)
        # The pattern of cl100k takes white space that ends a text whole, that of o200k does not; it splits "aB" too.
        self._joins_last_space = tokenizer.pre_tokenize("aB") == ["aB"]

    def of(self, ids: list[int], tail: str) -> tuple[int, set[tuple[int, ...]]]:
        """Return how many of `ids` are settled, and the ids that the rest may become or begin.

        Parameters
        ----------
        ids : list of int
            The ids of a text.
        tail : str
            The end of the text, behind its last special token.
        """
        n_last = self._n_last(ids, tail)
        if n_last == 0:
            return len(ids), set()
        if self._is_space(ids[-n_last]):
            while n_last < len(ids) and self._is_space(ids[-n_last - 1]):
                n_last += 1
        n_stable = len(ids) - n_last
        rest = self._tokenizer.decode_bytes(ids[n_stable:])
        completions: set[tuple[int, ...]] = {(self._ranks[token],) for token in self._starting_with(rest)}
        for cut in range(1, len(rest)):
            for token in self._starting_with(rest[cut:]):
                completions.add(self._covering(len(rest), self._ids(rest[:cut] + token)))
        last_char = _last_char(rest)
        if last_char and len(rest) > len(last_char) and _is_white_space(last_char.decode()):
            before = rest[: -len(last_char)]
            completions.add((*self._merged(before), *self._merged(last_char)))
        return n_stable, completions

    def _n_last(self, ids: list[int], tail: str) -> int:
        """Return how many ids the last pre-token has."""
        pre_tokens = self._tokenizer.pre_tokenize(tail, on_special="text")
        if not ids or not pre_tokens:
            return 0
        n_last = 1
        if self._joins_last_space and _is_white_space(pre_tokens[-1]):
            while n_last < len(pre_tokens) and _is_white_space(pre_tokens[-n_last - 1]):
                n_last += 1
        return sum(len(self._encode(pre_token)) for pre_token in pre_tokens[-n_last:])

    def _is_space(self, id_: int) -> bool:
        return _SPACES.issuperset(self._tokenizer.token_bytes(id_))

    def _starting_with(self, start: bytes) -> Iterator[bytes]:
        for place in range(bisect_left(self._sorted, start), len(self._sorted)):
            token = self._sorted[place]
            if not token.startswith(start):
                return
            yield token

    def _covering(self, n_bytes: int, ids: list[int]) -> tuple[int, ...]:
        """Return the first of `ids`, as many as cover `n_bytes`."""
        n_covered = 0
        for place, id_ in enumerate(ids):
            n_covered += len(self._tokenizer.token_bytes(id_))
            if n_covered >= n_bytes:
                return tuple(ids[: place + 1])
        return tuple(ids)

    def _ids(self, data: bytes) -> list[int]:
        try:
            return self._encode(data.decode())
        except UnicodeDecodeError:
            return self._merged(data)

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, on_special="text")

    def _merged(self, data: bytes) -> list[int]:
        """Merge bytes that need not be text, by the definition: the pair of the lowest id first."""
        if data in self._ranks:
            return [self._ranks[data]]
        parts = [data[i : i + 1] for i in range(len(data))]
        while True:
            ranked = [(self._ranks.get(left + right), i) for i, (left, right) in enumerate(pairwise(parts))]
            known = [(rank, i) for rank, i in ranked if rank is not None]
            if not known:
                return [self._ranks[part] for part in parts]
            _, i = min(known)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]


def _is_white_space(text: str) -> bool:
    return text.isspace() and not any(separator in text for separator in _SEPARATORS)


def _last_char(data: bytes) -> bytes:
    """Return the bytes of the last character, none where they are not UTF-8."""
    for n_bytes in range(1, 5):
        last = data[-n_bytes:]
        if len(last) == n_bytes and not 0x80 <= last[0] < 0xC0:
            try:
                last.decode()
            except UnicodeDecodeError:
                return b""
            return last
    return b""
