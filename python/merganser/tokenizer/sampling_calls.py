"""The calls of `Tokenizer` that give other segmentations than `encode`: random ones, and the best with their scores.

A network trained on one segmentation of each text never sees the others. Subword regularization shows it a new one each
time: BPE leaves out merges at random, and Unigram draws by the scores of the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable

from numpy.typing import DTypeLike

from merganser import _core
from merganser.arguments import OnSpecial, is_wide, many_texts, real_number, seed_number, thread_count, whole_number
from merganser.ragged import Ragged

__all__ = ["SamplingCalls"]


class SamplingCalls:
    """See the module's head."""

    __slots__ = ()
    _inner: _core.Tokenizer

    def sample(
        self,
        text: str | bytes,
        *,
        seed: int,
        dropout: float | None = None,
        alpha: float | None = None,
        n_best: int | None = None,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
    ) -> list[int]:
        """Encode one text in a segmentation drawn at random.

        Parameters
        ----------
        text : str or bytes
            The text; bytes must be UTF-8.
        seed : int
            From 0 to 2**64 - 1. Equal seeds give equal ids, on every machine.
        dropout : float, optional
            BPE: the probability with which each merge is left out [1]_; 0 is :meth:`encode`, 1 leaves bytes or
            characters. By default that of the model's own file, if it has one.
        alpha : float, optional
            Unigram: each segmentation is drawn with a probability in proportion to the `alpha`-th power of its own
            [2]_; 1 by default, 0 for all alike.
        n_best : int, optional
            Unigram: how many of the best segmentations of each pre-token are drawn from, 1 to 1024; all by default.
        add_special_tokens, on_special
            As :meth:`encode`.

        Returns
        -------
        list of int

        Raises
        ------
        ConfigError
            If the model has one segmentation of a text, such as WordPiece; a parameter is out of range or for another
            model; or BPE has no dropout.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`.

        Notes
        -----
        Added tokens stay whole. Linear in the text but for the length of pre-tokens; the GIL is released for all but
        short texts.

        References
        ----------
        .. [1] Provilkov, Emelianenko, Voita 2020, "BPE-Dropout: Simple and Effective Subword Regularization".
        .. [2] Kudo 2018, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
           Candidates", section 3.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259)
        >>> tok.tokens(tok.encode("banana")), tok.tokens(tok.sample("banana", seed=5, dropout=0.5))
        (['ban', 'ana'], ['b', 'a', 'n', 'an', 'a'])
        """
        sampling = _sampling(dropout, alpha, n_best)
        return _core.sample(self._inner, text, add_special_tokens, on_special, sampling, seed_number(seed))

    def sample_batch(
        self,
        texts: Iterable[str | bytes],
        *,
        seed: int,
        dropout: float | None = None,
        alpha: float | None = None,
        n_best: int | None = None,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
    ) -> Ragged:
        """Encode many texts, each in a segmentation drawn at random.

        Parameters
        ----------
        texts : iterable of str or bytes
            The texts. A single `str` is one text, not many, and is refused.
        seed : int
            From 0 to 2**64 - 1. What is drawn for a text follows from the seed and its index; the first is what
            :meth:`sample` gives.
        dropout, alpha, n_best, add_special_tokens, on_special
            As :meth:`sample`.
        dtype : dtype, optional
            ``uint16`` or ``uint32``; by default the smaller that holds the vocabulary.
        n_threads : int or None, default None
            Threads; ``None``: as many as the machine gives. The result does not depend on it.

        Returns
        -------
        Ragged
            One sequence a text.

        Raises
        ------
        ConfigError
            As :meth:`sample`, and if `dtype` cannot hold the vocabulary.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`; the message starts with the index of the text.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259)
        >>> [len(ids) for ids in tok.sample_batch(["banana"] * 4, seed=0, dropout=0.5)]
        [4, 4, 6, 2]
        """
        ids, offsets = _core.sample_batch(
            self._inner,
            list(many_texts(texts, "texts")),
            add_special_tokens,
            on_special,
            _sampling(dropout, alpha, n_best),
            seed_number(seed),
            is_wide(dtype),
            thread_count(n_threads),
        )
        return Ragged(ids, offsets)

    def n_best(
        self,
        text: str | bytes,
        n: int,
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
    ) -> list[tuple[list[int], float]]:
        """Return the best segmentations of a text by Unigram, with their scores.

        Parameters
        ----------
        text : str or bytes
            The text; bytes must be UTF-8.
        n : int
            How many, 1 to 1024.
        add_special_tokens, on_special
            As :meth:`encode`.

        Returns
        -------
        list of (list of int, float)
            Ids, and the sum of the pieces' scores, which are logarithms of probabilities; best first. Fewer than `n`
            where there are not so many. The first scores as :meth:`encode` does, and is the same but for ties.

        Raises
        ------
        ConfigError
            If the model is not Unigram, or `n` is out of range.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`.

        Notes
        -----
        Memory: about `n` times that of the text's segmentations. Of equal scores, that of a `.model` file has
        SentencePiece's order; of others, a longer last piece comes first.

        References
        ----------
        Kudo 2018, "Subword Regularization", section 3.
        """
        return _core.n_best(self._inner, text, whole_number(n, "n"), add_special_tokens, on_special)


def _sampling(
    dropout: float | None, alpha: float | None, n_best: int | None
) -> tuple[float | None, float | None, int | None]:
    return (
        None if dropout is None else real_number(dropout, "dropout"),
        None if alpha is None else real_number(alpha, "alpha"),
        None if n_best is None else whole_number(n_best, "n_best"),
    )
