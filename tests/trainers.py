"""Every trainer under one call: what must hold for each is tested with each; and what such tests need."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import merganser as mg

Documents = mg.WordCounts | Iterable[str | bytes]

_SMALLER = {"vocab_size": 1000, "allow_smaller": True}


def _bpe(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_bpe(documents, **_SMALLER | options)


def _characters(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_bpe(documents, **_SMALLER | {"alphabet": mg.CharacterAlphabet()} | options)


def _wordpiece(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_wordpiece(documents, **_SMALLER | options)


def _likelihood(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_wordpiece(documents, **_SMALLER | {"criterion": "likelihood"} | options)


def _unigram(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_unigram(documents, **_SMALLER | options)


def _bpe_seeds(documents: Documents, **options: Any) -> mg.Tokenizer:
    return mg.train_unigram(documents, **_SMALLER | {"seeds": "bpe"} | options)


def _sentencepiece(model_type: Any) -> Callable[..., mg.Tokenizer]:
    def train(documents: Any, **options: Any) -> mg.Tokenizer:
        options = _SMALLER | options
        options["hard_vocab_limit"] = not options.pop("allow_smaller")
        if "special_tokens" in options:
            options["control_symbols"] = options.pop("special_tokens")
        return mg.train_sentencepiece(documents, model_type=model_type, **options)

    return train


TRAINERS: dict[str, Callable[..., mg.Tokenizer]] = {
    "bpe": _bpe,
    "bpe_characters": _characters,
    "wordpiece": _wordpiece,
    "wordpiece_likelihood": _likelihood,
    "unigram": _unigram,
    "unigram_bpe_seeds": _bpe_seeds,
    "sentencepiece_unigram": _sentencepiece("unigram"),
    "sentencepiece_bpe": _sentencepiece("bpe"),
    "sentencepiece_char": _sentencepiece("char"),
    "sentencepiece_word": _sentencepiece("word"),
}
"""Each is called with documents and the options that all have; by default it may give a smaller vocabulary."""

OF_COUNTS = {name: train for name, train in TRAINERS.items() if not name.startswith("sentencepiece")}
"""Those that take `WordCounts`."""

STAGES = {"wordpiece": ("bert", "bert"), "wordpiece_likelihood": ("bert", "bert"), "bpe": ("gpt2", None)}
"""Pre-tokenizer and normalizer of the counts for a trainer, where they are not those of most."""


def counts_for(name: str, counts: dict[str, int]) -> mg.WordCounts:
    """Word counts as a trainer takes them."""
    pre_tokenizer, normalizer = STAGES.get(name, ("metaspace", None))
    return mg.WordCounts.from_dict(counts, pre_tokenizer=pre_tokenizer, normalizer=normalizer)


def report_of(tok: mg.Tokenizer) -> mg.TrainingReport:
    """What a tokenizer tells of its training; it must tell something."""
    assert tok.training_report is not None
    return tok.training_report


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def random_documents(n: int, bits: Sequence[int] = (6, 40)) -> Iterator[str]:
    """Make documents of words of letters, drawn from so many bits: of 40 hardly any comes twice, of 6 all do."""
    numbers = random.Random(3)
    for _ in range(n):
        words = (f"{numbers.getrandbits(numbers.choice(bits)):x}" for _ in range(20_000))
        yield " ".join(words).translate(_LETTERS)
