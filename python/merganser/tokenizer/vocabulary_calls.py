"""The calls of `Tokenizer` that tell what its vocabulary holds."""

from __future__ import annotations

from operator import itemgetter

from merganser import _core
from merganser.arguments import Ids, id_error, is_iterable, utf8

__all__ = ["VocabularyCalls"]


class VocabularyCalls:
    """See the module's head."""

    __slots__ = ()
    _inner: _core.Tokenizer

    def token_bytes(self, id: int) -> bytes:  # the field's word
        """Return the bytes that an id stands for.

        Parameters
        ----------
        id : int
            An id of the vocabulary.

        Returns
        -------
        bytes

        Raises
        ------
        UnknownTokenError
            If it is not in the vocabulary.
        """
        try:
            return self._inner.token_bytes(id)
        except (OverflowError, TypeError):
            raise id_error(id, self.vocab_size) from None

    def token_text(self, id: int) -> str:
        """Return the text of a token as the vocabulary spells it.

        Parameters
        ----------
        id : int
            An id of the vocabulary.

        Returns
        -------
        str
            Of byte-level BPE a character a byte, ``Ġ`` for a space; :meth:`token_bytes` gives the bytes.

        Raises
        ------
        UnknownTokenError
            If it is not in the vocabulary.
        """
        try:
            return self._inner.token_text(id)
        except (OverflowError, TypeError):
            raise id_error(id, self.vocab_size) from None

    def tokens(self, ids: Ids) -> list[str]:
        """Return the text of each token as the vocabulary spells it.

        Parameters
        ----------
        ids : sequence of int or ndarray, shape (n_tokens,)
            The ids.

        Returns
        -------
        list of str

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        """
        if not is_iterable(ids):
            msg = f"ids must be integers, got {type(ids).__name__}"
            raise TypeError(msg)
        return [self.token_text(id_) for id_ in ids]

    def token_to_id(self, token: str | bytes) -> int | None:
        """Return the id of a token.

        Parameters
        ----------
        token : str or bytes
            The token as it stands in text: `` the`` with its space, not ``Ġthe``. Added tokens are found first.

        Returns
        -------
        int or None
            ``None`` if it is not in the vocabulary.
        """
        if not isinstance(token, (str, bytes)):
            msg = f"token must be str or bytes, got {type(token).__name__}"
            if isinstance(token, int):
                msg += "; token_text gives the text of an id"
            raise TypeError(msg)
        return self._inner.token_to_id(utf8(token) if isinstance(token, str) else token)

    def vocab(self) -> dict[bytes, int]:
        """Return bytes and id of every token, ids increasing. Of tokens with the same bytes the last stands.

        Returns
        -------
        dict of bytes to int
        """
        return dict(sorted(self._inner.vocab().items(), key=itemgetter(1)))

    @property
    def vocab_size(self) -> int:
        """One more than the largest id: the rows that an embedding matrix needs."""
        return self._inner.vocab_size

    @property
    def n_tokens(self) -> int:
        """How many ids stand for a token; less than `vocab_size` where ids leave gaps."""
        return self._inner.n_tokens

    @property
    def special_tokens(self) -> dict[str, int]:
        """Text and id of each special token."""
        return {content: id_ for content, id_, is_special in self._inner.added_tokens if is_special}
