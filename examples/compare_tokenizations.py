"""Compare tokenization methods at equal vocabulary: BPE, WordPiece, Unigram and SentencePiece's BPE, by bits per byte.

The same small GPT is trained on the tokens of each, on the same bytes of text, and asked how well it predicts documents
that it has not seen. Such figures are comparable only where the tokens give the text back: what a tokenizer drops, no
model has to predict. WordPiece in BERT's form drops case, spaces and line ends; its row is marked lossy, and shows how
far that flatters. The form to compare splits words as BPE does, keeps every character, and marks what continues a word
with one that no text has. It has no bytes to fall back on, so the text is what Python carries in plain ASCII, and every
character of ASCII is in its alphabet.

What to expect: the vocabularies need about as many tokens as each other. Unigram is clearly ahead of BPE after so
little training, WordPiece somewhat behind it, SentencePiece's BPE not to be told from it; BERT's form seems far ahead
and is not. `examples/README.md` has the figures of a run.
"""

from __future__ import annotations

import json
import sys

import merganser as mg
from merganser.demo import standard_library
from merganser.lm import LmComparison, LmSettings, compare_bits_per_byte

# GPT-2's pattern: where words, numbers, punctuation and white space part.
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# A private character of Unicode, in place of "##", which Python sources are full of.
MARK = "\ue000"
SETTINGS = LmSettings(train_bytes=1_000_000, held_out_bytes=100_000, d_model=64, d_ff=256, n_layers=2)


def lossless_wordpiece(texts: list[bytes], vocab_size: int) -> mg.Tokenizer:
    """Train WordPiece on the words of BPE, with nothing normalized, and let it decode to the very text."""
    # Each at the start of a word and inside one.
    alphabet = [bytes([character, character]) for character in range(128)]
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False}
    trained = mg.train_wordpiece(
        mg.WordCounts.count([*texts, *alphabet], pre_tokenizer=split),
        vocab_size=vocab_size,
        special_tokens=["[UNK]"],
        continuing_subword_prefix=MARK,
        max_input_chars_per_word=100_000,
    )
    file = json.loads(trained.to_json())
    # WordPiece's own decoder puts a space before each word; these words have theirs.
    unmark = {"type": "Replace", "pattern": {"String": MARK}, "content": ""}
    return mg.Tokenizer.from_json(json.dumps(file | {"decoder": {"type": "Sequence", "decoders": [unmark]}}))


def train_all(texts: list[bytes], vocab_size: int) -> dict[str, mg.Tokenizer]:
    """Train each method to the same number of tokens, special tokens and bytes included."""
    return {
        "BPE": mg.train_bpe(texts, vocab_size=vocab_size, pre_tokenizer="gpt2"),
        "WordPiece": lossless_wordpiece(texts, vocab_size),
        "Unigram": mg.train_unigram(texts, vocab_size=vocab_size, pre_tokenizer="gpt2"),
        "SentencePiece BPE": mg.train_sentencepiece(
            texts,
            vocab_size=vocab_size,
            model_type="bpe",
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            byte_fallback=True,
        ),
        "WordPiece, BERT": mg.train_wordpiece(texts, vocab_size=vocab_size),
    }


def main(
    *, n_bytes: int = 4_000_000, vocab_size: int = 4096, settings: LmSettings = SETTINGS
) -> tuple[mg.Comparison, LmComparison]:
    """Train the vocabularies on half of the documents, compare them on the other half, and return both tables."""
    texts = [text for text in standard_library(max_bytes=n_bytes) if text.isascii()]
    training, testing = texts[::2], texts[1::2]
    tokenizers = train_all(training, vocab_size)
    counts = mg.compare(tokenizers, testing)
    print(counts)
    models = compare_bits_per_byte(tokenizers, testing, settings=settings, progress=sys.stderr.isatty())
    print(models)
    return counts, models


if __name__ == "__main__":
    main()
