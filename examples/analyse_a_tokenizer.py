"""Analyse a tokenizer: what its tokens are, which it uses, and what it does to numbers, names and other scripts.

What to expect: of a vocabulary trained on English prose and Python, most tokens are words with a space before them, a
part of the vocabulary never occurs in other text of the same kind, numbers are cut at most every three digits (the
pattern says so), and a script that training did not see costs several tokens a character.
"""

from __future__ import annotations

import sys
from collections import Counter

import merganser as mg
from merganser.demo import standard_library

SAMPLES = {
    "number": "1234567",
    "name": "standardLibraryName",
    "indentation": "\n            return",
    "German": "Wortzusammensetzungen",
    "Japanese": "日本語の文章",
    "emoji": "🙂🎉",
}


def kind(token: bytes) -> str:
    """Name what a token is."""
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return "part of a character"
    stripped = text.strip()
    if not stripped:
        return "white space"
    if stripped.isalpha():
        return "word after a space" if text[0].isspace() else "word or part of one"
    return "digits" if stripped.isdigit() else "punctuation and mixtures"


def main(path: str | None = None, *, n_bytes: int = 1_000_000, vocab_size: int = 4096) -> dict[str, float]:
    """Print the analysis, and return the share of tokens used and the bytes a token of each sample."""
    texts = list(standard_library(max_bytes=n_bytes))
    tokenizer = mg.train_bpe(texts[::2], vocab_size=vocab_size) if path is None else mg.Tokenizer.load(path)
    vocabulary = tokenizer.vocab()
    kinds = Counter(map(kind, vocabulary))
    for name, count in kinds.most_common():
        example = max((token for token in vocabulary if kind(token) == name), key=len)
        print(f"{count:6,}  {name:<26} longest: {example!r}")
    used = Counter(token for text in texts[1::2] for token in tokenizer.encode(text, on_special="text"))
    share = len(used) / len(vocabulary)
    print(f"{share:.0%} of the vocabulary occurs in {sum(used.values()):,} tokens of other text; the most frequent:")
    print("  ", " ".join(repr(tokenizer.token_bytes(token)) for token, _ in used.most_common(12)))
    rare = sorted((token for token in used if used[token] == 1), key=lambda token: -len(tokenizer.token_bytes(token)))
    print(f"   {len(rare):,} occur once, such as", " ".join(repr(tokenizer.token_bytes(token)) for token in rare[:5]))
    result = {"used": share}
    for name, text in SAMPLES.items():
        tokens = [tokenizer.token_bytes(token) for token in tokenizer.encode(text)]
        result[name] = len(text.encode()) / len(tokens)
        print(f"{name:<12} {result[name]:.2f} bytes a token: {tokens}")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:2])
