"""The class `Tokenizer`: how one is made, saved, changed into another, and compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merganser import _core, files
from merganser.arguments import many_texts, utf8, valid_text
from merganser.settings import Padding, Truncation
from merganser.tokenizer.decoding_calls import DecodingCalls
from merganser.tokenizer.encoding_calls import EncodingCalls
from merganser.tokenizer.vocabulary_calls import VocabularyCalls

if TYPE_CHECKING:
    from merganser.compat.hf import HFTokenizer
    from merganser.compat.tiktoken import TiktokenEncoding

__all__ = ["Tokenizer"]


class Tokenizer(EncodingCalls, DecodingCalls, VocabularyCalls):
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

    def with_truncation(self, truncation: Truncation | None) -> Tokenizer:
        """Return this tokenizer with another `truncation`, which every call that encodes then keeps.

        Parameters
        ----------
        truncation : Truncation or None
            How long sequences may be; ``None``: as long as they come.

        Returns
        -------
        Tokenizer

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana"], vocab_size=258).with_truncation(mg.Truncation(2))
        >>> tok.encode("banana"), tok.with_truncation(None).encode("banana")
        ([257, 256], [257, 256, 64])
        """
        return self._wrap(self._inner.with_truncation(None if truncation is None else truncation.fields))

    def with_padding(self, padding: Padding | None) -> Tokenizer:
        """Return this tokenizer with another `padding`, which every call that encodes then keeps.

        Parameters
        ----------
        padding : Padding or None
            To what length sequences are filled up; ``None``: they are not.

        Returns
        -------
        Tokenizer

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana"], vocab_size=258).with_padding(mg.Padding(id=0))
        >>> tok.encode_batch(["banana", "b"]).to_list()
        [[257, 256, 64], [65, 0, 0]]
        """
        return self._wrap(self._inner.with_padding(None if padding is None else padding.fields))

    def with_added_tokens(self, tokens: Iterable[str], *, special: bool = False) -> Tokenizer:
        """Return this tokenizer with more tokens that are found in text before anything else.

        Parameters
        ----------
        tokens : iterable of str
            Their texts. One that is in the vocabulary keeps its id, the others get the next ids in turn.
        special : bool, default False
            Whether they are special: never produced from ordinary text unless the caller allows it.

        Returns
        -------
        Tokenizer

        Raises
        ------
        VocabError
            If the next id is taken, as in a vocabulary whose ids have gaps.
        TextError
            If a text has a lone surrogate.

        Examples
        --------
        >>> import merganser as mg
        >>> tok = mg.train_bpe(["banana"], vocab_size=258).with_added_tokens(["<tool>"])
        >>> tok.encode("banana<tool>")
        [257, 256, 64, 258]
        """
        flags = [
            (valid_text(token, "token"), False, False, False, not special, special)
            for token in many_texts(tokens, "tokens")
        ]
        return self._wrap(self._inner.with_added_tokens(flags)[0])

    def as_tiktoken(self, name: str = "merganser") -> TiktokenEncoding:
        """Return this tokenizer with the calls of ``tiktoken.Encoding``.

        Parameters
        ----------
        name : str, default "merganser"
            What the encoding calls itself.

        Returns
        -------
        TiktokenEncoding

        Raises
        ------
        ConfigError
            If the tokenizer truncates or pads.

        Examples
        --------
        >>> import merganser as mg
        >>> mg.train_bpe(["banana"], vocab_size=258).as_tiktoken().decode_tokens_bytes([257, 64])
        [b'ban', b'a']
        """
        from merganser.compat.tiktoken import TiktokenEncoding

        return TiktokenEncoding(self, name)

    def as_hf(self, **named: Any) -> HFTokenizer:
        """Return this tokenizer with the calls of Hugging Face's ``Tokenizer`` and ``PreTrainedTokenizerFast``.

        Parameters
        ----------
        **named
            What ``tokenizer_config.json`` names: ``pad_token``, ``mask_token`` and the like, ``model_max_length``,
            ``padding_side``, ``truncation_side``.

        Returns
        -------
        HFTokenizer

        Examples
        --------
        >>> import merganser as mg
        >>> hf = mg.train_bpe(["banana"], vocab_size=259, special_tokens=["<pad>"]).as_hf(pad_token="<pad>")
        >>> hf(["banana", "b"], padding=True)["input_ids"]
        [[258, 257, 65], [66, 0, 0]]
        """
        from merganser.compat.hf import HFTokenizer

        return HFTokenizer(self, **named)

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
