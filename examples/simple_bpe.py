"""Implement byte pair encoding: training and encoding in forty lines, equal to the library's.

What to expect: the same tokens in the same order from both, and the same ids for a new text. This one looks at every
pair of every word for every merge, which is the idea in its plainest form; the library keeps count of what a merge
changes, and learns 32,000 merges in the time this one takes for some hundred.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import merganser as mg

TEXT = ["low lower lowest low low", "new newer newest new", "wide wider widest", "the lowest and the newest"] * 3


def merge(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    """Join a pair wherever it stands in a word, from the left."""
    result: list[bytes] = []
    place = 0
    while place < len(word):
        if word[place : place + 2] == pair:
            result.append(pair[0] + pair[1])
            place += 2
        else:
            result.append(word[place])
            place += 1
    return tuple(result)


def train(words: Counter[bytes], n_merges: int, alphabet: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Join the most frequent pair of neighbours, again and again; of equals the pair of the lowest ids."""
    split = {word: tuple(bytes([byte]) for byte in word) for word in words}
    ids = {token: place for place, token in enumerate(alphabet)}
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(n_merges):
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for word, tokens in split.items():
            for pair in pairwise(tokens):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], -ids[pair[0]], -ids[pair[1]]))
        merges.append(best)
        ids.setdefault(best[0] + best[1], len(ids))
        split = {word: merge(tokens, best) for word, tokens in split.items()}
    return merges


def encode(word: bytes, merges: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Apply the merges in the order in which they were learned."""
    tokens = tuple(bytes([byte]) for byte in word)
    for pair in merges:
        tokens = merge(tokens, pair)
    return list(tokens)


def main(n_merges: int = 40) -> bool:
    """Train both, compare, and return whether all tokens are equal."""
    library = mg.train_bpe(TEXT, vocab_size=256 + n_merges, pre_tokenizer="gpt2", allow_smaller=True)
    words = Counter(word.encode() for text in TEXT for word in library.pre_tokenize(text))
    # The bytes in the order of the library's ids, which is that of GPT-2, not of their values.
    merges = train(words, n_merges, [library.token_bytes(token) for token in range(256)])
    mine = [left + right for left, right in merges]
    theirs = [library.token_bytes(token) for token in range(256, library.vocab_size)]
    print("learned:", " ".join(repr(token.decode()) for token in mine[:12]), "...")
    text = "the newest lower widening"
    tokens = [token for word in library.pre_tokenize(text) for token in encode(word.encode(), merges)]
    print("encoded:", tokens)
    is_equal = mine == theirs and tokens == [library.token_bytes(token) for token in library.encode(text)]
    print(f"equal to the library: {is_equal}")
    return is_equal


if __name__ == "__main__":
    main()
