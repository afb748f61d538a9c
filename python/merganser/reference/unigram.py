"""Unigram: the executable specification of training, and of the best segmentation.

Every piece has a probability, the pieces of a text are taken to be independent, and a text is cut into the most
probable ones. Training starts from far too many pieces and takes away. Again and again:

1. twice, expectation maximisation: each way to cut a word has a share of the word's count, by its present probability;
   a piece's expected count is the sum of the shares that use it. Pieces below 0.5 go. The logarithm of the new
   probability is psi(expected) - psi(sum), psi the digamma function: the rarer, the less than log(expected / sum).
2. pruning: cut every word in the best way. Without piece i its u_i uses would be cut in the next best way, a, b, ...,
   and the log likelihood would fall by u_i * (log(u_i / U) - sum of log((u_a + u_i) / U')), U all uses now, U' then.
   What no best cut uses goes, and what is cut better than kept; of the rest the largest falls stay, 0.75 in all.

until 1.1 times the pieces asked for are left: the best-scored of these, and every character, are the vocabulary.

Worked through: ``hug`` ten times, and h, u, g, ug of probability 1/4 each. h|u|g has 1/64 and h|ug 1/16, so their
shares are 2 and 8: h is expected 10 times, u and g 2 times, ug 8 times.

What decides is compared as numbers of 32 bits, so that the last bits of a sum do not; then come the longer last piece
(best cut), the earlier piece (pruning: characters by code point, seeds best first), the smaller text (final choice).

References: Kudo 2018, arXiv 1804.10959, section 3.2; Liang and Klein 2007, "Structured Bayesian Nonparametric Models
with Variational Inference" (psi); SentencePiece 0.2.3, whose order of steps this is.
"""

import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

Scores = dict[str, float]


def single(x: float) -> float:
    """Round to a number of 32 bits."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def digamma(x: float) -> float:
    """Return psi(x): psi(x + 1) = psi(x) + 1 / x, and psi(x) = log x - 1 / 2x - 1 / 12x^2 + ... for large x."""
    if x < 16:
        return digamma(x + 1) - 1 / x
    y = 1 / (x * x)
    return math.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))


def seeds(words: Mapping[str, int], max_length: int, size: int) -> Scores:
    """Score characters by count, and the best substrings that occur twice or more by count times length.

    One always followed by the same character is left out, and one with U+2581, a space, but at its start.
    """
    counts: Counter[str] = Counter()
    followers: defaultdict[str, set[str]] = defaultdict(set)
    for word, count in words.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + max_length, len(word)) + 1):
                counts[word[start:end]] += count
                followers[word[start:end]] |= {word[end]} if end < len(word) else {"", word}
    repeated = [s for s in counts if len(s) > 1 and counts[s] > 1 and len(followers[s]) > 1 and "\u2581" not in s[1:]]
    best = sorted(repeated, key=lambda s: (-counts[s] * len(s), -len(s.encode()), s))[:size]
    scores = {s: counts[s] * len(s) for s in [*sorted(c for c in counts if len(c) == 1), *best]}
    return {s: math.log(score) - math.log(sum(scores.values())) for s, score in scores.items()}


def edges(word: str, scores: Scores, max_length: int, without: str = "") -> Iterator[tuple[int, int, float]]:
    """Yield where each piece lies on a word, and its score; a character that is no piece has one too."""
    for start in range(len(word)):
        for end in range(start + 1, min(start + max_length, len(word)) + 1):
            piece = word[start:end]
            if piece in scores and piece != without:
                yield start, end, scores[piece]
            elif end == start + 1:
                yield start, end, min(scores.values()) - 10


def expected_counts(words: Mapping[str, int], scores: Scores, max_length: int) -> Scores:
    """Count each piece in all ways to cut each word, weighted by their probabilities."""
    expected: Scores = dict.fromkeys(scores, 0.0)
    for word, count in words.items():
        lattice = [(start, end, math.exp(score)) for start, end, score in edges(word, scores, max_length)]
        before, after = [1.0] + [0.0] * len(word), [0.0] * len(word) + [1.0]
        for start, end, probability in lattice:
            before[end] += before[start] * probability
        for start, end, probability in reversed(lattice):
            after[start] += probability * after[end]
            if word[start:end] in scores:
                expected[word[start:end]] += count * before[start] * probability * after[end] / before[-1]
    return expected


def step(words: Mapping[str, int], scores: Scores, max_length: int) -> Scores:
    """Do one step of expectation maximisation."""
    expected = {s: x for s, x in expected_counts(words, scores, max_length).items() if single(x) >= 0.5}
    return {s: digamma(x) - digamma(sum(expected.values())) for s, x in expected.items()}


def best_cut(word: str, scores: Scores, max_length: int, without: str = "") -> tuple[list[str], float]:
    """Return the most probable pieces of a word, and their score."""
    best: list[tuple[float, int]] = [(0.0, 0)] + [(-math.inf, 0)] * len(word)
    for start, end, score in edges(word, scores, max_length, without):
        best[end] = max(best[end], (single(best[start][0] + single(score)), start), key=lambda path: path[0])
    pieces, end = [], len(word)
    while end:
        pieces.append(word[best[end][1] : end])
        end = best[end][1]
    return pieces[::-1], best[-1][0]


def shrink(words: Mapping[str, int], scores: Scores, max_length: int, n_kept: int) -> Scores:
    """Keep the pieces without which the likelihood falls most."""
    uses: Counter[str] = Counter()
    for word, count in words.items():
        uses.update({s: count * n for s, n in Counter(best_cut(word, scores, max_length)[0]).items() if s in scores})
    total, kept, falls = uses.total(), [], {}
    for piece in (piece for piece in scores if uses[piece]):
        others, score = best_cut(piece, scores, max_length, without=piece)
        if len(piece) == 1:
            kept.append(piece)
        elif single(scores[piece]) >= score:
            new_total = total + uses[piece] * (len(others) - 1)
            after = sum(math.log(uses[other] + uses[piece]) - math.log(new_total) for other in others)
            falls[piece] = single(uses[piece] / total * (math.log(uses[piece]) - math.log(total) - after))
    kept += sorted(falls, key=lambda piece: -falls[piece])[: max(0, n_kept - len(kept))]
    return {piece: score for piece, score in scores.items() if piece in set(kept)}


def train(
    words: Mapping[str, int], n_pieces: int, max_length: int = 16, seed_size: int = 1_000_000
) -> list[tuple[str, float]]:
    """Train a vocabulary: pieces and scores, best first.

    >>> train({"hug": 10, "pug": 5, "hugs": 5}, 6)[0][0]
    'hug'
    """
    scores = seeds(words, max_length, seed_size)
    n_desired = n_pieces + n_pieces // 10
    while True:
        scores = step(words, step(words, scores, max_length), max_length)
        scores = shrink(words, scores, max_length, max(n_desired, int(0.75 * len(scores))))
        if len(scores) <= n_desired:
            break
    reached = {s: x for s, x in scores.items() if len(s) == 1 or single(x) >= best_cut(s, scores, max_length, s)[1]}
    counts = Counter({c: sum(count * word.count(c) for word, count in words.items()) for c in set().union(*words)})
    chosen, lost = {}, min(scores.values(), default=0.0)  # a character that is no piece any more scores as the worst
    for character in sorted(counts, key=lambda character: (-counts[character], character)):
        chosen[character] = reached.get(character, lost)
        lost += 0.0001 * (character not in reached)
    for piece in sorted(reached, key=lambda piece: (-single(reached[piece]), piece)):
        if len(chosen) < n_pieces:
            chosen.setdefault(piece, reached[piece])
    return sorted(chosen.items(), key=lambda item: (-single(item[1]), item[0]))
