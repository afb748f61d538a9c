"""Counting sources of documents: reading, sampling, bad text, and what was used of each.

A source is counted by itself, and its counts are weighted afterwards: weights are exact, and a source's report does not
depend on the others.
"""

from __future__ import annotations

import heapq
import os
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from merganser import _core
from merganser.arguments import check_limits, document_lists, path_of, utf8, whole_number
from merganser.errors import ConfigError, TextError
from merganser.progress import Report

__all__ = [
    "Counted",
    "Counting",
    "OnError",
    "Weight",
    "check_counting",
    "count_documents",
    "counted",
    "exact_weight",
    "named_sources",
    "spill_folder",
    "temperature_weights",
]

OnError: TypeAlias = Literal["raise", "skip", "replace"]
"""What becomes of a document that is not valid Unicode."""

Weight: TypeAlias = "int | float | Fraction"
"""What the counts of a source are multiplied by; a float is the exact binary number that it is."""

_BATCH_BYTES = 4 << 20
_WEIGHT_STEPS = 1 << 20


class Reader(Protocol):
    """What reads one file."""

    @property
    def n_bytes_read(self) -> int: ...
    @property
    def n_replaced(self) -> int: ...
    def next_batch(self, max_bytes: int) -> list[str] | None: ...


@runtime_checkable
class FileSource(Protocol):
    """What `merganser.read` gives: files, a reader each."""

    @property
    def total_bytes(self) -> int | None: ...
    @property
    def n_bytes_read(self) -> int: ...
    @property
    def n_replaced(self) -> int: ...
    def readers(self) -> Iterator[Reader]: ...
    def batches(self, max_bytes: int) -> Iterator[list[str]]: ...


class Counter(Protocol):
    """What counts the words of documents."""

    def count(self, texts: Sequence[str | bytes]) -> None: ...
    def count_next(self, reader: _core.DocumentReader, n_used: int) -> int | None: ...


@dataclass
class Counted:
    """The counts of one source, and what was used of it."""

    counts: _core.WordCounts
    source: dict[str, Any]
    n_spilled_bytes: int


@dataclass(frozen=True, kw_only=True)
class Counting:
    """How to count any source: what all sources of one call share."""

    normalizer: str | None
    pre_tokenizer: str
    special_tokens: list[str] = field(default_factory=list)
    n_threads: int | None
    on_error: OnError = "raise"
    max_bytes: int | None = None
    seed: int = 0
    min_count: int
    max_memory: int | None
    spill_dir: str | os.PathLike[str] | None
    report: Report
    # Whose stages and added tokens words are counted with, instead of the above.
    like: _core.Tokenizer | None = None

    def count(self, name: str, documents: Iterable[str | bytes]) -> Counted:
        """Count one source."""
        with spill_folder(self.max_memory, self.spill_dir) as folder:
            if self.like is not None:
                counter = _core.WordCounter.like(self.like, self.n_threads, self.max_memory, folder)
            else:
                counter = _core.WordCounter(
                    self.pre_tokenizer, self.normalizer, self.special_tokens, self.n_threads, self.max_memory, folder
                )
            run = _Run(self, counter, f"{name}: " if name else "")
            run.read(documents)
            used = {"name": name, "documents": counter.n_texts, "bytes": counter.n_bytes}
            return counted(counter.finish(self.min_count, self.report), used, run.told)

    def count_each(self, sources: Mapping[str, Iterable[str | bytes]]) -> Iterator[Counted]:
        """Count sources one after the other, and keep none."""
        return (self.count(name, source) for name, source in sources.items())


def counted(
    found: tuple[_core.WordCounts, int, int, int],
    used: Mapping[str, Any],
    told: Mapping[str, int] = MappingProxyType({}),
) -> Counted:
    """Make what a core's counter found the counts of a source, of which so much was `used`, and more may be `told`."""
    counts, n_dropped, n_occurrences, n_spilled = found
    source = {**used, "words": counts.total + n_occurrences} | {key: value for key, value in told.items() if value}
    if n_dropped:
        source |= {"rare_words_dropped": n_dropped, "rare_occurrences_dropped": n_occurrences}
    return Counted(counts, source, n_spilled)


@contextmanager
def spill_folder(max_memory: int | None, spill_dir: str | os.PathLike[str] | None) -> Iterator[str | None]:
    """Make a folder to spill to, if memory is bounded, and remove it afterwards with all that is in it."""
    if max_memory is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="merganser-", dir=spill_dir, ignore_cleanup_errors=True) as folder:
        yield folder


@dataclass
class _Run:
    """One source on its way through a counter."""

    counting: Counting
    counter: _core.WordCounter
    prefix: str
    told: dict[str, int] = field(default_factory=dict)

    def read(self, documents: Iterable[str | bytes]) -> None:
        if self.counting.max_bytes is not None:
            self._read_sample(documents, self.counting.max_bytes)
        else:
            count_documents(self.counter, documents, self._count, self.counting.report)
        if isinstance(documents, FileSource):
            self.told["replaced"] = documents.n_replaced

    def _read_sample(self, documents: Iterable[str | bytes], max_bytes: int) -> None:
        """Count documents drawn at random without replacement: in the order of their random numbers, while they fit."""
        numbers = random.Random(self.counting.seed)  # noqa: S311  # chance, not secrets
        drawn: list[tuple[float, int, str | bytes]] = []
        n_bytes = n_documents = n_all_bytes = n_too_large = 0
        limit = 1.0
        for document in _documents(documents):
            n_document = len(document if isinstance(document, bytes) else document.encode(errors="surrogatepass"))
            n_documents += 1
            n_all_bytes += n_document
            number = numbers.random()
            if n_document > max_bytes:
                n_too_large += 1
            elif number < limit:
                heapq.heappush(drawn, (-number, n_document, document))
                n_bytes += n_document
                while n_bytes > max_bytes:
                    number, n_document, _ = heapq.heappop(drawn)
                    n_bytes -= n_document
                    limit = -number
        self.told |= {"documents_offered": n_documents, "bytes_offered": n_all_bytes, "too_large": n_too_large}
        if n_documents and not drawn:
            msg = (
                f"{self.prefix}no document drawn fits max_bytes = {max_bytes}; separate documents, or allow more bytes"
            )
            raise ConfigError(msg)
        for batch, _ in document_lists([document for _, _, document in drawn], _BATCH_BYTES):
            self._count(batch)
            self.counting.report(self.counter.n_bytes, n_bytes, "count")

    def _count(self, batch: list[str | bytes]) -> None:
        try:
            self.counter.count(batch)
        except TextError:
            if self.counting.on_error == "raise":
                raise
            self.counter.count(self._mended(batch))

    def _mended(self, batch: list[str | bytes]) -> list[str | bytes]:
        mended: list[str | bytes] = []
        for document in batch:
            if _is_valid(document):
                mended.append(document)
            elif self.counting.on_error == "skip":
                self.told["skipped"] = self.told.get("skipped", 0) + 1
            else:
                text = _replaced(document)
                n_before = document.count("\ufffd") if isinstance(document, str) else document.count(b"\xef\xbf\xbd")
                self.told["replaced"] = self.told.get("replaced", 0) + text.count("\ufffd") - n_before
                mended.append(text)
        return mended


def _is_valid(document: str | bytes) -> bool:
    try:
        utf8(document) if isinstance(document, str) else document.decode()
    except (TextError, UnicodeDecodeError):
        return False
    return True


def _replaced(document: str | bytes) -> str:
    if isinstance(document, bytes):
        return document.decode(errors="replace")
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in document)


def count_documents(
    counter: Counter,
    documents: Iterable[str | bytes],
    count: Callable[[list[str | bytes]], None],
    report: Report,
) -> None:
    """Count documents, and report how much was counted so far, and how much there is.

    Parameters
    ----------
    counter : Counter
        What counts the documents of files.
    documents : Documents or iterable of str or bytes
        The documents.
    count : callable
        What counts a list of the documents of an iterable.
    report : callable
        Called with bytes; characters where documents are `str` of an iterable.
    """
    if not isinstance(documents, FileSource):
        done = 0
        for batch, length in document_lists(documents, _BATCH_BYTES):
            count(batch)
            done += length
            report(done, None, "count")
        return
    for reader in documents.readers():
        if isinstance(reader, _core.DocumentReader):
            n_used = counter.count_next(reader, 0)
            while n_used is not None:
                report(documents.n_bytes_read + reader.n_bytes_read, documents.total_bytes, "count")
                n_used = counter.count_next(reader, n_used)
        else:
            while (texts := reader.next_batch(_BATCH_BYTES)) is not None:
                counter.count(texts)
                report(documents.n_bytes_read + reader.n_bytes_read, documents.total_bytes, "count")


def _documents(documents: Iterable[str | bytes]) -> Iterator[str | bytes]:
    lists: Iterable[Iterable[str | bytes]]
    if isinstance(documents, FileSource):
        lists = documents.batches(_BATCH_BYTES)
    else:
        lists = (texts for texts, _ in document_lists(documents, _BATCH_BYTES))
    return chain.from_iterable(lists)


def exact_weight(weight: Weight) -> Fraction:
    """Return a weight as a fraction of two numbers below 2**64.

    Raises
    ------
    ConfigError
        If it is negative, not finite, or needs larger numbers.
    """
    if isinstance(weight, bool) or not isinstance(weight, (int, float, Fraction)):
        msg = f"a weight must be int, float or Fraction, got {type(weight).__name__}"
        raise TypeError(msg)
    try:
        exact = Fraction(weight)
    except (ValueError, OverflowError):
        exact = Fraction(-1)
    if exact < 0 or max(exact.numerator, exact.denominator) >= 1 << 64:
        msg = f"a weight must be 0 or more, finite, and a fraction of two numbers below 2**64, got {weight}"
        raise ConfigError(msg + _meant(weight))
    return exact


def _meant(weight: Weight) -> str:
    """Say how to write a number such as 0.0001, which as a float is a fraction of larger numbers."""
    if not 0 < weight < 1 << 64:
        return ""
    meant = Fraction(str(weight))
    fits = max(meant.numerator, meant.denominator) < 1 << 64
    return f" as a float; write Fraction({str(weight)!r})" if fits else ""


def temperature_weights(sizes: Mapping[str, int], temperature: float) -> dict[str, Fraction]:
    """Return the weights by which each source gets a share of ``p ** temperature``, where p is its share of the bytes.

    The weights keep the mass of all sources together, and are multiples of ``2 ** -20``.
    """
    total = sum(sizes.values())
    shares = {name: size / total for name, size in sizes.items() if size}
    norm = sum(share**temperature for share in shares.values())
    return {
        name: Fraction(round(share**temperature / norm / share * _WEIGHT_STEPS), _WEIGHT_STEPS)
        for name, share in shares.items()
    } | {name: Fraction(1) for name, size in sizes.items() if not size}


def check_counting(min_count: int, max_memory: int | None, spill_dir: str | os.PathLike[str] | None) -> None:
    """Refuse a count below zero, a memory limit below one byte, and a folder for what nothing is spilled."""
    whole_number(min_count, "min_count")
    check_limits(max_memory=(max_memory, 1))
    if spill_dir is None:
        return
    path_of(spill_dir, "spill_dir")
    if max_memory is None:
        msg = "spill_dir needs max_memory: without it nothing is spilled"
        raise ConfigError(msg)


def named_sources(documents: object) -> Mapping[str, Iterable[str | bytes]]:
    """Return sources by name; a single one has the empty name."""
    if isinstance(documents, Mapping):
        for name in documents:
            if not isinstance(name, str) or not name:
                msg = f"a source must have a name, got {name!r}"
                raise ConfigError(msg)
        return cast("Mapping[str, Iterable[str | bytes]]", documents)
    return {"": cast("Iterable[str | bytes]", documents)}
