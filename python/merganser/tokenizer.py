"""`Tokenizer`: the documented face of the core's tokenizer; owns every default."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from numpy.typing import DTypeLike, NDArray

from merganser import _core, files
from merganser.arguments import Ids, OnSpecial, id_array, is_wide, many_texts, thread_count, utf8
from merganser.errors import ConfigError, TextError, UnknownTokenError
from merganser.ragged import Ragged

__all__ = ["Tokenizer"]


class Tokenizer:
    """A tokenizer: text to ids and back. It never changes, and threads may share it.

    Make one with :meth:`load`, :meth:`from_json` or a trainer such as :func:`merganser.train_bpe`.

    Two tokenizers are equal when they give the same ids on every text by definition: same stages, vocabulary and merges
    (:attr:`fingerprint`).

    Notes
    -----
    Every path gives the same ids: one text, a batch, any number of threads. Encoding is O(n log n) at worst.
    The GIL is released, Ctrl-C is heard within 0.2 s, and forking and pickling are safe. Caches take at most 5 MiB a
    thread.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["low lower lowest", "new newer newest"], vocab_size=262)
    >>> ids = tok.encode("newest lower")
    >>> tok.decode(ids)
    'newest lower'
    """

    __slots__ = ("__weakref__", "_fingerprint", "_inner")
    _fingerprint: str
    _inner: _core.Tokenizer

    def __init__(self, *_args: object) -> None:
        msg = "make a Tokenizer with Tokenizer.load(path), Tokenizer.from_json(text) or merganser.train_bpe(...)"
        raise TypeError(msg)

    @classmethod
    def _wrap(cls, core: _core.Tokenizer) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        object.__setattr__(tokenizer, "_inner", core)
        object.__setattr__(tokenizer, "_fingerprint", "")
        return tokenizer

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Load a tokenizer from a file or a folder.

        Parameters
        ----------
        path : path
            ``tokenizer.json``; a ``.tiktoken`` file; ``vocab.json`` with ``merges.txt`` beside it; or a folder
            with ``tokenizer.json`` or that pair.
        pattern : str, optional
            For a ``.tiktoken`` file that OpenAI does not publish: ``"gpt2"``, ``"cl100k"``, ``"o200k"`` or a regular
            expression. The file does not say it, and it is never guessed.
        special_tokens : mapping of str to int, optional
            For a ``.tiktoken`` file: texts and ids of the special tokens. The files that OpenAI publishes have theirs.

        Returns
        -------
        Tokenizer

        Raises
        ------
        FormatError
            If the file is not what it claims to be; the message says where. `UnsupportedError`, a subclass, if it needs
            something that is not reproduced exactly.
        VocabError
            If tokens and merges contradict each other.
        OSError
            If a file cannot be read.

        Notes
        -----
        The file is data: nothing in it is executed, and no other file is opened. It takes time and memory linear in its
        size.

        Examples
        --------
        >>> import merganser as mg, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> mg.train_bpe(["banana"], vocab_size=258).save(f"{folder.name}/tokenizer.json")
        >>> mg.Tokenizer.load(folder.name).encode("banana")
        [257, 256, 64]
        >>> folder.cleanup()
        """
        return cls._wrap(files.load(Path(path), pattern=pattern, special_tokens=special_tokens))

    @classmethod
    def from_json(cls, text: str | bytes) -> Tokenizer:
        """Build from the text of a ``tokenizer.json``.

        Parameters
        ----------
        text : str or bytes
            The JSON text itself, not a path.

        Returns
        -------
        Tokenizer

        Raises
        ------
        FormatError, VocabError
            As :meth:`load`.
        """
        return cls._wrap(_core.Tokenizer.from_json(utf8(text) if isinstance(text, str) else text))

    def to_json(self, *, pretty: bool = False) -> str:
        """Return the text of a ``tokenizer.json`` that `tokenizers` and `transformers` load with the same ids.

        Parameters
        ----------
        pretty : bool, default False
            Whether to lay it out over lines. The compact form is canonical: equal tokenizers give equal text.

        Returns
        -------
        str
        """
        return self._inner.to_json(pretty)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save to a file or a folder, which is complete or as it was before.

        Parameters
        ----------
        path : path
            Ending in ``.json``: a ``tokenizer.json``. Ending in ``.tiktoken``: a rank file, which holds no
            pattern and no special tokens. Otherwise a folder, which gets ``vocab.json`` and ``merges.txt``.

        Raises
        ------
        UnsupportedError
            If the format cannot express this tokenizer with the same ids.
        OSError
            If the file cannot be written.
        """
        files.save(self._inner, Path(path))

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
        except OverflowError:
            msg = f"token id {id} is not in the vocabulary (vocab_size {self.vocab_size})"
            raise UnknownTokenError(msg) from None

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

    @property
    def fingerprint(self) -> str:
        """The sha256 of the canonical definition, in hexadecimal digits: equal exactly when the tokenizers are."""
        if not self._fingerprint:
            object.__setattr__(self, "_fingerprint", self._inner.fingerprint)
        return self._fingerprint

    @property
    def unicode_version(self) -> str:
        """The Unicode version of every character class and of normalization."""
        return _core.UNICODE_VERSION

    def __setattr__(self, name: str, _value: object) -> None:
        msg = f"a Tokenizer never changes; {name} cannot be set"
        raise AttributeError(msg)

    def __len__(self) -> int:
        return self.n_tokens

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Tokenizer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Tokenizer.from_json, (self.to_json(),))

    def __copy__(self) -> Tokenizer:
        return self

    def __deepcopy__(self, _memo: object) -> Tokenizer:
        return self

    def __repr__(self) -> str:
        return f"Tokenizer(BPE, {self.n_tokens:,} tokens, {len(self.special_tokens)} special)"
