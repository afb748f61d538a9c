"""What every trainer of words does first: count them."""

from __future__ import annotations

from collections.abc import Iterable

from merganser.arguments import thread_count
from merganser.errors import ConfigError
from merganser.progress import Report
from merganser.training.stages import Normalizer, PreTokenizer, stage_texts
from merganser.training.word_counts import WordCounts

__all__ = ["word_counts"]


def word_counts(
    documents: WordCounts | Iterable[str | bytes],
    *,
    pre_tokenizer: PreTokenizer | None,
    default_pre_tokenizer: PreTokenizer,
    normalizer: Normalizer | None,
    special_tokens: list[str],
    n_threads: int | None,
    progress: Report,
) -> WordCounts:
    """Return the counts of documents; counts pass, if they were made with the stages asked for.

    Raises
    ------
    ConfigError
        If counts were made with other stages.
    """
    n_threads = thread_count(n_threads)
    if not isinstance(documents, WordCounts):
        return WordCounts.count(
            documents,
            pre_tokenizer=default_pre_tokenizer if pre_tokenizer is None else pre_tokenizer,
            normalizer=normalizer,
            special_tokens=special_tokens,
            n_threads=n_threads,
            progress=progress,
        )
    counted_with = (documents.normalizer, documents.pre_tokenizer)
    asked_for = stage_texts(
        documents.normalizer if normalizer is None else normalizer,
        documents.pre_tokenizer if pre_tokenizer is None else pre_tokenizer,
    )
    if asked_for != counted_with:
        msg = f"the words were counted with {documents._stages}; count anew to change it"
        raise ConfigError(msg)
    return documents
