"""`train_bpe`: byte-level BPE."""

from __future__ import annotations

from collections.abc import Iterable

from merganser import _core
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.run import TrainingRun, given
from merganser.training.shared import check_limits, special_texts, word_counts
from merganser.training.stages import Normalizer, PreTokenizer
from merganser.training.word_counts import WordCounts

__all__ = ["train_bpe"]

_ALL_BYTES = bytes(range(256))


def train_bpe(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Normalizer | None = None,
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
    specials = special_texts(special_tokens)
    check_limits(vocab_size=(vocab_size, 1), min_frequency=(min_frequency, 0), max_token_length=(max_token_length, 1))
    options = given(train_bpe, locals() | {"special_tokens": specials})
    with TrainingRun("bpe", progress) as run:
        counts = word_counts(
            documents,
            pre_tokenizer=pre_tokenizer,
            default_pre_tokenizer="cl100k",
            normalizer=normalizer,
            special_tokens=specials,
            n_threads=n_threads,
            progress=run.report,
        )
        trained = _core.train_bpe(
            counts._inner,
            vocab_size,
            min_frequency,
            specials,
            initial_alphabet,
            max_token_length,
            allow_smaller,
            counts.pre_tokenizer,
            counts.normalizer,
            run.report,
        )
        return run.finish(trained, options=options, counts=counts)
