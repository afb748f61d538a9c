"""`train_sentencepiece`: vocabularies as SentencePiece's own trainer makes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.arguments import check_limits, thread_count, valid_text, valid_texts
from merganser.errors import ConfigError
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.counting import check_counting, count_documents, counted, spill_folder
from merganser.training.run import given, training_run
from merganser.training.word_counts import WordCounts

__all__ = ["train_sentencepiece"]

_MAX_ID = (1 << 31) - 1


def train_sentencepiece(
    documents: Iterable[str | bytes],
    *,
    vocab_size: int = 8000,
    model_type: Literal["unigram", "bpe", "char", "word"] = "unigram",
    normalization_rule_name: Literal["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"] = "nmt_nfkc",
    add_dummy_prefix: bool = True,
    remove_extra_whitespaces: bool = True,
    character_coverage: float = 0.9995,
    required_chars: str = "",
    byte_fallback: bool = False,
    max_sentencepiece_length: int = 16,
    split_by_unicode_script: bool = True,
    split_by_number: bool = True,
    split_by_whitespace: bool = True,
    split_digits: bool = False,
    treat_whitespace_as_suffix: bool = False,
    allow_whitespace_only_pieces: bool = False,
    control_symbols: Iterable[str] = (),
    user_defined_symbols: Iterable[str] = (),
    unk_id: int = 0,
    bos_id: int = 1,
    eos_id: int = 2,
    pad_id: int = -1,
    unk_piece: str = "<unk>",
    bos_piece: str = "<s>",
    eos_piece: str = "</s>",
    pad_piece: str = "<pad>",
    unk_surface: str = " \u2047 ",
    hard_vocab_limit: bool = True,
    max_sentence_length: int | None = None,
    seed_sentencepiece_size: int = 1_000_000,
    shrinking_factor: float = 0.75,
    num_sub_iterations: int = 2,
    min_count: int = 0,
    max_memory: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer:
    """Train a vocabulary as the library SentencePiece does, version 0.2.3, from the same options.

    The tokenizer can be saved as ``.model``, which that library loads, and encodes the same with. For BPE, char and
    word, pieces, their order and their scores are those of that library; for Unigram nearly all are. Equal documents
    and options give the same tokenizer, byte for byte, on any machine with any number of threads.

    Parameters
    ----------
    documents : Documents or iterable of str or bytes
        The text; each of its lines is a sentence. A single `str` is one text, not many, and is refused; a path is read
        with :func:`merganser.read`.
    vocab_size : int, default 8000
        Pieces in all.
    model_type : {"unigram", "bpe", "char", "word"}, default "unigram"
        What is learned, and how a text is segmented with it.
    normalization_rule_name : {"nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"}, default "nmt_nfkc"
        What text goes through first: Unicode's form KC, with ``nmt`` for white space and controls, with ``cf`` in lower
        case; ``identity`` changes nothing.
    add_dummy_prefix : bool, default True
        Whether a space is put before each text.
    remove_extra_whitespaces : bool, default True
        Whether runs of spaces become one, and none are left at the ends.
    character_coverage : float, default 0.9995
        The share of all characters that are in the vocabulary, the most frequent first; from 0.98 to 1.
    required_chars : str, default ""
        Characters that are in the vocabulary whether or not they occur.
    byte_fallback : bool, default False
        Whether an unknown character becomes the pieces ``<0x00>`` to ``<0xFF>`` of its bytes, so that nothing is lost.
    max_sentencepiece_length : int, default 16
        The longest piece, in characters; at most 512, for Unigram 250.
    split_by_unicode_script, split_by_number : bool, default True
        Whether a piece has characters of one script only (Han, Hiragana and Katakana are one), and whether that holds
        for digits.
    split_by_whitespace : bool, default True
        Whether a piece lies within a word.
    split_digits : bool, default False
        Whether each digit is a piece of its own.
    treat_whitespace_as_suffix : bool, default False
        Whether the space belongs to the word before it. Not for Unigram.
    allow_whitespace_only_pieces : bool, default False
        Whether runs of spaces may be pieces. Not for Unigram.
    control_symbols, user_defined_symbols : iterable of str
        Pieces that are never made from text, and pieces that are kept whole wherever they occur.
    unk_id, bos_id, eos_id, pad_id : int
        Ids of the special pieces; -1: there is none. `unk_id` must be one.
    unk_piece, bos_piece, eos_piece, pad_piece : str
        Their texts.
    unk_surface : str
        What an unknown piece decodes to.
    hard_vocab_limit : bool, default True
        Whether a text that cannot give `vocab_size` pieces is an error; otherwise it gives as many as it can.
    max_sentence_length : int, optional
        Longer sentences, in bytes, are left out, and counted in the report; SentencePiece does so with 4192. None: all
        are taken.
    seed_sentencepiece_size, shrinking_factor, num_sub_iterations : int, float, int
        For Unigram: how many substrings to start from, the share that a round keeps, and the steps of expectation
        maximisation in a round.
    min_count : int, default 0
        Words that occur less often are left out; the report says how many.
    max_memory : int, optional
        Bytes that the tables of counting may take, and the different words: tables that outgrow it are written to disk,
        sorted, and merged at the end. A few megabytes for text come on top, and what learning takes: see Notes.
    spill_dir : str or PathLike, optional
        Where to write them; None: the system's folder for temporary files. Nothing is left there.
    n_threads : int or None, default None
        Threads; ``None``: as many as the machine gives.
    progress : bool, callable or None, default None
        ``True`` draws a bar; a callable is called as ``progress(done, total, phase)``.

    Returns
    -------
    Tokenizer

    Raises
    ------
    ConfigError
        If `vocab_size` is out of the feasible range (the message gives the range), or options contradict each other.
    TextError
        If a document is not valid Unicode; the message says which.
    UnsupportedError
        If an option is not for this kind of model.

    Notes
    -----
    SentencePiece also leaves out sentences that hold U+2585, which stands for rare characters in it; so does this, and
    counts them in the report (for Unigram also those with U+10FFFF, here the end of a sentence). When a text is used
    up, SentencePiece goes on with pieces that no longer occur; here the vocabulary ends. `escape_whitespaces` is always
    true, as training in SentencePiece demands.

    `max_memory` bounds counting, and the different words; if these do not fit, the error says which `min_count` would
    make them. Learning takes on top what `train_bpe` and `train_unigram` take, and is not bounded.

    References
    ----------
    .. [1] Kudo, Richardson (2018), "SentencePiece: A simple and language independent subword tokenizer and detokenizer
       for Neural Text Processing".

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_sentencepiece(["low lower lowest", "new newer newest"], vocab_size=24, model_type="bpe")
    >>> tok.tokens(tok.encode("lower newest"))
    ['▁lower', '▁ne', 'west']
    """
    if isinstance(documents, WordCounts):
        msg = "documents must be text, not WordCounts: words are made by SentencePiece's own normalization"
        raise ConfigError(msg)
    check_limits(
        vocab_size=(vocab_size, 1),
        max_sentencepiece_length=(max_sentencepiece_length, 1),
        max_sentence_length=(max_sentence_length, 1),
        seed_sentencepiece_size=(seed_sentencepiece_size, 1),
        num_sub_iterations=(num_sub_iterations, 1),
    )
    check_counting(min_count, max_memory, spill_dir)
    asked: dict[str, object] = {
        "model_type": model_type,
        "vocab_size": vocab_size,
        "normalization_rule_name": normalization_rule_name,
        "add_dummy_prefix": add_dummy_prefix,
        "remove_extra_whitespaces": remove_extra_whitespaces,
        "max_sentencepiece_length": max_sentencepiece_length,
        "split_by_unicode_script": split_by_unicode_script,
        "split_by_number": split_by_number,
        "split_by_whitespace": split_by_whitespace,
        "split_digits": split_digits,
        "treat_whitespace_as_suffix": treat_whitespace_as_suffix,
        "allow_whitespace_only_pieces": allow_whitespace_only_pieces,
        "character_coverage": character_coverage,
        "required_chars": valid_text(required_chars, "required_chars"),
        "byte_fallback": byte_fallback,
        "control_symbols": valid_texts(control_symbols, "control_symbols", "control_symbols"),
        "user_defined_symbols": valid_texts(user_defined_symbols, "user_defined_symbols", "user_defined_symbols"),
        "unk": _meta("unk", unk_id, unk_piece),
        "bos": _meta("bos", bos_id, bos_piece),
        "eos": _meta("eos", eos_id, eos_piece),
        "pad": _meta("pad", pad_id, pad_piece),
        "unk_surface": valid_text(unk_surface, "unk_surface"),
        "hard_vocab_limit": hard_vocab_limit,
        "max_sentence_length": max_sentence_length,
        "seed_sentencepiece_size": seed_sentencepiece_size,
        "shrinking_factor": shrinking_factor,
        "num_sub_iterations": num_sub_iterations,
        "n_threads": thread_count(n_threads),
    }
    options = given(train_sentencepiece, locals() | asked)
    with training_run("sentencepiece", progress, options) as run:
        with spill_folder(max_memory, spill_dir) as folder:
            sentences = _core.Sentences(asked, max_memory, folder)
            count_documents(sentences, documents, sentences.count, run.report)
            used = {"name": "", "documents": sentences.n_texts, "bytes": sentences.n_bytes}
            found, left = sentences.finish(min_count, run.report)
        one = counted(found, used)
        trained = _core.train_sentencepiece(one.counts, left, asked, run.report)
        return run.finish(
            trained, WordCounts._wrap(one.counts, "sentencepiece", None, [one.source], one.n_spilled_bytes)
        )


def _meta(name: str, id: int, piece: str) -> tuple[int | None, str]:
    if not -1 <= id <= _MAX_ID:
        msg = f"{name}_id must be from -1 to {_MAX_ID}, got {id}"
        raise ConfigError(msg)
    return (None if id < 0 else id, valid_text(piece, f"{name}_piece"))
