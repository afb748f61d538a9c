"""`WordCounts`: how often each pre-token occurs in a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from merganser import _core
from merganser.arguments import document_lists, many_texts, thread_count, utf8, valid_text
from merganser.errors import ConfigError
from merganser.progress import Progress, reporting
from merganser.training.stages import Normalizer, PreTokenizer, stage_texts

__all__ = ["WordCounts"]

_BATCH_BYTES = 8 << 20


@runtime_checkable
class DocumentSource(Protocol):
    """What `merganser.read` gives: documents by the list, and how far in the files they are."""

    @property
    def total_bytes(self) -> int | None: ...
    @property
    def n_bytes_read(self) -> int: ...
    def batches(self, max_bytes: int) -> Iterator[list[str]]: ...


class WordCounts:
    """How often each pre-token occurs in a text: all that a trainer needs to know of it.

    Counts of different texts add up with ``+``, so that counting can be done anywhere and summed.

    Notes
    -----
    Counts are 64 bits wide; a sum that would not fit raises. The same text gives the same counts whatever the number of
    threads.

    Examples
    --------
    >>> import merganser as mg
    >>> counts = mg.WordCounts.count(["the cat", "the dog"], pre_tokenizer="gpt2")
    >>> counts[b"the"], len(counts), counts.total
    (2, 3, 4)
    """

    _inner: _core.WordCounts
    pre_tokenizer: str
    normalizer: str | None

    def __init__(self, *_args: object) -> None:
        msg = "make WordCounts with WordCounts.count(documents) or WordCounts.from_dict(counts)"
        raise TypeError(msg)

    @classmethod
    def _wrap(cls, core: _core.WordCounts, pre_tokenizer: str, normalizer: str | None) -> WordCounts:
        counts = cls.__new__(cls)
        counts._inner = core
        counts.pre_tokenizer = pre_tokenizer
        counts.normalizer = normalizer
        return counts

    @classmethod
    def count(
        cls,
        documents: Iterable[str | bytes],
        *,
        pre_tokenizer: PreTokenizer = "cl100k",
        normalizer: Normalizer | None = None,
        special_tokens: Iterable[str] = (),
        n_threads: int | None = None,
        progress: Progress = None,
    ) -> WordCounts:
        """Count the pre-tokens of documents.

        Parameters
        ----------
        documents : Documents or iterable of str or bytes
            The text; bytes must be UTF-8. A single `str` is one text, not many, and is refused.
        pre_tokenizer : str or mapping, default "cl100k"
            How the text is split: a name (`PreTokenizerName`), or a mapping as in ``tokenizer.json``.
        normalizer : str, mapping or None, default None
            What the text goes through first: a name (`NormalizerName`), or a mapping as in ``tokenizer.json``.
        special_tokens : iterable of str
            Texts that are left out where they occur.
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
            If a document is not valid Unicode; the message says which.

        Notes
        -----
        Memory: the different pre-tokens, once a thread, and a few megabytes of text at a time.
        """
        specials = [valid_text(token, "special token") for token in many_texts(special_tokens, "special_tokens")]
        normalizer, pre_tokenizer = stage_texts(normalizer, pre_tokenizer)
        counter = _core.WordCounter(pre_tokenizer, normalizer, specials, thread_count(n_threads))
        with reporting(progress) as report:
            for batch, done, total in _batches(documents):
                counter.count(batch)
                report(done, total, "count")
        return cls._wrap(counter.finish(), pre_tokenizer, normalizer)

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
            If a count is negative or too large.
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
        return self._wrap(self._inner.plus(other._inner), self.pre_tokenizer, self.normalizer)

    def __len__(self) -> int:
        return len(self._inner)

    def __iter__(self) -> Iterator[bytes]:
        return (word for word, _ in self.items())

    def __contains__(self, word: object) -> bool:
        return isinstance(word, (str, bytes)) and self[word] > 0

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (_counts_of_pairs, (self.items(), self.pre_tokenizer, self.normalizer))

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


def _counts_of_pairs(pairs: list[tuple[bytes, int]], pre_tokenizer: str, normalizer: str | None) -> WordCounts:
    return WordCounts._wrap(_core.WordCounts.from_pairs(pairs), pre_tokenizer, normalizer)


def _batches(documents: Iterable[str | bytes]) -> Iterator[tuple[list[str | bytes], int, int | None]]:
    """Documents in batches of some megabytes, with the bytes handed out so far and in all."""
    if isinstance(documents, DocumentSource):
        for texts in documents.batches(_BATCH_BYTES):
            yield list(texts), documents.n_bytes_read, documents.total_bytes
        return
    done = 0
    for batch, length in document_lists(documents, _BATCH_BYTES):
        done += length
        yield batch, done, None
