"""The calls of `Tokenizer` that turn ids into text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from merganser import _core
from merganser.arguments import Ids, id_array
from merganser.errors import ConfigError, TextError, UnknownTokenError
from merganser.ragged import Ragged

__all__ = ["DecodingCalls"]


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
        data = self._inner.decode(id_array(ids), skip_special_tokens)
        try:
            return data.decode("utf-8", errors)
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
        return self._inner.decode(id_array(ids), skip_special_tokens)

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
        texts = []
        for index, ids in enumerate(batch):
            try:
                texts.append(self.decode(ids, skip_special_tokens=skip_special_tokens, errors=errors))
            except (UnknownTokenError, TextError) as error:
                raise type(error)(f"sequence {index}: {error}") from None
        return texts
