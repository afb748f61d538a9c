"""The calls of `Tokenizer` that turn text into ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike, NDArray

from merganser import _core
from merganser.arguments import Ids, OnSpecial, is_wide, many_texts, thread_count
from merganser.encoding import Encoding
from merganser.errors import ConfigError
from merganser.ragged import Ragged
from merganser.settings import Padding, Truncation, check_setting

__all__ = ["EncodingCalls"]


class EncodingCalls:
    """See the module's head."""

    __slots__ = ()
    _inner: _core.Tokenizer

    if TYPE_CHECKING:

        def tokens(self, ids: Ids) -> list[str]:
            """Return the text of each id."""

    def encode(
        self,
        text: str | bytes,
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        n_threads: int | None = 1,
    ) -> list[int]:
        """Encode one text.

        Parameters
        ----------
        text : str or bytes
            The text; bytes must be UTF-8.
        add_special_tokens : bool, default True
            Whether the post-processor adds its special ids, such as RoBERTa's ``<s>`` and ``</s>``.
        on_special : {"raise", "encode", "text"}, default "raise"
            What becomes of a special token's text inside `text`: an error, so that text never becomes a control token
            unnoticed; the special id; or ordinary text, exactly as if the special token did not exist.
        n_threads : int or None, default 1
            Threads for a long text; ``None``: as many as the machine gives. The result does not depend on it.

        Returns
        -------
        list of int

        Raises
        ------
        DisallowedSpecialError
            If `text` contains a special token's text and `on_special` is ``"raise"``.
        TextError
            If `text` has a lone surrogate, or is bytes that are not UTF-8.
        UnknownTokenError
            If the vocabulary has no token for a byte of `text`.

        Notes
        -----
        O(n log n) in the bytes of `text` at worst, linear in practice. The GIL is released for all but short texts.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259, special_tokens=["<|end|>"])
        >>> tok.encode("banana<|end|>", on_special="encode")
        [258, 257, 65, 0]
        >>> tok.encode("banana<|end|>")
        Traceback (most recent call last):
        ...
        merganser.errors.DisallowedSpecialError: text contains the special token "<|end|>" at byte 6; ...
        """
        return self._inner.encode(text, add_special_tokens, on_special, thread_count(n_threads))

    def encode_to_numpy(
        self,
        text: str | bytes,
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        dtype: DTypeLike | None = None,
        n_threads: int | None = 1,
    ) -> NDArray[Any]:
        """Encode one text into an array, which for long texts is much cheaper than a list.

        Parameters
        ----------
        text, add_special_tokens, on_special, n_threads
            As :meth:`encode`.
        dtype : dtype, optional
            ``uint16`` or ``uint32``; by default the smaller that holds the vocabulary.

        Returns
        -------
        ndarray of uint16 or uint32, shape (n_tokens,)

        Raises
        ------
        ConfigError
            If `dtype` cannot hold the vocabulary.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`.
        """
        return self._inner.encode_array(text, add_special_tokens, on_special, is_wide(dtype), thread_count(n_threads))

    def encode_batch(
        self,
        texts: Iterable[str | bytes],
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
    ) -> Ragged:
        """Encode many texts.

        Parameters
        ----------
        texts : iterable of str or bytes
            The texts. A single `str` is one text, not many, and is refused.
        add_special_tokens, on_special
            As :meth:`encode`.
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
            If `dtype` cannot hold the vocabulary.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`; the message starts with the index of the text.

        Notes
        -----
        Memory: the texts, and 4 to 8 bytes a token.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana"], vocab_size=258)
        >>> batch = tok.encode_batch(["banana", "", "ban"])
        >>> batch.to_list(), batch.ids.dtype
        ([[257, 256, 64], [], [257]], dtype('uint16'))
        """
        ids, offsets = self._inner.encode_batch(
            list(many_texts(texts, "texts")), add_special_tokens, on_special, is_wide(dtype), thread_count(n_threads)
        )
        return Ragged(ids, offsets)

    def encode_full(
        self,
        text: str | bytes,
        pair: str | bytes | None = None,
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        truncation: Truncation | None = None,
        padding: Padding | None = None,
    ) -> Encoding:
        """Encode one text or a pair, with where each id comes from.

        Parameters
        ----------
        text : str or bytes
            The text; bytes must be UTF-8.
        pair : str or bytes, optional
            A second text, such as the context of a question.
        add_special_tokens, on_special
            As :meth:`encode`.
        truncation : Truncation, optional
            How long the sequence may be; by default as the tokenizer's own `truncation` says.
        padding : Padding, optional
            To what length it is filled up; by default as the tokenizer's own `padding` says.

        Returns
        -------
        Encoding

        Raises
        ------
        ConfigError
            If `truncation` leaves no place for the special tokens or makes no progress, or the post-processor knows
            no pairs.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`.

        Notes
        -----
        The ids of one text are those of :meth:`encode`. Tracing them costs several times the time of :meth:`encode`,
        and some hundred bytes a token.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana bandana"], vocab_size=259)
        >>> encoding = tok.encode_full("banana bandana", truncation=mg.Truncation(2, stride=1))
        >>> encoding.tokens, [other.tokens for other in encoding.overflowing]
        (['ban', 'ana'], [['ana', 'Ġ'], ['Ġ', 'ban'], ['ban', 'd'], ['d', 'ana']])
        """
        check_setting(truncation, Truncation, "truncation")
        check_setting(padding, Padding, "padding")
        truncation, padding = truncation or self.truncation, padding or self.padding
        arrays = self._inner.encoding(
            text,
            pair,
            add_special_tokens,
            on_special,
            None if truncation is None else truncation.fields,
            None if padding is None else padding.fields,
        )
        sources = (text,) if pair is None else (text, pair)
        return Encoding.of_arrays(arrays, sources, self, padding.token if padding else "")

    def encode_full_batch(
        self,
        texts: Iterable[str | bytes],
        pairs: Iterable[str | bytes] | None = None,
        *,
        add_special_tokens: bool = True,
        on_special: OnSpecial = "raise",
        truncation: Truncation | None = None,
        padding: Padding | None = None,
        n_threads: int | None = None,
    ) -> list[Encoding]:
        """Encode many texts or pairs, with where each id comes from.

        Parameters
        ----------
        texts : iterable of str or bytes
            The texts. A single `str` is one text, not many, and is refused.
        pairs : iterable of str or bytes, optional
            A second text for each.
        add_special_tokens, on_special, truncation, padding
            As :meth:`encode_full`; padding without a length fills up to the longest sequence of the batch.
        n_threads : int or None, default None
            Threads; ``None``: as many as the machine gives. The result does not depend on it.

        Returns
        -------
        list of Encoding
            One a text.

        Raises
        ------
        ConfigError
            As :meth:`encode_full`, and if there are more or fewer `pairs` than `texts`.
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`; the message starts with the index of the text.
        """
        check_setting(truncation, Truncation, "truncation")
        check_setting(padding, Padding, "padding")
        truncation, padding = truncation or self.truncation, padding or self.padding
        firsts = list(many_texts(texts, "texts"))
        seconds = None if pairs is None else list(many_texts(pairs, "pairs"))
        if seconds is not None and len(firsts) != len(seconds):
            msg = f"pairs must be as many as texts, {len(firsts)}, got {len(seconds)}"
            raise ConfigError(msg)
        sources = [(text,) for text in firsts] if seconds is None else list(zip(firsts, seconds, strict=True))
        all_arrays = self._inner.encodings(
            [(source[0], source[1] if len(source) > 1 else None) for source in sources],
            add_special_tokens,
            on_special,
            None if truncation is None else truncation.fields,
            None if padding is None else padding.fields,
            thread_count(n_threads),
        )
        pad_token = padding.token if padding else ""
        return [
            Encoding.of_arrays(arrays, source, self, pad_token)
            for arrays, source in zip(all_arrays, sources, strict=True)
        ]

    @property
    def truncation(self) -> Truncation | None:
        """How long the sequences that it gives may be; ``None``: as long as they come."""
        fields = self._inner.truncation
        return None if fields is None else Truncation(*fields)

    @property
    def padding(self) -> Padding | None:
        """To what length the sequences that it gives are filled up; ``None``: they are not."""
        fields = self._inner.padding
        return None if fields is None else Padding(*fields)

    def count(self, text: str | bytes, *, add_special_tokens: bool = True, on_special: OnSpecial = "raise") -> int:
        """Return how many ids :meth:`encode` would give.

        Parameters
        ----------
        text, add_special_tokens, on_special
            As :meth:`encode`.

        Returns
        -------
        int

        Raises
        ------
        DisallowedSpecialError, TextError, UnknownTokenError
            As :meth:`encode`.
        """
        return self._inner.count(text, add_special_tokens, on_special)

    def pre_tokenize(self, text: str | bytes, *, on_special: OnSpecial = "raise") -> list[str]:
        """Return the pre-tokens of a text: what the model works on one by one. Added tokens stand whole.

        Parameters
        ----------
        text, on_special
            As :meth:`encode`.

        Returns
        -------
        list of str

        Raises
        ------
        DisallowedSpecialError, TextError
            As :meth:`encode`.
        """
        return self._inner.pre_tokenize(text, on_special)
