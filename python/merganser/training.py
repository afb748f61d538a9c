"""Training vocabularies: `WordCounts` and the trainers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

from merganser import _core
from merganser.arguments import document_lists, many_texts, thread_count, utf8, valid_text
from merganser.errors import ConfigError
from merganser.progress import Progress, reporting
from merganser.tokenizer import Tokenizer

__all__ = ["PreTokenizer", "WordCounts", "train_bpe"]

PreTokenizer: TypeAlias = Literal["gpt2", "cl100k", "o200k"]
"""How text is split before training: by the pattern of GPT-2, of GPT-4 and Llama 3, or of GPT-4o."""

_BATCH_BYTES = 8 << 20
_ALL_BYTES = bytes(range(256))


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
        normalizer: Literal["nfc"] | None = None,
        special_tokens: Iterable[str] = (),
        n_threads: int | None = None,
        progress: Progress = None,
    ) -> WordCounts:
        """Count the pre-tokens of documents.

        Parameters
        ----------
        documents : Documents or iterable of str or bytes
            The text; bytes must be UTF-8. A single `str` is one text, not many, and is refused.
        pre_tokenizer : {"gpt2", "cl100k", "o200k"}, default "cl100k"
            How the text is split.
        normalizer : {"nfc"} or None, default None
            What the text goes through first.
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
        normalizer: Literal["nfc"] | None = None,
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
        if pre_tokenizer not in get_args(PreTokenizer):
            msg = f'pre_tokenizer must be "gpt2", "cl100k" or "o200k", got {pre_tokenizer!r}'
            raise ConfigError(msg)
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


def train_bpe(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Literal["nfc"] | None = None,
    min_frequency: int = 0,
    special_tokens: Iterable[str] = (),
    initial_alphabet: bytes = _ALL_BYTES,
    max_token_length: int | None = None,
    allow_smaller: bool = False,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer:
    """Train a byte-level BPE vocabulary.

    Equal documents and options give the same tokenizer, byte for byte, on any machine with any number of threads; its
    merges are those of Hugging Face's trainer on the same word counts.

    Parameters
    ----------
    documents : Documents, WordCounts, or iterable of str or bytes
        The text, or counts of it. A single `str` is one text, not many, and is refused; a path is read with
        :func:`merganser.read`.
    vocab_size : int
        Tokens in all: special tokens, alphabet and merges.
    pre_tokenizer : {"gpt2", "cl100k", "o200k"}, default "cl100k"
        How the text is split; of `WordCounts`, theirs.
    normalizer : {"nfc"} or None, default None
        What the text goes through first; of `WordCounts`, theirs.
    min_frequency : int, default 0
        A pair that occurs less often is not merged.
    special_tokens : iterable of str
        They get the first ids, are left out of the text where they occur, and are never made by a merge.
    initial_alphabet : bytes, default all 256
        Bytes that get a token whether or not they occur. With fewer than 256 some text cannot be encoded.
    max_token_length : int, optional
        The longest token, in bytes.
    allow_smaller : bool, default False
        Whether a text that cannot give `vocab_size` tokens gives as many as it can, rather than an error.
    n_threads : int or None, default None
        Threads for counting; ``None``: as many as the machine gives.
    progress : bool, callable or None, default None
        ``True`` draws a bar; a callable is called as ``progress(done, total, phase)``.

    Returns
    -------
    Tokenizer

    Raises
    ------
    ConfigError
        If `vocab_size` is out of the feasible range; the message gives the range's end.
    TextError
        If a document is not valid Unicode; the message says which.

    Notes
    -----
    Counting is linear in the text, and merging close to linear in the different words. Counts are 64 bits wide.

    References
    ----------
    .. [1] Sennrich, Haddow, Birch (2016), "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
    .. [2] Radford et al. (2019), "Language Models are Unsupervised Multitask Learners", section 2.2.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["low lower lowest", "new newer newest"], vocab_size=260)
    >>> [tok.token_bytes(id) for id in range(256, 260)]
    [b'we', b'lo', b'ne', b'st']
    """
    specials = [valid_text(token, "special token") for token in many_texts(special_tokens, "special_tokens")]
    if isinstance(documents, WordCounts):
        given = (
            documents.pre_tokenizer if pre_tokenizer is None else pre_tokenizer,
            documents.normalizer if normalizer is None else normalizer,
        )
        if given != (documents.pre_tokenizer, documents.normalizer):
            msg = f"the words were counted with {documents._stages}; count anew to change it"
            raise ConfigError(msg)
    limits = (
        ("vocab_size", vocab_size, 1),
        ("min_frequency", min_frequency, 0),
        ("max_token_length", max_token_length, 1),
    )
    for name, value, least in limits:
        if value is not None and not least <= value < 1 << 63:
            msg = f"{name} must be at least {least} and less than 2**63, got {value}"
            raise ConfigError(msg)
    with reporting(progress) as report:
        counts = documents
        if not isinstance(counts, WordCounts):
            counts = WordCounts.count(
                counts,
                pre_tokenizer="cl100k" if pre_tokenizer is None else pre_tokenizer,
                normalizer=normalizer,
                special_tokens=specials,
                n_threads=n_threads,
                progress=report,
            )
        core = _core.train_bpe(
            counts._inner,
            vocab_size,
            min_frequency,
            specials,
            initial_alphabet,
            max_token_length,
            allow_smaller,
            counts.pre_tokenizer,
            counts.normalizer,
            report,
        )
    return Tokenizer._wrap(core)


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
