"""WordPiece: the executable specification of training, by either of two criteria, and of encoding.

A word is spelled in tokens; a token that does not begin the word carries a prefix, ``##``. Training starts from single
characters and again and again joins one pair of neighbouring tokens, everywhere, into a new token. Which pair, is the
criterion. With count(x) for how often a token, or a pair of neighbours, stands in all words as they are spelled now:

=============  =====================================  ==============================================================
criterion      joins the pair (a, b) of the largest   who means this by WordPiece
=============  =====================================  ==============================================================
"likelihood"   count(ab) / (count(a) * count(b))      Schuster and Nakajima, as commonly stated: what joining gains
               of pairs with count >= min_frequency   the likelihood of the words, for each time it is done
"frequency"    count(ab)                              Hugging Face ``tokenizers``: byte-pair encoding with ``##``
=============  =====================================  ==============================================================

The first joins what seldom stands apart, however rare: without a floor, pairs that occur once come first. Encoding is
the same for both: the longest token that begins the word, then the longest that continues it, and so on.

One string worked through. The words are ``hug`` ten times, ``pug`` five, ``pun`` twelve, ``hugs`` five::

    h ##u ##g   p ##u ##g   p ##u ##n   h ##u ##g ##s      h 15, p 17, ##u 32, ##g 20, ##n 12, ##s 5

    likelihood: (##g, ##s) 5 / (20 * 5) = 1/20 leads (p, ##u) 17 / (17 * 32) = 1/32,
                which leads (h, ##u) 15 / (15 * 32) and (##u, ##n) 12 / (32 * 12), 1/32 too, by its larger count
    frequency:  (##u, ##g) 20 leads (p, ##u) 17

Invariant: training never makes the same token twice. Nothing was ever joined across the ends of a stretch that is now a
token, so it took its steps as if it stood alone, and equal stretches take equal steps. Only where the prefix stands in
the text itself can two tokens be spelled alike; a pair whose product is spelled like a token is never joined.

References: Schuster and Nakajima 2012, "Japanese and Korean voice search", section 3 (the criterion); Wu et al. 2016,
arXiv 1609.08144, section 4.1; Devlin et al. 2019, "BERT" (the prefix, the special tokens); Song et al. 2021, "Fast
WordPiece tokenization", arXiv 2012.15524 (greedy matching).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def spell(word: str, prefix: str = "##") -> list[str]:
    """Write a word in single characters, each but the first with the prefix."""
    return [prefix * (place > 0) + character for place, character in enumerate(word)]


def alphabet(words: Sequence[str], prefix: str = "##") -> list[str]:
    """List the tokens before training: each character, by code point; then those seen inside words, with the prefix."""
    characters = sorted(set().union(*words))
    inside = sorted(set().union(*(word[1:] for word in words)))
    return list(dict.fromkeys([*characters, *(prefix + character for character in inside)]))


def join(left: str, right: str, prefix: str = "##") -> str:
    """Spell the token that two neighbours make."""
    return left + right.removeprefix(prefix)


def train(
    word_counts: Mapping[str, int],
    vocab_size: int,
    criterion: str = "likelihood",
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    min_frequency: int = 0,
    prefix: str = "##",
    max_token_length: int | None = None,
) -> list[str]:
    """Learn a vocabulary from word counts; the id of a token is its place.

    Ids go to the special tokens, then to the alphabet, then to the tokens in the order in which they are made. Training
    ends when the vocabulary is full or no pair is left.

    Parameters
    ----------
    criterion : {"likelihood", "frequency"}
        Which pair comes next. Of equals: by likelihood, the one with the larger count, then the smaller left id, then
        the smaller right id; by frequency, the smaller left id, then the smaller right id.
    min_frequency : int
        A pair that occurs less often is not joined.
    max_token_length : int, optional
        The most characters that a token may have, its prefix not counted.

    Examples
    --------
    >>> words = {"hug": 10, "pug": 5, "pun": 12, "hugs": 5}
    >>> train(words, vocab_size=10, special_tokens=["[UNK]"])[1:]
    ['g', 'h', 'n', 'p', 's', 'u', '##g', '##n', '##s', '##u']
    >>> train(words, vocab_size=13, special_tokens=["[UNK]"])[11:]
    ['##gs', 'pu']
    >>> train(words, vocab_size=13, special_tokens=["[UNK]"], criterion="frequency")[11:]
    ['##ug', 'hug']
    """
    tokens = list(dict.fromkeys([*special_tokens, *alphabet(list(word_counts), prefix)]))
    words = [([tokens.index(token) for token in spell(word, prefix)], count) for word, count in word_counts.items()]
    lengths = [1] * len(tokens)
    while len(tokens) < vocab_size:
        token_counts = Counter[int]()
        pair_counts = Counter[tuple[int, int]]()
        for word, count in words:
            for token_id in word:
                token_counts[token_id] += count
            for pair in pairwise(word):
                pair_counts[pair] += count
        ranked = [
            (
                -Fraction(count, token_counts[left] * token_counts[right] if criterion == "likelihood" else 1),
                -count,
                pair,
            )
            for pair, count in pair_counts.items()
            for left, right in [pair]
            if count >= min_frequency
            and (max_token_length is None or lengths[left] + lengths[right] <= max_token_length)
            and join(tokens[left], tokens[right], prefix) not in tokens
        ]
        if not ranked:
            break
        _, _, (left, right) = min(ranked)
        tokens.append(join(tokens[left], tokens[right], prefix))
        lengths.append(lengths[left] + lengths[right])
        for word, _ in words:
            for place in range(len(word) - 1):
                if word[place : place + 2] == [left, right]:
                    word[place : place + 2] = [len(tokens) - 1]
    return tokens


def encode(word: str, tokens: Sequence[str], prefix: str = "##", unk: str = "[UNK]", max_chars: int = 100) -> list[str]:
    """Write a word in the longest tokens, from left to right; a word that cannot be written is unknown as a whole.

    >>> encode("unhugs", ["[UNK]", "un", "u", "##hug", "##h", "##s"])
    ['un', '##hug', '##s']
    >>> encode("unhugz", ["[UNK]", "un", "u", "##hug", "##h", "##s"])
    ['[UNK]']
    """
    vocabulary = {*tokens}
    output: list[str] = []
    start = 0
    while start < len(word) <= max_chars:
        longest_first = (prefix * (start > 0) + word[start:end] for end in range(len(word), start, -1))
        token = next((piece for piece in longest_first if piece in vocabulary), None)
        if token is None:
            return [unk]
        output.append(token)
        start += len(token) - len(prefix) * (start > 0)
    return output if len(word) <= max_chars else [unk]
