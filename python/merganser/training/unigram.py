"""`train_unigram`: the Unigram model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.arguments import check_limits, valid_text, valid_texts
from merganser.errors import ConfigError
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.run import given, training_run
from merganser.training.shared import word_counts
from merganser.training.stages import Normalizer, PreTokenizer
from merganser.training.word_counts import WordCounts

__all__ = ["train_unigram"]


def train_unigram(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Normalizer | None = None,
    special_tokens: Iterable[str] = (),
    unk_token: str | None = "<unk>",  # noqa: S107  # a token of the vocabulary
    byte_fallback: bool = False,
    character_coverage: float = 0.9995,
    required_characters: str = "",
    required_pieces: Iterable[str] = (),
    max_piece_length: int = 16,
    split_by_unicode_script: bool = True,
    split_by_number: bool = True,
    split_digits: bool = False,
    split_by_whitespace: bool = True,
    seeds: Literal["suffix-array", "bpe"] = "suffix-array",
    seed_size: int = 1_000_000,
    shrinking_factor: float = 0.75,
    n_sub_iterations: int = 2,
    line_end: str | None = None,
    allow_smaller: bool = False,
    min_count: int = 0,
    max_memory: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer:
    """Train a Unigram vocabulary: pieces with probabilities, of which a text is cut into the most probable.

    It starts from many substrings of the words and takes away, round by round, those without which the likelihood of
    the text falls least. Equal documents and options give the same tokenizer, byte for byte, on any machine with any
    number of threads.

    Parameters
    ----------
    documents : Documents, WordCounts, or iterable of str or bytes
        The text, or counts of it. A single `str` is one text, not many, and is refused; a path is read with
        :func:`merganser.read`.
    vocab_size : int
        Tokens in all: special tokens, byte tokens and pieces.
    pre_tokenizer : str or mapping, default "metaspace"
        How the text is split; of `WordCounts`, theirs. The default, as in SentencePiece, splits before each space and
        writes it as U+2581, so that decoding knows where spaces were. With a byte-level one, such as ``"gpt2"``, pieces
        are made of bytes and nothing is unknown.
    normalizer : str, mapping or None, default None
        What the text goes through first; of `WordCounts`, theirs. SentencePiece's default is close to ``"nfkc"``. None
        gives back every text, but for a space at its start.
    special_tokens : iterable of str
        They get the first ids, are left out of the text where they occur, and are no pieces.
    unk_token : str or None, default "<unk>"
        The token of characters outside the vocabulary; it gets id 0 unless it is one of `special_tokens`. Without one
        such characters are an error.
    byte_fallback : bool, default False
        Whether such characters become the tokens ``<0x00>`` to ``<0xFF>`` of their bytes, so that nothing is lost.
    character_coverage : float, default 0.9995
        The share of all characters that are pieces, the most frequent first.
    required_characters : str, default ""
        Characters that are pieces whether or not they occur.
    required_pieces : iterable of str
        Pieces that are in the vocabulary whatever they are worth.
    max_piece_length : int, default 16
        The longest piece, in characters; at most 250.
    split_by_unicode_script, split_by_number : bool, default True
        Whether a piece keeps to one script (Han, Hiragana and Katakana are one; digits and punctuation are one), and
        whether that holds for digits.
    split_digits : bool, default False
        Whether each digit is a piece of its own.
    split_by_whitespace : bool, default True
        Whether U+2581 stands only at the start of pieces; otherwise also inside, where the pre-tokenizer leaves it
        there.
    seeds : {"suffix-array", "bpe"}, default "suffix-array"
        What to start from: substrings, or the tokens of a BPE vocabulary [3]_.
    seed_size : int, default 1,000,000
        How many of these, the best by frequency times length or the first that BPE makes.
    shrinking_factor : float, default 0.75
        The share of the pieces that a round keeps.
    n_sub_iterations : int, default 2
        Steps of expectation maximisation in a round.
    line_end : str or None, default None
        A character at which lines end; it is no text then, and in no piece. With it the same substrings are tried as by
        SentencePiece, which looks at whether a word is followed by a space or by the end of its line, and leaves out
        words that are always followed by the same: give it lines that end with it.
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
        Threads; ``None``: as many as the machine gives.
    progress : bool, callable or None, default None
        ``True`` draws a bar; a callable is called as ``progress(done, total, phase)``.

    Returns
    -------
    Tokenizer

    Raises
    ------
    ConfigError
        If `vocab_size` is out of the feasible range; the message gives the range.
    TextError
        If a document is not valid Unicode; the message says which.

    Notes
    -----
    Time and memory grow with the different words, about linearly: their lattices are laid once and shrink with the
    vocabulary. Counts are 64 bits wide.

    `max_memory` bounds counting a source, and its different words; if these do not fit, the error says which
    `min_count` would make them. Learning takes on top about 16 times what the words take (measured on English), and is
    not bounded.

    References
    ----------
    .. [1] Kudo (2018), "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
       Candidates", section 3.
    .. [2] Kudo, Richardson (2018), "SentencePiece: A simple and language independent subword tokenizer and detokenizer
       for Neural Text Processing".
    .. [3] Land, Pinter (2026), "MinGram", arXiv 2606.27019.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_unigram(["low lower lowest", "new newer newest"] * 10, vocab_size=16, character_coverage=1)
    >>> tok.tokens(tok.encode("lowest newest"))
    ['▁lowest', '▁newest']
    """
    specials = valid_texts(special_tokens, "special_tokens", "special token")
    pieces = valid_texts(required_pieces, "required_pieces", "required piece")
    if any(not piece for piece in pieces):
        msg = "required_pieces must not be empty, got ''"
        raise ConfigError(msg)
    if line_end is not None and len(valid_text(line_end, "line_end")) != 1:
        msg = f"line_end must be one character or None, got {line_end!r}"
        raise ConfigError(msg)
    if seeds not in {"suffix-array", "bpe"}:
        msg = f'seeds must be "suffix-array" or "bpe", got {seeds!r}'
        raise ConfigError(msg)
    check_limits(
        vocab_size=(vocab_size, 1),
        max_piece_length=(max_piece_length, 1),
        seed_size=(seed_size, 1),
        n_sub_iterations=(n_sub_iterations, 1),
    )
    learning = {
        "character_coverage": character_coverage,
        "required_characters": valid_text(required_characters, "required_characters"),
        "required_pieces": pieces,
        "max_piece_length": min(max_piece_length, 255),
        "split_by_unicode_script": split_by_unicode_script,
        "split_by_number": split_by_number,
        "split_digits": split_digits,
        "split_by_whitespace": split_by_whitespace,
        "bpe_seeds": seeds == "bpe",
        "seed_size": seed_size,
        "shrinking_factor": shrinking_factor,
        "n_sub_iterations": n_sub_iterations,
        "line_end": line_end,
        "allow_smaller": allow_smaller,
        "n_threads": n_threads,
    }
    options = given(train_unigram, locals() | {"special_tokens": specials, "required_pieces": pieces})
    with training_run("unigram", progress, options) as run:
        counts = word_counts(
            documents,
            pre_tokenizer=pre_tokenizer,
            default_pre_tokenizer="metaspace",
            normalizer=normalizer,
            special_tokens=specials if unk_token is None or unk_token in specials else [unk_token, *specials],
            n_threads=n_threads,
            progress=run.report,
            min_count=min_count,
            max_memory=max_memory,
            spill_dir=spill_dir,
        )
        trained = _core.train_unigram(
            counts._inner,
            vocab_size,
            specials,
            unk_token,
            byte_fallback,
            learning,
            counts.pre_tokenizer,
            counts.normalizer,
            run.report,
        )
        return run.finish(trained, counts)
