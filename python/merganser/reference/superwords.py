"""Superwords: the executable specification of a second phase of BPE, whose tokens may be several words.

The first phase is `bpe.train`: joins stay inside the words that its pattern cuts. The second goes on from its merges
with a pattern that cuts into lines. A line is first encoded by the merges so far; then again and again the most
frequent pair of neighbouring tokens in all lines is joined, as before. Encoding is `bpe.encode` with the pattern of
lines: earlier merges come first, so it takes the steps that training took. Two rules bound a token of the second phase:
it holds at most so many words, stretches without white space, and none of the texts called stops.

One string worked through. ``"to be or not to be"``, where five pairs stand twice, and the smaller ids lead::

    t o | _ b e | _ o r | _ n o t | _ t o | _ b e     words: join (b, e), then (t, o)
    to _ be _ o r _ n o t _ to _ be                   one line: join (_, be), which has a smaller id than (to, _)
    to _be _ o r _ n o t _ to _be                     join (to, _be): a token of two words

Invariant: nothing but the pre-tokens changes between the phases, so the result is one list of merges, and a plain BPE
encoder with the pattern of lines runs it.

Reference: Liu et al. 2025, "SuperBPE: Space travel for language models", section 2.
"""

from collections.abc import Iterable, Sequence

from merganser.reference.bpe import Vocabulary, count_words, encode_words, join_pairs


def train(
    texts: Iterable[str],
    first: Vocabulary,
    vocab_size: int,
    pattern: str = "lines",
    max_words: int | None = 4,
    stops: Sequence[bytes] = (b": ",),
    min_frequency: int = 0,
    max_token_length: int | None = None,
) -> Vocabulary:
    """Go on from the vocabulary of the first phase until there are `vocab_size` tokens.

    Each step joins the pair with the largest count; of equals, the one with the smaller left id, then right id.
    Training ends when the vocabulary is full, no pair is left, or the best count is below `min_frequency`.

    Parameters
    ----------
    pattern : str
        What cuts the texts in this phase, by its name in `bpe.PATTERNS`.
    max_words : int, optional
        The most stretches without white space that a token holds.
    stops : sequence of bytes
        What no token holds.
    max_token_length : int, optional
        The most bytes that a token has.

    Notes
    -----
    A token of the first phase is not made again, nor is a text that special tokens have: they are in `first`.

    Examples
    --------
    >>> from merganser.reference import bpe
    >>> text = "to be or not to be"
    >>> first = bpe.train(bpe.count_words([text], "cl100k"), 256 + 2)
    >>> train([text], first, 256 + 4).merges
    [(b'b', b'e'), (b't', b'o'), (b' ', b'be'), (b'to', b' be')]
    """
    line_counts = count_words(texts, pattern)
    lines = zip(encode_words(line_counts, first), line_counts.values(), strict=True)
    known = {*first.tokens}

    def may_be(token: bytes) -> bool:
        return (
            token not in known
            and (max_words is None or len(token.split()) <= max_words)
            and not any(stop in token for stop in stops)
            and (max_token_length is None or len(token) <= max_token_length)
        )

    return join_pairs(lines, first, vocab_size, min_frequency, may_be)
