"""`train_wordpiece`: WordPiece by either of the two criteria that go by the name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.run import TrainingRun, given
from merganser.training.shared import check_limits, special_texts, word_counts
from merganser.training.stages import Normalizer, PreTokenizer
from merganser.training.word_counts import WordCounts

__all__ = ["train_wordpiece"]


def train_wordpiece(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    criterion: Literal["frequency", "likelihood"] = "frequency",
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Normalizer | None = None,
    min_frequency: int | None = None,
    special_tokens: Iterable[str] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    unk_token: str = "[UNK]",
    continuing_subword_prefix: str = "##",
    limit_alphabet: int | None = None,
    character_coverage: float = 1.0,
    max_token_length: int | None = None,
    max_input_chars_per_word: int = 100,
    allow_smaller: bool = False,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer:
    specials = special_texts(special_tokens)
    check_limits(
        vocab_size=(vocab_size, 1),
        min_frequency=(min_frequency, 0),
        max_token_length=(max_token_length, 1),
        limit_alphabet=(limit_alphabet, 1),
        max_input_chars_per_word=(max_input_chars_per_word, 1),
    )
    options = given(train_wordpiece, locals() | {"special_tokens": specials})
    with TrainingRun("wordpiece", progress) as run:
        counts = word_counts(
            documents,
            pre_tokenizer=pre_tokenizer,
            default_pre_tokenizer="bert",
            normalizer="bert" if normalizer is None and not isinstance(documents, WordCounts) else normalizer,
            special_tokens=specials,
            n_threads=n_threads,
            progress=run.report,
        )
        trained = _core.train_wordpiece(
            counts._inner,
            vocab_size,
            criterion,
            min_frequency,
            specials,
            unk_token,
            continuing_subword_prefix,
            limit_alphabet,
            character_coverage,
            max_token_length,
            max_input_chars_per_word,
            allow_smaller,
            counts.pre_tokenizer,
            counts.normalizer,
            run.report,
        )
        return run.finish(trained, options=options, counts=counts)
