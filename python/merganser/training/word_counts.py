"""`WordCounts`: how often each pre-token occurs in a text; a value that is counted anywhere, summed, weighted, saved.

The counts live in the core, sorted by bytes. Beside them stand the stages that made the words, which a tokenizer
trained from them gets, and what was used of each source.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from merganser import _core
from merganser.arguments import check_limits, thread_count, utf8, valid_texts
from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError, TextError
from merganser.progress import Progress, reporting
from merganser.training.counting import (
    Counted,
    Counting,
    OnError,
    Weight,
    check_counting,
    exact_weight,
    named_sources,
    temperature_weights,
)
from merganser.training.stages import Normalizer, PreTokenizer, stage_texts

__all__ = ["WordCounts"]

# NumPy draws without replacement from fewer than this.
_MAX_DRAWN = 10**9


class WordCounts:
    """How often each pre-token occurs in a text: all that a trainer needs to know of it.

    Counts of different texts add up with ``+``, so that counting can be done anywhere and summed; ``counts * 3`` and
    `scaled` weight them.

    Attributes
    ----------
    pre_tokenizer : str
        How the text was split: a name, or JSON as in ``tokenizer.json``.
    normalizer : str or None
        What the text went through first, likewise.
    sources : tuple of dict
        What was used of each source: ``name``, ``documents``, ``bytes`` and ``words``; ``weight`` where it is not one;
        ``documents_offered``, ``bytes_offered`` and ``too_large`` where documents were drawn; ``skipped`` documents and
        ``replaced`` sequences that are no text; rare words and their occurrences that were dropped.
    n_spilled_bytes : int
        Bytes that were written to disk while counting.

    Notes
    -----
    Counts are 64 bits wide; a sum that would not fit raises. The same text gives the same counts whatever the number of
    threads and the memory.

    Examples
    --------
    >>> import merganser as mg
    >>> counts = mg.WordCounts.count(["the cat", "the dog"], pre_tokenizer="gpt2")
    >>> counts[b"the"], len(counts), counts.total
    (2, 3, 4)
    >>> (counts + counts * 2).most_common(1)
    [(b'the', 6)]
    """

    _inner: _core.WordCounts
    pre_tokenizer: str
    normalizer: str | None
    sources: tuple[dict[str, Any], ...]
    n_spilled_bytes: int

    def __init__(self, *_args: object) -> None:
        msg = "make WordCounts with WordCounts.count(documents), from_dict(counts) or load(path)"
        raise TypeError(msg)

    @classmethod
    def _wrap(
        cls,
        core: _core.WordCounts,
        pre_tokenizer: str,
        normalizer: str | None,
        sources: Iterable[dict[str, Any]] = (),
        n_spilled_bytes: int = 0,
    ) -> WordCounts:
        counts = cls.__new__(cls)
        counts._inner = core
        counts.pre_tokenizer = pre_tokenizer
        counts.normalizer = normalizer
        counts.sources = tuple(sources)
        counts.n_spilled_bytes = n_spilled_bytes
        return counts

    def _with(self, core: _core.WordCounts, sources: Iterable[dict[str, Any]] | None = None) -> WordCounts:
        return self._wrap(core, self.pre_tokenizer, self.normalizer, self.sources if sources is None else sources)

    @classmethod
    def count(
        cls,
        documents: Iterable[str | bytes] | Mapping[str, Iterable[str | bytes]],
        *,
        pre_tokenizer: PreTokenizer = "cl100k",
        normalizer: Normalizer | None = None,
        special_tokens: Iterable[str] = (),
        weights: Mapping[str, Weight] | None = None,
        temperature: float | None = None,
        max_bytes: int | None = None,
        seed: int = 0,
        on_error: OnError = "raise",
        min_count: int = 0,
        max_memory: int | None = None,
        spill_dir: str | os.PathLike[str] | None = None,
        n_threads: int | None = None,
        progress: Progress = None,
    ) -> WordCounts:
        """Count the pre-tokens of documents.

        Parameters
        ----------
        documents : Documents, iterable of str or bytes, or mapping of str to such
            The text; bytes must be UTF-8. A mapping names several sources. A single `str` is one text, not many, and is
            refused.
        pre_tokenizer : str or mapping, default "cl100k"
            How the text is split: a name (`PreTokenizerName`), or a mapping as in ``tokenizer.json``.
        normalizer : str, mapping or None, default None
            What the text goes through first: a name (`NormalizerName`), or a mapping as in ``tokenizer.json``.
        special_tokens : iterable of str
            Texts that are left out where they occur.
        weights : mapping of str to int, float or Fraction, optional
            What the counts of each source of a mapping are multiplied by, as by `scaled`; 1 where none is given. Small
            ones are written as ``Fraction("0.0001")``.
        temperature : float, optional
            Instead of weights: each source gets a share in proportion to ``p ** temperature``, where p is its share of
            all bytes counted. 1 leaves the sources as they are, 0 makes them equal. The weights are rounded to
            multiples of 2**-20.
        max_bytes : int, optional
            Of each source so many bytes at most: whole documents, drawn at random without replacement.
        seed : int, default 0
            Decides what is drawn.
        on_error : {"raise", "skip", "replace"}, default "raise"
            What becomes of a document of an iterable that is not valid Unicode: an error, nothing, or U+FFFD for what
            is not; the latter are counted in `sources`. For files, ``merganser.read(errors=...)`` says it.
        min_count : int, default 0
            Words that occur less often in a source are dropped, and counted in `sources`.
        max_memory : int, optional
            Bytes that the tables of a source may take, and its different words: tables that outgrow it are written to
            disk, sorted, and merged at the end. A few megabytes for text come on top, and the words of the sources
            before it.
        spill_dir : str or PathLike, optional
            Where to write them; None: the system's folder for temporary files. Nothing is left there.
        n_threads : int or None, default None
            Threads; ``None``: as many as the machine gives.
        progress : bool, callable or None, default None
            ``True`` draws a bar; a callable is called as ``progress(done, total, phase)`` with bytes
            (characters, where documents are `str` of an iterable).

        Returns
        -------
        WordCounts

        Raises
        ------
        TextError
            If a document is not valid Unicode; the message says which, and where in it.
        ConfigError
            An argument is out of range, or the different words alone outgrow `max_memory`; the message says which
            `min_count` would make them fit.
        OSError
            A file cannot be read, or the disk is full while tables are written to it; nothing is left there.

        Notes
        -----
        Memory: the different pre-tokens once, and a few megabytes of text at a time. A text file that is one document
        is read in pieces, as long as the pre-tokenizer splits between words of ASCII letters. Documents that are drawn
        (`max_bytes`) are in memory until the source is at its end. Equal seeds draw the same of equal documents.
        """
        normalizer, pre_tokenizer = stage_texts(normalizer, pre_tokenizer)
        check_limits(max_bytes=(max_bytes, 1))
        check_counting(min_count, max_memory, spill_dir)
        if on_error not in ("raise", "skip", "replace"):
            msg = f'on_error must be "raise", "skip" or "replace", got {on_error!r}'
            raise ConfigError(msg)
        sources = named_sources(documents)
        given = _given_weights(sources, weights, temperature)
        specials = valid_texts(special_tokens, "special_tokens", "special token")
        threads = thread_count(n_threads)
        with reporting(progress) as report:
            counting = Counting(
                normalizer=normalizer,
                pre_tokenizer=pre_tokenizer,
                special_tokens=specials,
                n_threads=threads,
                on_error=on_error,
                max_bytes=max_bytes,
                seed=seed,
                min_count=min_count,
                max_memory=max_memory,
                spill_dir=spill_dir,
                report=report,
            )
            if temperature is None:
                return cls._sum(counting.count_each(sources), given, pre_tokenizer, normalizer)
            counted = list(counting.count_each(sources))
        sizes = {one.source["name"]: one.source["bytes"] for one in counted}
        return cls._sum(counted, temperature_weights(sizes, temperature), pre_tokenizer, normalizer)

    @classmethod
    def _sum(
        cls, counted: Iterable[Counted], weights: Mapping[str, Fraction], pre_tokenizer: str, normalizer: str | None
    ) -> WordCounts:
        """Add up sources, each of which is let go before the next is asked for."""
        total, n_spilled_bytes = cls._wrap(_core.WordCounts.from_pairs([]), pre_tokenizer, normalizer), 0
        for one in counted:
            weight = weights.get(one.source["name"], Fraction(1))
            total += cls._wrap(one.counts, pre_tokenizer, normalizer, [one.source]).scaled(weight)
            n_spilled_bytes += one.n_spilled_bytes
            del one
        total.n_spilled_bytes = n_spilled_bytes
        return total

    @classmethod
    def from_dict(
        cls,
        counts: Mapping[str | bytes, int],
        *,
        pre_tokenizer: PreTokenizer = "cl100k",
        normalizer: Normalizer | None = None,
    ) -> WordCounts:
        """Build from words and counts made elsewhere.

        Parameters
        ----------
        counts : mapping of str or bytes to int
            Each count from 0 to 2**64 - 1.
        pre_tokenizer, normalizer
            How the words came about, for the tokenizer that is trained from them.

        Returns
        -------
        WordCounts

        Raises
        ------
        ConfigError
            If a count is negative or too large, or they add up to more than 64 bits hold.
        """
        normalizer, pre_tokenizer = stage_texts(normalizer, pre_tokenizer)
        pairs = [(utf8(word) if isinstance(word, str) else word, count) for word, count in counts.items()]
        for word, count in pairs:
            if not 0 <= count < 1 << 64:
                msg = f"a count must be from 0 to 2**64 - 1, got {count} for {word!r}"
                raise ConfigError(msg)
        return cls._wrap(_core.WordCounts.from_pairs(pairs), pre_tokenizer, normalizer)

    @property
    def _stages(self) -> str:
        return f"pre_tokenizer={self.pre_tokenizer!r}, normalizer={self.normalizer!r}"

    def __add__(self, other: WordCounts) -> WordCounts:
        """Return the counts of both texts together."""
        if not isinstance(other, WordCounts):
            return NotImplemented
        if (self.pre_tokenizer, self.normalizer) != (other.pre_tokenizer, other.normalizer):
            msg = f"counts add up only if made alike: {self._stages} and {other._stages} differ"
            raise ConfigError(msg)
        if not len(self):
            return self._with(other._inner, self.sources + other.sources)
        return self._with(self._inner.plus(other._inner), self.sources + other.sources)

    def __mul__(self, weight: int) -> WordCounts:
        """Return the counts times an integer."""
        return self.scaled(weight) if isinstance(weight, int) else NotImplemented

    __rmul__ = __mul__

    def scaled(self, weight: Weight) -> WordCounts:
        """Return the counts times a weight, each rounded to the nearest integer, halves to the even one.

        Parameters
        ----------
        weight : int, float or Fraction
            A float is the exact binary number that it is: nothing but the last step rounds.

        Returns
        -------
        WordCounts
            Without words whose count became zero.

        Raises
        ------
        ConfigError
            If the weight is negative, not finite, or no fraction of two numbers below 2**64, or the counts would not
            fit.
        """
        exact = exact_weight(weight)
        if exact == 1:
            return self._with(self._inner)
        sources = [source | {"weight": source.get("weight", 1) * _plain(exact)} for source in self.sources]
        return self._with(self._inner.scaled(exact.numerator, exact.denominator), sources)

    def sample(self, n: int | None = None, *, fraction: float | None = None, seed: int = 0) -> WordCounts:
        """Return the counts of occurrences drawn at random.

        Parameters
        ----------
        n : int, optional
            How many are drawn, without replacement, of fewer than 10**9.
        fraction : float, optional
            Instead: each is drawn with this probability.
        seed : int, default 0
            Decides what is drawn.

        Returns
        -------
        WordCounts
        """
        if (n is None) == (fraction is None):
            msg = "give either n or fraction"
            raise ConfigError(msg)
        numbers = np.random.default_rng(seed)
        pairs = self.items()
        if any(count >= 1 << 63 for _, count in pairs):
            msg = "counts of 2**63 or more cannot be sampled"
            raise ConfigError(msg)
        counts = np.array([count for _, count in pairs], dtype=np.int64)
        if fraction is not None:
            if not 0 <= fraction <= 1:
                msg = f"fraction must be from 0 to 1, got {fraction}"
                raise ConfigError(msg)
            drawn = numbers.binomial(counts, fraction)
        elif n is not None and 0 <= n <= self.total < _MAX_DRAWN:
            drawn = numbers.multivariate_hypergeometric(counts, n, method="marginals") if pairs else counts
        else:
            msg = f"n must be from 0 to the total, {self.total}, which must be less than 10**9, got {n}"
            raise ConfigError(msg)
        return self._with(
            _core.WordCounts.from_pairs([(word, int(k)) for (word, _), k in zip(pairs, drawn, strict=True)])
        )

    def filter(self, *, min_count: int = 0, predicate: Callable[[bytes, int], bool] | None = None) -> WordCounts:
        """Return the counts of some of the words.

        Parameters
        ----------
        min_count : int, default 0
            Words that occur less often are left out.
        predicate : callable, optional
            Called as ``predicate(word, count)``; words for which it is false are left out.

        Returns
        -------
        WordCounts
        """
        if not 0 <= min_count < 1 << 64:
            msg = f"min_count must be from 0 to 2**64 - 1, got {min_count}"
            raise ConfigError(msg)
        kept = self._inner.at_least(min_count)
        if predicate is not None:
            kept = _core.WordCounts.from_pairs(
                [(word, count) for word, count in kept.pairs() if predicate(word, count)]
            )
        return self._with(kept)

    def most_common(self, n: int | None = None) -> list[tuple[bytes, int]]:
        """Return the words that occur most often, most frequent first; ties go to the smaller bytes.

        Parameters
        ----------
        n : int, optional
            How many; None: all.

        Returns
        -------
        list of (bytes, int)
        """
        return self._inner.most_common(len(self) if n is None else max(0, min(n, len(self))))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save as one file, which takes its name when it is complete.

        Parameters
        ----------
        path : str or PathLike
            Where. Equal counts of equal sources make equal files.
        """
        with atomic_write(path) as file:
            file.write(self._to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WordCounts:
        """Load what `save` saved.

        Parameters
        ----------
        path : str or PathLike
            The file.

        Returns
        -------
        WordCounts

        Raises
        ------
        FormatError
            The file is damaged, or no such file.
        """
        with open(path, "rb") as file:
            return cls._from_bytes(file.read())

    def _to_bytes(self) -> bytes:
        description = {"pre_tokenizer": self.pre_tokenizer, "normalizer": self.normalizer, "sources": self.sources}
        return self._inner.to_bytes(json.dumps(description, sort_keys=True))

    @classmethod
    def _from_bytes(cls, data: bytes) -> WordCounts:
        inner, text = _core.WordCounts.from_bytes(data)
        try:
            description = json.loads(text)
            utf8(json.dumps(description, ensure_ascii=False))
            texts = stage_texts(description["normalizer"], description["pre_tokenizer"])
            sources = [dict(source) for source in description["sources"]]
        except (ConfigError, KeyError, RecursionError, TextError, TypeError, ValueError) as error:
            msg = f"word counts file description: is not of this version: {error}"
            raise FormatError(msg) from None
        return cls._wrap(inner, texts[1], texts[0], sources)

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return (WordCounts._from_bytes, (self._to_bytes(),))

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[bytes]:
        return (word for word, _ in self.items())

    def __contains__(self, word: object) -> bool:
        return isinstance(word, (str, bytes)) and self[word] > 0

    def __getitem__(self, word: str | bytes) -> int:
        """Return the count of a word; 0 if it does not occur."""
        return self._inner.count_of(utf8(word) if isinstance(word, str) else word)

    def items(self) -> list[tuple[bytes, int]]:
        """Return words and counts, sorted by the words' bytes.

        Returns
        -------
        list of (bytes, int)
        """
        return self._inner.pairs()

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return self._inner.total

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WordCounts):
            return NotImplemented
        same_stages = (self.pre_tokenizer, self.normalizer) == (other.pre_tokenizer, other.normalizer)
        return same_stages and self._inner.equals(other._inner)

    __hash__ = None  # type: ignore[assignment]  # a value, compared by content

    def __repr__(self) -> str:
        return f"WordCounts({len(self):,} words, {self.total:,} in all, pre_tokenizer={self.pre_tokenizer!r})"


def _given_weights(
    sources: Mapping[str, object], weights: Mapping[str, Weight] | None, temperature: float | None
) -> dict[str, Fraction]:
    """Check the weights of sources before any is read."""
    if weights is not None and temperature is not None:
        msg = "give weights or temperature, not both"
        raise ConfigError(msg)
    if "" in sources and (weights is not None or temperature is not None):
        msg = "weights and temperature need sources by name: a mapping"
        raise ConfigError(msg)
    if temperature is not None and not 0 <= temperature <= 1:
        msg = f"temperature must be from 0 to 1, got {temperature}"
        raise ConfigError(msg)
    unknown = set(weights or ()) - set(sources)
    if unknown:
        msg = f"weights name sources that there are not: {', '.join(sorted(map(repr, unknown)))}"
        raise ConfigError(msg)
    return {name: exact_weight(weight) for name, weight in (weights or {}).items()}


def _plain(weight: Fraction) -> int | float:
    return weight.numerator if weight.denominator == 1 else float(weight)
