"""`train_bpe`: BPE over bytes or characters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Literal, overload

from merganser import _core
from merganser.arguments import check_limits, integer, is_iterable, many_texts, utf8, valid_text, valid_texts
from merganser.errors import ConfigError
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.alphabet import CharacterAlphabet
from merganser.training.run import given, training_run
from merganser.training.shared import word_counts
from merganser.training.stages import Normalizer, PreTokenizer
from merganser.training.superwords import Superwords, check_superwords, train_phases
from merganser.training.word_counts import WordCounts

__all__ = ["train_bpe"]

_ALL_BYTES = bytes(range(256))


@overload
def train_bpe(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    vocab_sizes: None = ...,
    pre_tokenizer: PreTokenizer | None = ...,
    normalizer: Normalizer | None = ...,
    min_frequency: int = ...,
    special_tokens: Iterable[str] = ...,
    alphabet: Literal["bytes"] | CharacterAlphabet = ...,
    initial_alphabet: bytes = ...,
    max_token_length: int | None = ...,
    max_digits: int | None = ...,
    whole_characters: bool = ...,
    one_script: bool = ...,
    seed_tokens: Iterable[str | bytes] = ...,
    forbidden_tokens: Iterable[str | bytes] = ...,
    prune: int | None = ...,
    continue_from: Tokenizer | None = ...,
    superwords: Superwords | None = ...,
    like: Literal["tokenizers"] | None = ...,
    allow_smaller: bool = ...,
    min_count: int = ...,
    max_memory: int | None = ...,
    spill_dir: str | os.PathLike[str] | None = ...,
    n_threads: int | None = ...,
    progress: Progress = ...,
) -> Tokenizer: ...
@overload
def train_bpe(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: None = ...,
    vocab_sizes: Iterable[int],
    pre_tokenizer: PreTokenizer | None = ...,
    normalizer: Normalizer | None = ...,
    min_frequency: int = ...,
    special_tokens: Iterable[str] = ...,
    alphabet: Literal["bytes"] | CharacterAlphabet = ...,
    initial_alphabet: bytes = ...,
    max_token_length: int | None = ...,
    max_digits: int | None = ...,
    whole_characters: bool = ...,
    one_script: bool = ...,
    seed_tokens: Iterable[str | bytes] = ...,
    forbidden_tokens: Iterable[str | bytes] = ...,
    prune: int | None = ...,
    continue_from: Tokenizer | None = ...,
    superwords: Superwords | None = ...,
    like: Literal["tokenizers"] | None = ...,
    allow_smaller: bool = ...,
    min_count: int = ...,
    max_memory: int | None = ...,
    spill_dir: str | os.PathLike[str] | None = ...,
    n_threads: int | None = ...,
    progress: Progress = ...,
) -> dict[int, Tokenizer]: ...
def train_bpe(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int | None = None,
    vocab_sizes: Iterable[int] | None = None,
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Normalizer | None = None,
    min_frequency: int = 0,
    special_tokens: Iterable[str] = (),
    alphabet: Literal["bytes"] | CharacterAlphabet = "bytes",
    initial_alphabet: bytes = _ALL_BYTES,
    max_token_length: int | None = None,
    max_digits: int | None = None,
    whole_characters: bool = False,
    one_script: bool = False,
    seed_tokens: Iterable[str | bytes] = (),
    forbidden_tokens: Iterable[str | bytes] = (),
    prune: int | None = None,
    continue_from: Tokenizer | None = None,
    superwords: Superwords | None = None,
    like: Literal["tokenizers"] | None = None,
    allow_smaller: bool = False,
    min_count: int = 0,
    max_memory: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer | dict[int, Tokenizer]:
    """Train a BPE vocabulary.

    Equal documents and options give the same tokenizer, byte for byte, on any machine with any number of threads; its
    merges are those of Hugging Face's trainer on the same word counts.

    Parameters
    ----------
    documents : Documents, WordCounts, or iterable of str or bytes
        The text, or counts of it. A single `str` is one text, not many, and is refused; a path is read with
        :func:`merganser.read`.
    vocab_size : int
        Tokens in all: special tokens, alphabet and merges.
    vocab_sizes : iterable of int
        Instead of `vocab_size`: several sizes from one run, each vocabulary the beginning of the larger ones.
    pre_tokenizer : str or mapping, optional
        How the text is split, by name or as in ``tokenizer.json``: ``"cl100k"`` for bytes, ``"metaspace"`` for
        characters and ``"whitespace"`` for characters with affixes, if nothing else is given; of `WordCounts`, and of
        `continue_from`, theirs.
    normalizer : str or mapping, optional
        What the text goes through first; of `WordCounts`, and of `continue_from`, theirs.
    min_frequency : int, default 0
        A pair that occurs less often is not merged.
    special_tokens : iterable of str
        They get the first ids, are left out of the text where they occur, and are never made by a merge.
    alphabet : "bytes" or CharacterAlphabet, default "bytes"
        What words are made of before training.
    initial_alphabet : bytes, default all 256
        Bytes that get a token whether or not they occur. With fewer than 256 some text cannot be encoded.
    max_token_length : int, optional
        The longest token, in bytes or characters, whichever the alphabet is of.
    max_digits : int, optional
        A token that holds a numeric character holds nothing else, and at most so many; with 1 digits never merge.
        Numeric is Unicode's category N, in every script: ``٣`` and ``Ⅷ`` too. Over bytes, a part of such a character is
        not numeric, and may join what is beside it unless `whole_characters`.
    whole_characters : bool, default False
        Whether each token is whole characters, or a part of a single one.
    one_script : bool, default False
        Whether no token has characters of two scripts. Kana and Han count as one; what many scripts share, such as
        European digits and punctuation, goes with any.
    seed_tokens : iterable of str or bytes
        Tokens that must be in. They are made first, in this order: what a seed's text is by the merges so far is
        joined from left to right, so each beginning of it becomes a token too.
    forbidden_tokens : iterable of str or bytes
        Tokens that no merge makes.
    prune : int, optional
        Drop merge products that occur less often than this when training ends, if no kept token is made of them; the
        vocabulary is then smaller than asked. What a dropped token occurred counts for its two parts.
    continue_from : Tokenizer, optional
        A byte-level BPE tokenizer to go on from: its tokens keep their ids and count for `vocab_size`, its merges come
        first, and new tokens get the ids after the largest.
    superwords : Superwords, optional
        A second phase, whose tokens may be several words. `documents` are read several times then. Bounds,
        forbidden tokens and `min_frequency` hold for both phases, seeds and `min_count` for the first; not with
        `prune`, `like`, `max_memory` or an alphabet of characters.
    like : {"tokenizers"}, optional
        Follow `tokenizers` 0.23.3 where it differs: `max_token_length` must exceed a product's length and does not
        bind pairs of single symbols, and a character without a token makes its neighbours neighbours.
    allow_smaller : bool, default False
        Whether a text that cannot give `vocab_size` tokens gives as many as it can, rather than an error.
    min_count : int, default 0
        Words that occur less often in a source are left out; the report says how many.
    max_memory : int, optional
        Bytes that the tables of a source may take while it is counted, and its different words: tables that outgrow it
        are written to disk, sorted, and merged at the end. A few megabytes for text come on top, the words of the
        sources before it, and what learning takes: see Notes.
    spill_dir : str or PathLike, optional
        Where to write them; None: the system's folder for temporary files. Nothing is left there.
    n_threads : int or None, default None
        Threads for counting; ``None``: as many as the machine gives.
    progress : bool, callable or None, default None
        ``True`` draws a bar; a callable is called as ``progress(done, total, phase)``.

    Returns
    -------
    Tokenizer, or dict of int to Tokenizer
        For `vocab_sizes` a tokenizer for each size.

    Raises
    ------
    ConfigError
        If `vocab_size` is out of the feasible range (the message gives the range's end), or options contradict.
    TextError
        If a document is not valid Unicode; the message says which.

    Notes
    -----
    Counting is linear in the text, and merging close to linear in the different words, however long they are. Counts
    are 64 bits wide.

    `max_memory` bounds counting a source, and its different words; if these do not fit, the error says which
    `min_count` would make them. Learning takes on top about 5 times what the words take (measured on English), and is
    not bounded.

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
    >>> more = mg.train_bpe(["lower, lower"], vocab_size=261, continue_from=tok)
    >>> more.token_bytes(260), more.token_bytes(256)
    (b'wer', b'we')
    """
    specials = valid_texts(special_tokens, "special_tokens", "special token")
    seeds, forbidden = _texts(seed_tokens, "seed_tokens"), _texts(forbidden_tokens, "forbidden_tokens")
    sizes = _sizes(vocab_size, vocab_sizes)
    check_limits(
        min_frequency=(min_frequency, 0),
        max_token_length=(max_token_length, 1),
        max_digits=(max_digits, 1),
        prune=(prune, 1),
        **{"vocab_size" if vocab_sizes is None else "vocab_sizes": (min(sizes, default=0), 1)},
    )
    check_limits(vocab_sizes=(max(sizes, default=0), 1))
    if like not in (None, "tokenizers"):
        msg = f'like must be "tokenizers" or None, got {like!r}'
        raise ConfigError(msg)
    characters = _characters(alphabet)
    if isinstance(initial_alphabet, str) or not is_iterable(initial_alphabet):
        msg = f"initial_alphabet must be bytes, got {type(initial_alphabet).__name__}"
        raise TypeError(msg)
    initial = list(initial_alphabet)
    core_options = {
        "vocab_sizes": sizes,
        "min_frequency": min_frequency,
        "special_tokens": specials,
        "characters": None if characters is None else characters | {"initial": list(characters["initial"])},
        "initial_bytes": initial,
        "seed_tokens": seeds,
        "forbidden_tokens": forbidden,
        "max_token_length": max_token_length,
        "max_digits": max_digits,
        "whole_characters": whole_characters,
        "one_script": one_script,
        "prune": prune,
        "like_tokenizers": like == "tokenizers",
        "allow_smaller": allow_smaller,
    }
    said = {
        "alphabet": "bytes" if characters is None else characters,
        "initial_alphabet": initial_alphabet if isinstance(initial_alphabet, bytes) else initial,
        "special_tokens": specials,
        "seed_tokens": seeds,
        "forbidden_tokens": forbidden,
        "vocab_sizes": None if vocab_sizes is None else sizes,
        "superwords": superwords.to_dict() if isinstance(superwords, Superwords) else superwords,
    }
    options = given(train_bpe, locals() | said)
    if not isinstance(continue_from, Tokenizer | None):
        msg = f"continue_from must be a Tokenizer, got {type(continue_from).__name__}; load one by Tokenizer.load"
        raise TypeError(msg)
    if continue_from is not None and (characters is not None or initial != list(_ALL_BYTES)):
        msg = "the alphabet is that of continue_from: alphabet and initial_alphabet cannot be given with it"
        raise ConfigError(msg)
    if superwords is not None:
        others = {"prune": prune, "like": like, "CharacterAlphabet": characters, "max_memory": max_memory}
        check_superwords(superwords, documents, sizes, **others)
    with training_run("bpe", progress, options) as run:
        counts = word_counts(
            documents,
            pre_tokenizer=pre_tokenizer,
            default_pre_tokenizer=_default_pre_tokenizer(characters),
            normalizer=normalizer,
            special_tokens=specials,
            n_threads=n_threads,
            progress=run.report,
            min_count=min_count,
            max_memory=max_memory,
            spill_dir=spill_dir,
            like=continue_from,
        )
        core_options |= {"pre_tokenizer": counts.pre_tokenizer, "normalizer": counts.normalizer}
        base = None if continue_from is None else continue_from._inner
        if superwords is None:
            trained = _core.train_bpe(counts._inner, core_options, base, run.report)
        else:
            trained = train_phases(superwords, documents, counts, core_options, base, n_threads, run.report)
        tokenizers = [run.finish(one, counts) for one in trained]
    return tokenizers[0] if vocab_sizes is None else dict(zip(sizes, tokenizers, strict=True))


def _sizes(vocab_size: int | None, vocab_sizes: Iterable[int] | None) -> list[int]:
    if vocab_size is not None and vocab_sizes is None:
        return [vocab_size]
    if vocab_size is not None or vocab_sizes is None:
        msg = "give either vocab_size or vocab_sizes"
        raise TypeError(msg)
    sizes = [integer(size, "vocab_sizes") for size in vocab_sizes]
    if not sizes:
        msg = "vocab_sizes must not be empty"
        raise ConfigError(msg)
    return sizes


def _texts(tokens: Iterable[str | bytes], name: str) -> list[bytes]:
    return [
        token if isinstance(token, bytes) else utf8(valid_text(token, f"a token of {name}"))
        for token in many_texts(tokens, name)
    ]


def _characters(alphabet: str | CharacterAlphabet) -> dict[str, Any] | None:
    if isinstance(alphabet, CharacterAlphabet):
        return alphabet.to_dict()
    if alphabet != "bytes":
        msg = f'alphabet must be "bytes" or a CharacterAlphabet, got {alphabet!r}'
        raise ConfigError(msg)
    return None


def _default_pre_tokenizer(characters: dict[str, Any] | None) -> PreTokenizer:
    if characters is None:
        return "cl100k"
    has_affixes = characters["continuing_subword_prefix"] or characters["end_of_word_suffix"]
    return "whitespace" if has_affixes else "metaspace"
