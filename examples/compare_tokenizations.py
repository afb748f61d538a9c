"""Compare tokenization methods on the same text: bytes, and BPE with three patterns.

What to expect: BPE needs about a third of the tokens of bytes, the patterns differ by some percent, and the language
model, whose bits per byte count in the end, gains clearly from any BPE at the same bytes of training; between the
patterns the intervals overlap.
"""

from __future__ import annotations

import sys

import merganser as mg
from merganser.demo import standard_library
from merganser.lm import LmComparison, LmSettings, compare_bits_per_byte


def main(
    *, n_bytes: int = 1_000_000, vocab_size: int = 2048, settings: LmSettings | None = None
) -> tuple[mg.Comparison, LmComparison]:
    """Train vocabularies on half of the documents, compare them on the other half, and return both tables."""
    texts = list(standard_library(max_bytes=n_bytes))
    training, testing = texts[::2], texts[1::2]
    tokenizers = {"bytes": mg.train_bpe([], vocab_size=256)}
    for pattern in ("gpt2", "cl100k", "o200k"):
        tokenizers[pattern] = mg.train_bpe(training, vocab_size=vocab_size, pre_tokenizer=pattern)
    counts = mg.compare(tokenizers, testing)
    print(counts)
    chosen = {name: tokenizers[name] for name in ("bytes", "gpt2", "cl100k")}
    settings = settings or LmSettings(
        train_bytes=400_000, held_out_bytes=30_000, context_bytes=256, d_model=64, d_ff=256, n_layers=2
    )
    models = compare_bits_per_byte(chosen, testing, settings=settings, progress=sys.stderr.isatty())
    print(models)
    return counts, models


if __name__ == "__main__":
    main()
