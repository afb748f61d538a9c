"""What every trainer of words does first: count them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from merganser import _core
from merganser.arguments import thread_count
from merganser.errors import ConfigError
from merganser.progress import Report
from merganser.tokenizer import Tokenizer
from merganser.training.counting import Counting, check_counting, named_sources
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
    min_count: int,
    max_memory: int | None,
    spill_dir: str | os.PathLike[str] | None,
    like: Tokenizer | None = None,
) -> WordCounts:
    """Return the counts of documents; counts pass, if they were made with the stages asked for.

    With `like`, words are what that tokenizer's model sees: its stages are the default, and its added tokens left out.

    Raises
    ------
    ConfigError
        If counts were made with other stages, or are to be counted in another way.
    """
    n_threads = thread_count(n_threads)
    if isinstance(documents, WordCounts):
        counts = documents
        _refuse_counting(min_count=min_count or None, max_memory=max_memory, spill_dir=spill_dir)
    elif like is not None:
        counts = _counted_like(like, documents, n_threads, progress, min_count, max_memory, spill_dir)
    else:
        return WordCounts.count(
            documents,
            pre_tokenizer=default_pre_tokenizer if pre_tokenizer is None else pre_tokenizer,
            normalizer=normalizer,
            special_tokens=special_tokens,
            n_threads=n_threads,
            progress=progress,
            min_count=min_count,
            max_memory=max_memory,
            spill_dir=spill_dir,
        )
    counted_with = (counts.normalizer, counts.pre_tokenizer)
    asked_for = stage_texts(
        counts.normalizer if normalizer is None else normalizer,
        counts.pre_tokenizer if pre_tokenizer is None else pre_tokenizer,
    )
    if asked_for != counted_with:
        msg = f"the words were counted with {counts._stages}; count anew to change it"
        raise ConfigError(msg)
    return counts


def _refuse_counting(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            msg = f"{name} is for documents, got WordCounts, which are counted; give it to WordCounts.count"
            raise ConfigError(msg)


def _counted_like(
    tokenizer: Tokenizer,
    documents: Iterable[str | bytes],
    n_threads: int | None,
    report: Report,
    min_count: int,
    max_memory: int | None,
    spill_dir: str | os.PathLike[str] | None,
) -> WordCounts:
    check_counting(min_count, max_memory, spill_dir)
    normalizer, pre_tokenizer = _core.stages_to_continue(tokenizer._inner)
    counting = Counting(
        normalizer=normalizer,
        pre_tokenizer=pre_tokenizer,
        n_threads=n_threads,
        min_count=min_count,
        max_memory=max_memory,
        spill_dir=spill_dir,
        report=report,
        like=tokenizer._inner,
    )
    return WordCounts._sum(counting.count_each(named_sources(documents)), {}, pre_tokenizer, normalizer)
