"""The calls of `Tokenizer` that turn ids into text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.arguments import Ids, id_array, id_error, is_iterable
from merganser.errors import ConfigError, TextError, UnknownTokenError
from merganser.ragged import Ragged

__all__ = ["DecodeStream", "DecodingCalls"]


class DecodeStream:
    """Decodes ids one by one: what it gives, one after the other, is what :meth:`Tokenizer.decode` gives of all.

    Made by :meth:`Tokenizer.decode_stream`. Text once given is never taken back: the bytes of a character wait
    for its last. It serves one thread at a time.
    """

    __slots__ = ("_inner", "_vocab_size")

    def __init__(self, inner: _core.DecodeStream, vocab_size: int) -> None:
        self._inner = inner
        self._vocab_size = vocab_size

    def push(self, id: int) -> str:
        """Take the next id, and give the text that is certain now, whatever comes.

        Parameters
        ----------
        id : int
            The id.

        Returns
        -------
        str
            Empty while a character is not complete.

        Raises
        ------
        UnknownTokenError
            If it is not in the vocabulary; nothing changes.
        """
        try:
            return self._inner.push(id)
        except (OverflowError, TypeError):
            raise id_error(id, self._vocab_size) from None

    def finish(self) -> str:
        """Give the rest of the text; the next id begins another.

        Returns
        -------
        str
            U+FFFD for a character that was not complete.
        """
        return self._inner.finish()


class DecodingCalls:
    """See the module's head."""

    __slots__ = ()
    _inner: _core.Tokenizer

    def decode(
        self, ids: Ids, *, skip_special_tokens: bool = False, errors: Literal["replace", "strict"] = "replace"
    ) -> str:
        """Return the text that ids stand for.

        Parameters
        ----------
        ids : sequence of int or ndarray, shape (n_tokens,)
            The ids.
        skip_special_tokens : bool, default False
            Whether special tokens are left out.
        errors : {"replace", "strict"}, default "replace"
            What becomes of bytes that are not UTF-8, as where a character was cut in two: U+FFFD, or an error.

        Returns
        -------
        str

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary; the message gives its position.
        TextError
            If the bytes are not UTF-8 and `errors` is ``"strict"``.
        """
        if errors not in {"replace", "strict"}:
            msg = f'errors must be "replace" or "strict", got {errors!r}'
            raise ConfigError(msg)
        if errors == "replace":
            return self._inner.decode(id_array(ids), skip_special_tokens)
        try:
            return self._inner.decode_bytes(id_array(ids), skip_special_tokens).decode()
        except UnicodeDecodeError as error:
            msg = f"the ids do not stand for UTF-8 text: invalid at byte {error.start}"
            raise TextError(msg) from None

    def decode_bytes(self, ids: Ids, *, skip_special_tokens: bool = False) -> bytes:
        """Return the bytes that ids stand for; nothing is lost.

        Parameters
        ----------
        ids, skip_special_tokens
            As :meth:`decode`.

        Returns
        -------
        bytes

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary; the message gives its position.
        """
        return self._inner.decode_bytes(id_array(ids), skip_special_tokens)

    def decode_batch(
        self,
        batch: Ragged | Iterable[Ids],
        *,
        skip_special_tokens: bool = False,
        errors: Literal["replace", "strict"] = "replace",
    ) -> list[str]:
        """Return the text of each sequence of a batch.

        Parameters
        ----------
        batch : Ragged or iterable of sequences of int
            The sequences.
        skip_special_tokens, errors
            As :meth:`decode`.

        Returns
        -------
        list of str

        Raises
        ------
        UnknownTokenError, TextError
            As :meth:`decode`; the message starts with the index of the sequence.
        """
        if not is_iterable(batch):
            msg = f"batch must be many sequences of ids, got {type(batch).__name__}"
            raise TypeError(msg)
        texts = []
        for index, ids in enumerate(batch):
            try:
                texts.append(self.decode(ids, skip_special_tokens=skip_special_tokens, errors=errors))
            except (UnknownTokenError, TextError, TypeError) as error:
                raise type(error)(f"sequence {index}: {error}") from None
        return texts

    def decode_stream(self, *, skip_special_tokens: bool = False) -> DecodeStream:
        """Start to decode ids one by one, as a language model writes them.

        Parameters
        ----------
        skip_special_tokens : bool, default False
            Whether special tokens are left out.

        Returns
        -------
        DecodeStream

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe([], vocab_size=256)
        >>> stream = tok.decode_stream()
        >>> [stream.push(id) for id in tok.encode("né!")], stream.finish()
        (['n', '', 'é', '!'], '')
        """
        return DecodeStream(self._inner.decode_stream(skip_special_tokens), self._inner.vocab_size)
