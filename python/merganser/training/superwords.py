"""`Superwords`: the second phase of BPE, whose tokens may be several words, and its passes over the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from merganser import _core
from merganser.arguments import check_limits, utf8, valid_texts, whole_number
from merganser.errors import ConfigError
from merganser.progress import Report
from merganser.training.counting import FileSource, count_documents, named_sources
from merganser.training.stages import PreTokenizer, stage_texts
from merganser.training.word_counts import WordCounts

__all__ = ["Superwords", "check_superwords", "train_phases"]


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    spelled = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, spelled]}


# By the pre-tokenizer of the first phase, one that splits into lines where that one splits too. GPT-2's takes a newline
# together with the indentation behind it and has digits together, so its lines begin with the white space before them.
# Only o200k's goes on at one such place: behind punctuation it takes newlines together with slashes that follow.
_COARSE: dict[str, PreTokenizer] = {
    "cl100k": "lines",
    "o200k": "lines",
    "lines": "lines",
    "qwen2": _split(r"\p{N}|[^\r\n\p{N}]*[\r\n]+(?:\s*[\r\n]+)?|[^\r\n\p{N}]+"),
    "gpt2": _split(r"\s*\S+(?:[^\S\r\n]+\S+)*|\s+"),
}


@dataclass(frozen=True, kw_only=True)
class Superwords:
    r"""A second phase of `train_bpe`, whose tokens may be several words: ``" of the"``.

    The first phase trains as ever until there are `start` tokens. The second goes on with another pre-tokenizer, one
    that splits text into lines instead of words, and the tokenizer has that one: it encodes with the merges of both
    phases, in their order, as any library does that runs BPE.

    Parameters
    ----------
    start : int
        Tokens after the first phase; the rest of `vocab_size` comes from the second.
    max_words : int or None, default 4
        The most words that a token of the second phase holds: stretches without ASCII white space.
    stops : iterable of str, default (": ",)
        Texts that no token of the second phase holds; so a prompt that ends in a colon ends in the end of a token.
    pre_tokenizer : str or mapping, optional
        What the second phase and the tokenizer split text with. If not given, and the first phase split by ``"cl100k"``
        or ``"o200k"``, it is ``"lines"``: lines with the newlines that follow, and digits in groups of up to three. For
        ``"gpt2"`` and ``"qwen2"`` likewise; for others it must be given.

    Notes
    -----
    The documents are read three times or more: once for words, once for how often tokens of the first phase stand side
    by side, and once, with luck, for the runs of tokens that can still be joined. What cannot change the result is left
    out of the runs; the tokens are those of plain BPE training on the lines. Memory grows with the different runs, and
    is not bounded; a higher `min_frequency` of `train_bpe` makes fewer.

    A pre-token of the first phase lies within one line, with one exception: ``"o200k"`` takes ``"!\n/"`` as one, and
    ``"lines"`` cuts it after the newline. The tokenizer cuts there too.

    References
    ----------
    .. [1] Liu et al. (2025), "SuperBPE: Space Travel for Language Models", section 2.
    .. [2] "Faster Superword Tokenization" (2026), arXiv 2604.05192: counting candidates like words.

    Examples
    --------
    >>> import merganser as mg
    >>> text = "out of the blue, out of the way, out of the past"
    >>> tok = mg.train_bpe([text], vocab_size=268, superwords=mg.Superwords(start=264))
    >>> [tok.token_bytes(id) for id in range(264, 268)]
    [b' the ', b' of the ', b', out', b', out of the ']
    >>> tok.pre_tokenize("out of the blue\nin 2026")
    ['out of the blue\n', 'in ', '202', '6']
    """

    start: int
    max_words: int | None = 4
    stops: Iterable[str] = (": ",)
    pre_tokenizer: PreTokenizer | None = None

    def __post_init__(self) -> None:
        whole_number(self.start, "start", 1)
        check_limits(max_words=(self.max_words, 1))
        stops = tuple(valid_texts(self.stops, "stops", "a text of stops"))
        if "" in stops:
            msg = "stops must not be empty texts: every token holds one"
            raise ConfigError(msg)
        object.__setattr__(self, "stops", stops)

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name.

        Returns
        -------
        dict
        """
        # `asdict` would copy the values, and not every mapping can be copied.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def check_superwords(superwords: Superwords, documents: object, sizes: Iterable[int], **others: object) -> None:
    """Refuse what is no `Superwords`, a size that leaves nothing to them, and what they cannot be had with."""
    if not isinstance(superwords, Superwords):
        msg = f"superwords must be Superwords, got {type(superwords).__name__}"
        raise TypeError(msg)
    for size in sizes:
        if size <= superwords.start:
            msg = f"superwords must start below vocab_size, got start={superwords.start} and vocab_size={size}"
            raise ConfigError(msg)
    for name, is_given in others.items():
        if is_given:
            msg = f"{name} cannot be had with superwords"
            raise ConfigError(msg)
    _check_replayable(documents)


def _check_replayable(documents: object) -> None:
    if isinstance(documents, WordCounts):
        msg = (
            "superwords need the text, and WordCounts have only its words; pass the documents, with continue_from to "
            "go on from a tokenizer that was trained from the counts"
        )
        raise ConfigError(msg)
    for source in documents.values() if isinstance(documents, Mapping) else (documents,):
        is_piped = isinstance(source, FileSource) and source.total_bytes is None
        if is_piped or isinstance(source, Iterator):
            what = "standard input and pipes give" if is_piped else "an iterator gives"
            msg = f"superwords read the documents several times, and {what} them once; pass a list, or read files"
            raise ConfigError(msg)


def _coarse_pre_tokenizer(superwords: Superwords, first: str) -> str:
    coarse = _COARSE.get(first) if superwords.pre_tokenizer is None else superwords.pre_tokenizer
    if coarse is None:
        msg = f"superwords need a pre_tokenizer of their own where the first phase splits by {first!r}"
        raise ConfigError(msg)
    return stage_texts(None, coarse)[1]


def train_phases(
    superwords: Superwords,
    documents: Iterable[str | bytes],
    counts: WordCounts,
    options: Mapping[str, Any],
    base: _core.Tokenizer | None,
    n_threads: int | None,
    report: Report,
) -> list[_core.Trained]:
    """Train with the words of the documents up to `start`, then with their lines to each of ``options["vocab_sizes"]``.

    `base` is what the first phase goes on from.
    """
    # Before the first phase, which may take long: a pre-tokenizer may be missing.
    coarse = _coarse_pre_tokenizer(superwords, options["pre_tokenizer"])
    try:
        (first,) = _core.train_bpe(counts._inner, {**options, "vocab_sizes": [superwords.start]}, base, report)
    except ConfigError as error:
        msg = f"the first phase, before superwords: {error}"
        raise ConfigError(msg) from None
    names = ("min_frequency", "forbidden_tokens", "max_token_length", "max_digits", "whole_characters", "one_script")
    own = {name: options[name] for name in (*names, "vocab_sizes", "allow_smaller")}
    own |= {
        "n_documents": sum(source["documents"] for source in counts.sources),
        "n_bytes": sum(source["bytes"] for source in counts.sources),
        "pre_tokenizer": coarse,
        "max_words": superwords.max_words,
        "stops": [utf8(stop) for stop in superwords.stops],
    }
    phase = _core.Superwords(first, own, n_threads)
    trained = None
    while trained is None:
        for source in named_sources(documents).values():
            count_documents(phase, source, phase.count, report)
        trained = phase.end_pass(report)
    return trained
