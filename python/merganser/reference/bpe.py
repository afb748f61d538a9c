"""Byte-level BPE: the executable specification of training, encoding and decoding.

Byte-pair encoding builds a vocabulary bottom up: start from single bytes, then again and again join the most frequent
pair of neighbouring tokens into a new token. Encoding replays those merges, earliest first. Joins never cross the
border of a pre-token, the word-like pieces that a pattern cuts from the text, so training needs only word counts.

One string worked through. ``"banana bandana"`` falls into the pre-tokens ``"banana"`` and ``" bandana"``::

    b a n a n a |   b a n d a n a    (a, n) stands 4 times, (n, a) 3 times: join (a, n)
    b an an a   |   b an d an a      (b, an) and (an, a) stand twice; b has the smaller id: join (b, an)
    ban an a    |   ban d an a       join (an, a)
    ban ana     |   ban d ana        the rest stands once each; a vocabulary of 256 + 3 is full here

Invariants: the tokens of a text, joined, are the bytes of the text; in training each product comes from one merge only,
and no pair comes back once merged. For nothing was ever joined across the ends of a stretch that is now a token, so it
took its steps as if it stood alone, and equal stretches take equal steps. Trainers that keep running pair counts and a
queue (Hugging Face ``tokenizers``) therefore choose the same merges as the plain recount below.

References: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units", section 3.2
(BPE); Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2 (bytes, pre-tokens).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import regex

_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": _CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTION}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTION}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "lines": r"\p{N}{1,3}|[^\r\n\p{N}]*[\r\n]+(?:\s*[\r\n]+)?|[^\r\n\p{N}]+",
}


class Vocabulary(NamedTuple):
    """What training yields: the bytes of each token by id, and the merges by rank as (left, right) token bytes."""

    tokens: list[bytes]
    merges: list[tuple[bytes, bytes]]


def byte_characters() -> dict[int, str]:
    """Give each byte one printable character: GPT-2's spelling of bytes, which also sets the order of the alphabet.

    Visible Latin-1 characters stand for themselves; the other 68 bytes take the characters from U+0100 on, in turn.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) if byte in visible else chr(0x100 + hidden.index(byte)) for byte in range(256)}


def pre_tokenize(text: str, pattern: str) -> list[bytes]:
    """Cut a text into pre-tokens, in UTF-8, by the pattern of that name in `PATTERNS`."""
    return [piece.encode() for piece in regex.findall(PATTERNS[pattern], text)]


def count_words(texts: Iterable[str], pattern: str) -> Counter[bytes]:
    """Count the pre-tokens of all texts."""
    return Counter(word for text in texts for word in pre_tokenize(text, pattern))


def train(
    word_counts: Mapping[bytes, int],
    vocab_size: int,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    initial_alphabet: Iterable[int] = range(256),
) -> Vocabulary:
    """Learn a vocabulary from word counts.

    Ids go to the special tokens, then to the alphabet (the initial bytes and all bytes seen), then to merge products.
    Each step joins the pair with the largest count; of equals, the one with the smaller left id, then right id.
    Training ends when the vocabulary is full, no pair is left, or the best count is below `min_frequency`.

    Parameters
    ----------
    max_token_length : int, optional
        The most bytes that a merge product may have; pairs beyond it do not count.

    Notes
    -----
    A pair whose joined bytes are those of a special token is never joined, so that text cannot become a special token;
    here alone the result differs from that of Hugging Face ``tokenizers``. Special tokens have more than one byte.

    Examples
    --------
    >>> vocabulary = train(count_words(["banana bandana"], "gpt2"), 256 + 3)
    >>> vocabulary.merges
    [(b'a', b'n'), (b'b', b'an'), (b'an', b'a')]
    >>> encode("banana", vocabulary, "gpt2")
    [257, 258]
    >>> decode([257, 258], vocabulary)
    b'banana'
    """
    special = {token.encode() for token in special_tokens}
    alphabet = sorted({*initial_alphabet}.union(*word_counts), key=byte_characters().__getitem__)
    tokens = list(dict.fromkeys([*(token.encode() for token in special_tokens), *(bytes([byte]) for byte in alphabet)]))
    start = Vocabulary(tokens, [])
    words = zip(encode_words(word_counts, start), word_counts.values(), strict=True)

    def may_be(token: bytes) -> bool:
        return token not in special and (max_token_length is None or len(token) <= max_token_length)

    return join_pairs(words, start, vocab_size, min_frequency, may_be)


def join_pairs(
    word_counts: Iterable[tuple[Sequence[int], int]],
    start: Vocabulary,
    vocab_size: int,
    min_frequency: int,
    may_be: Callable[[bytes], bool],
) -> Vocabulary:
    """Go on from a vocabulary, and from words as its ids, with how often each stands; `may_be` allows a product."""
    tokens, merges = [*start.tokens], [*start.merges]
    words = [([*word], count) for word, count in word_counts]
    while len(tokens) < vocab_size:
        pair_counts: Counter[tuple[int, int]] = Counter()
        for word, count in words:
            for left, right in pairwise(word):
                if may_be(tokens[left] + tokens[right]):
                    pair_counts[left, right] += count
        best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair), default=None)
        if best is None or pair_counts[best] < max(min_frequency, 1):
            break
        left, right = best
        merges.append((tokens[left], tokens[right]))
        tokens.append(tokens[left] + tokens[right])
        for word, _ in words:
            for place in range(len(word) - 1):
                if word[place : place + 2] == [left, right]:
                    word[place : place + 2] = [len(tokens) - 1]
    return Vocabulary(tokens, merges)


def encode(text: str, vocabulary: Vocabulary, pattern: str, ignore_merges: bool = False) -> list[int]:
    """Encode a text, pre-token by pre-token; the alphabet must hold every byte of it."""
    return [*chain.from_iterable(encode_words(pre_tokenize(text, pattern), vocabulary, ignore_merges))]


def encode_words(words: Iterable[bytes], vocabulary: Vocabulary, ignore_merges: bool = False) -> Iterator[list[int]]:
    """Encode pre-tokens: in each, join the pair of lowest rank, leftmost first, until no pair has a merge.

    With `ignore_merges`, a pre-token that is itself a token becomes that token at once.
    """
    ids = {token: token_id for token_id, token in enumerate(vocabulary.tokens)}
    ranks = {pair: rank for rank, pair in enumerate(vocabulary.merges)}
    for word in words:
        parts = [word] if ignore_merges and word in ids else [bytes([byte]) for byte in word]
        while mergeable := [(ranks[pair], place) for place, pair in enumerate(pairwise(parts)) if pair in ranks]:
            _, place = min(mergeable)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        yield [ids[part] for part in parts]


def decode(ids: Iterable[int], vocabulary: Vocabulary) -> bytes:
    """Join the bytes of the tokens; they need not be whole characters."""
    return b"".join(vocabulary.tokens[token_id] for token_id in ids)
