"""What every trainer does first: check its arguments and count words."""

from __future__ import annotations

from collections.abc import Iterable

from merganser.arguments import many_texts, valid_text
from merganser.errors import ConfigError
from merganser.progress import Report
from merganser.training.stages import Normalizer, PreTokenizer, stage_texts
from merganser.training.word_counts import WordCounts

__all__ = ["check_limits", "special_texts", "word_counts"]


def special_texts(special_tokens: Iterable[str]) -> list[str]:
    """Return the texts of special tokens, each checked to be text."""
    return [valid_text(token, "special token") for token in many_texts(special_tokens, "special_tokens")]


def check_limits(**limits: tuple[int | None, int]) -> None:
    """Refuse an argument below the least that it may be, or beyond 63 bits.

    Parameters
    ----------
    **limits
        Name of each argument with its value (`None` passes) and the least.

    Raises
    ------
    ConfigError
        If one is out of range.
    """
    for name, (value, least) in limits.items():
        if value is not None and not least <= value < 1 << 63:
            msg = f"{name} must be at least {least} and less than 2**63, got {value}"
            raise ConfigError(msg)


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
