"""`train_wordpiece`: WordPiece by either of the two criteria that go by the name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.arguments import check_limits, valid_text, valid_texts
from merganser.progress import Progress
from merganser.tokenizer import Tokenizer
from merganser.training.run import given, training_run
from merganser.training.shared import word_counts
from merganser.training.stages import Normalizer, PreTokenizer
from merganser.training.word_counts import WordCounts

__all__ = ["train_wordpiece"]


def train_wordpiece(
    documents: WordCounts | Iterable[str | bytes],
    *,
    vocab_size: int,
    criterion: Literal["frequency", "likelihood"] = "frequency",
    pre_tokenizer: PreTokenizer | None = None,
    normalizer: Normalizer | None = None,
    min_frequency: int | None = None,
    special_tokens: Iterable[str] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    unk_token: str = "[UNK]",  # noqa: S107  # a token of the vocabulary
    continuing_subword_prefix: str = "##",
    limit_alphabet: int | None = None,
    character_coverage: float = 1.0,
    max_token_length: int | None = None,
    max_input_chars_per_word: int = 100,
    allow_smaller: bool = False,
    min_count: int = 0,
    max_memory: int | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    n_threads: int | None = None,
    progress: Progress = None,
) -> Tokenizer:
    """Train a WordPiece vocabulary, and a tokenizer as BERT's around it.

    Two criteria go by the name. Both start from single characters, those inside a word with the prefix ``##``, and make
    a token of a pair (a, b) of neighbours, again and again; with count(x) for how often x stands in all words as they
    are spelled by then, they take the pair with the largest

    - ``"frequency"``: count(ab). This is byte-pair encoding with ``##``, and what Hugging Face's `WordPieceTrainer`
      does. It makes the shorter encodings of the two, so it is the default.
    - ``"likelihood"``: count(ab) / (count(a) count(b)), as the criterion of [1]_ is commonly stated: the pair whose
      joining gains most, each time, in the likelihood of the text. It makes more whole morphemes of what seldom stands
      apart, and notices frequency only through `min_frequency`.

    Equal documents and options give the same tokenizer, byte for byte, on any machine with any number of threads.

    Parameters
    ----------
    documents : Documents, WordCounts, or iterable of str or bytes
        The text, or counts of it. A single `str` is one text, not many, and is refused; a path is read with
        :func:`merganser.read`.
    vocab_size : int
        Tokens in all: special tokens, alphabet and what is learned.
    criterion : {"frequency", "likelihood"}, default "frequency"
        Which pair becomes a token next. Of equals the one with the larger count, then the smaller left and right id.
    pre_tokenizer : str or mapping, default "bert"
        How the text is split, but not into bytes; of `WordCounts`, theirs.
    normalizer : str or mapping, default "bert"
        What the text goes through first: ``"bert-cased"`` keeps case and accents; of `WordCounts`, theirs.
    min_frequency : int, optional
        A pair that occurs less often is not joined. By default 0 for ``"frequency"``. For ``"likelihood"``, where a
        pair that occurs once and never apart would come before all others, the largest number under which the
        vocabulary fills; it is found by training under several, and told by `Tokenizer.training_report`.
    special_tokens : iterable of str, default BERT's
        They get the first ids, are left out of the text where they occur, and are never made of text. If ``[CLS]`` and
        ``[SEP]`` are among them, encoding puts them around a text as BERT does.
    unk_token : str, default "[UNK]"
        The special token of words that cannot be written.
    continuing_subword_prefix : str, default "##"
        What a token that does not begin a word is spelled with.
    limit_alphabet : int, optional
        The most different characters that get tokens, the most frequent ones.
    character_coverage : float, default 1.0
        The share of all characters in the text that must have a token; the rarest ones beyond it get none.
    max_token_length : int, optional
        The longest token, in characters, without its prefix.
    max_input_chars_per_word : int, default 100
        A word of more characters is unknown as a whole.
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
    Tokenizer
        It loads in `transformers` as a BERT tokenizer, and ``save("vocab.txt")`` writes BERT's own file if the stages,
        the special tokens and the prefix are BERT's.

    Raises
    ------
    ConfigError
        If `vocab_size` is out of the feasible range, which the message gives; if the words are spelled in bytes, as
        ``"gpt2"`` does; if a special token is a character of the text, or `unk_token` is none of them; if a word of
        `WordCounts` is not UTF-8.
    TextError
        If a document is not valid Unicode; the message says which.

    Notes
    -----
    A word that encoding makes unknown as a whole teaches nothing: words that are too long, or have a character without
    a token, are left out, and `Tokenizer.training_report` says how many. A pair is not joined if its product would be
    spelled like a token there is. In these rules, and in the order of the alphabet (characters by code point, then
    those that continue words), ``"frequency"`` differs from Hugging Face's trainer, whose order of ``##`` characters,
    and so of equal pairs, changes from run to run.

    Scores are compared as fractions of integers, counts are 64 bits wide. Counting is linear in the text, and joining
    close to linear in the different words.

    `max_memory` bounds counting a source, and its different words; if these do not fit, the error says which
    `min_count` would make them. Learning takes on top about 9 times what the words take (measured on English), and is
    not bounded.

    References
    ----------
    .. [1] Schuster and Nakajima (2012), "Japanese and Korean Voice Search", section 3.
    .. [2] Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers", arXiv 1810.04805.

    Examples
    --------
    >>> import merganser as mg
    >>> words = {"hug": 10, "pug": 5, "pun": 12, "hugs": 5}
    >>> counts = mg.WordCounts.from_dict(words, pre_tokenizer="bert", normalizer="bert")
    >>> tok = mg.train_wordpiece(counts, vocab_size=17)
    >>> tok.tokens([15, 16])
    ['##ug', 'hug']
    >>> tok = mg.train_wordpiece(counts, vocab_size=17, criterion="likelihood", min_frequency=5)
    >>> tok.tokens([15, 16])
    ['##gs', 'pu']
    """
    specials = valid_texts(special_tokens, "special_tokens", "special token")
    valid_text(criterion, "criterion")
    check_limits(
        vocab_size=(vocab_size, 1),
        min_frequency=(min_frequency, 0),
        max_token_length=(max_token_length, 1),
        limit_alphabet=(limit_alphabet, 1),
        max_input_chars_per_word=(max_input_chars_per_word, 1),
    )
    options = given(train_wordpiece, locals() | {"special_tokens": specials})
    with training_run("wordpiece", progress, options) as run:
        counts = word_counts(
            documents,
            pre_tokenizer=pre_tokenizer,
            default_pre_tokenizer="bert",
            normalizer="bert" if normalizer is None and not isinstance(documents, WordCounts) else normalizer,
            special_tokens=specials,
            n_threads=n_threads,
            progress=run.report,
            min_count=min_count,
            max_memory=max_memory,
            spill_dir=spill_dir,
        )
        trained = _core.train_wordpiece(
            counts._inner,
            vocab_size,
            criterion,
            min_frequency,
            specials,
            valid_text(unk_token, "unk_token"),
            valid_text(continuing_subword_prefix, "continuing_subword_prefix"),
            limit_alphabet,
            character_coverage,
            max_token_length,
            max_input_chars_per_word,
            allow_smaller,
            counts.pre_tokenizer,
            counts.normalizer,
            run.report,
        )
        return run.finish(trained, counts)
