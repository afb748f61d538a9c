"""The class `Tokenizer`: how one is made, saved, changed into another, and compared."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from merganser import _core, files
from merganser.arguments import many_texts, path_of, valid_text
from merganser.settings import Padding, Truncation, check_setting
from merganser.tokenizer.decoding_calls import DecodingCalls
from merganser.tokenizer.encoding_calls import EncodingCalls
from merganser.tokenizer.loading_calls import LoadingCalls
from merganser.tokenizer.sampling_calls import SamplingCalls
from merganser.tokenizer.vocabulary_calls import VocabularyCalls
from merganser.tokenizer_config import TokenizerConfig
from merganser.training_report import TrainingReport, training_report

if TYPE_CHECKING:
    from merganser.compat.hf import HFTokenizer
    from merganser.compat.tiktoken import TiktokenEncoding

__all__ = ["Tokenizer"]


class Tokenizer(LoadingCalls, EncodingCalls, SamplingCalls, DecodingCalls, VocabularyCalls):
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

    __slots__ = ("__weakref__", "_config", "_fingerprint", "_inner", "_training_report")
    _config: TokenizerConfig | None
    _fingerprint: str
    _inner: _core.Tokenizer
    _training_report: TrainingReport | None

    def __init__(self, *_args: object) -> None:
        msg = "make a Tokenizer with Tokenizer.load(path), Tokenizer.from_json(text) or merganser.train_bpe(...)"
        raise TypeError(msg)

    @classmethod
    def _wrap(
        cls,
        core: _core.Tokenizer,
        config: TokenizerConfig | None = None,
        training_report: TrainingReport | None = None,
    ) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        object.__setattr__(tokenizer, "_inner", core)
        object.__setattr__(tokenizer, "_config", config)
        object.__setattr__(tokenizer, "_fingerprint", "")
        object.__setattr__(tokenizer, "_training_report", training_report)
        return tokenizer

    def to_json(self, *, pretty: bool = False) -> str:
        """Return the text of a ``tokenizer.json`` that `tokenizers` and `transformers` load with the same ids.

        Of a tokenizer that follows SentencePiece's own rules it is a form that only merganser reads.

        Parameters
        ----------
        pretty : bool, default False
            Whether to lay it out over lines. In the compact form equal tokenizers give equal text, but for an empty
            prefix or suffix, which a file may also write as none.

        Returns
        -------
        str
        """
        return self._inner.to_json(pretty)

    def to_hugging_face(self) -> tuple[Tokenizer, list[str]]:
        """Turn a tokenizer that follows SentencePiece's own rules into Hugging Face's terms.

        Returns
        -------
        Tokenizer
            What the converters of `transformers` make of the same model; it can be saved as ``tokenizer.json``.
        list of str
            In what it differs, a sentence each.

        Raises
        ------
        UnsupportedError
            If it does not follow SentencePiece's rules, or these have no counterpart.
        """
        core, differences = self._inner.to_hugging_face()
        return self._wrap(core, self._config), differences

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save to a file or a folder, which is complete or as it was before.

        Parameters
        ----------
        path : path
            Its name says the format: ``tokenizer.json`` and any other ``.json``; ``tekken.json``; ``.model``
            (SentencePiece); ``.tiktoken``, which holds no pattern and no special tokens; ``vocab.json``, which gets
            ``merges.txt`` beside it; ``vocab.txt`` (WordPiece). Otherwise a folder, which gets ``tokenizer.json``, or
            ``tokenizer.model`` where SentencePiece's own rules hold, and `config` beside it.

        Raises
        ------
        UnsupportedError
            If the format cannot express this tokenizer with the same ids.
        OSError
            If the file cannot be written.
        """
        files.save(self._inner, path_of(path), self._config)

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
        check_setting(truncation, Truncation, "truncation")
        fields = None if truncation is None else truncation.fields
        return self._wrap(self._inner.with_truncation(fields), self._config)

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
        check_setting(padding, Padding, "padding")
        return self._wrap(self._inner.with_padding(None if padding is None else padding.fields), self._config)

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
        return self._wrap(self._inner.with_added_tokens(flags)[0], self._config)

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
            What is other than in :attr:`config`, or not in it: ``pad_token``, ``mask_token`` and the like,
            ``model_max_length``, ``padding_side``, ``truncation_side``.

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

        if self._config is not None:
            named = {**self._config.special_tokens, "model_max_length": self._config.model_max_length, **named}
        return HFTokenizer(self, **named)

    @property
    def family(self) -> str:
        """Which model it has: ``"BPE"``, ``"WordPiece"``, ``"Unigram"``, ``"WordLevel"``, or ``"SentencePiece"``.

        The last is BPE or Unigram by SentencePiece's own rules; the others follow Hugging Face's library.
        """
        return self._inner.family

    @property
    def config(self) -> TokenizerConfig | None:
        """What ``tokenizer_config.json`` said where the tokenizer was loaded: it changes no id."""
        return self._config

    @property
    def training_report(self) -> TrainingReport | None:
        """What the run that trained it saw, made and left out; ``None`` where it is not known."""
        training = self._inner.training
        if self._training_report is None and training is not None:
            return training_report(training)
        return self._training_report

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

    def __reduce__(self) -> tuple[object, tuple[str, TokenizerConfig | None]]:
        return (_restore, (self.to_json(), self._config))

    def __copy__(self) -> Tokenizer:
        return self

    def __deepcopy__(self, _memo: object) -> Tokenizer:
        return self

    def __repr__(self) -> str:
        return f"Tokenizer({self.family}, {self.n_tokens:,} tokens, {len(self.special_tokens)} special)"


def _restore(text: str, config: TokenizerConfig | None) -> Tokenizer:
    return Tokenizer._wrap(_core.Tokenizer.from_json(text.encode()), config)
