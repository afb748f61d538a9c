"""`HFTokenizer`: the calls of ``tokenizers.Tokenizer`` and of ``transformers.PreTrainedTokenizerFast`` on one object.

Where the two use one name for two things, `encode` and `decode`, it is that of `tokenizers`; those of transformers are
calling the object, and `batch_decode`. As in both, special tokens in text are encoded as such: text of strangers can
write control tokens, unlike in `merganser.Tokenizer`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merganser.arguments import id_list, is_iterable
from merganser.compat.hf_backend import Backend
from merganser.compat.hf_call import Calls, check_side
from merganser.errors import ConfigError

if TYPE_CHECKING:
    from merganser.tokenizer import Tokenizer

__all__ = ["HFTokenizer"]

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FROM_CONFIG = ("padding_side", "truncation_side", "model_input_names")
# What transformers writes for a model without a limit.
_NO_LIMIT = int(1e30)


class HFTokenizer(Calls, Backend):
    """A tokenizer with the calls of Hugging Face's two libraries.

    Made by :meth:`merganser.Tokenizer.as_hf`.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokenizer; its truncation and padding become those of the calls of `tokenizers`.
    bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token : str, optional
        Special tokens by what they are for. One that is no added token yet is added.
    extra_special_tokens : iterable of str
        More special tokens.
    model_max_length : int, optional
        The length that ``truncation=True`` and ``padding="max_length"`` mean.
    padding_side, truncation_side : {"left", "right"}, default "right"
        The side that is filled up or cut off when the object is called.
    model_input_names : iterable of str
        What calling it returns; ``token_type_ids`` can be among them.

    Notes
    -----
    It can be pickled, and with it `datasets.map` works in processes. Unlike a `merganser.Tokenizer` it changes:
    threads may share it as long as none adds tokens or sets something.

    Examples
    --------
    >>> import merganser as mg
    >>> tok = mg.train_bpe(["banana bandana"], vocab_size=261, special_tokens=["<pad>", "<mask>"])
    >>> hf = tok.as_hf(pad_token="<pad>", mask_token="<mask>")
    >>> batch = hf(["banana", "ban<mask>"], padding=True, return_tensors="np")
    >>> batch["input_ids"].tolist(), batch["attention_mask"].tolist()
    ([[259, 260], [259, 1]], [[1, 1], [1, 1]])
    >>> hf.encode("banana bañ").offsets
    [(0, 3), (3, 6), (7, 7), (7, 8), (8, 9), (9, 10), (9, 10)]
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        bos_token: str | None = None,
        eos_token: str | None = None,
        unk_token: str | None = None,
        sep_token: str | None = None,
        pad_token: str | None = None,
        cls_token: str | None = None,
        mask_token: str | None = None,
        extra_special_tokens: Iterable[str] = (),
        model_max_length: int | None = None,
        padding_side: str = "right",
        truncation_side: str = "right",
        model_input_names: Iterable[str] = ("input_ids", "attention_mask"),
    ) -> None:
        super().__init__(tokenizer)
        values = (bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token)
        self._named = {name: str(value) for name, value in zip(_NAMED, values, strict=True) if value is not None}
        if self._padding is not None:
            self._named.setdefault("pad_token", self._padding.token)
        self.extra_special_tokens = [str(token) for token in extra_special_tokens]
        self.model_max_length = _NO_LIMIT if model_max_length is None else model_max_length
        self.padding_side = check_side(padding_side, "padding_side")
        self.truncation_side = check_side(truncation_side, "truncation_side")
        self.model_input_names = list(model_input_names)
        added = {content for content, _, _ in tokenizer._inner.added_tokens}
        missing = [token for token in self.all_special_tokens if token not in added]
        if missing:
            self.add_special_tokens(missing)

    @classmethod
    def from_str(cls, json: str) -> HFTokenizer:
        """Build from the text of a ``tokenizer.json``."""
        from merganser.tokenizer import Tokenizer

        return cls(Tokenizer.from_json(json))

    @classmethod
    def from_buffer(cls, buffer: bytes) -> HFTokenizer:
        """Build from the bytes of a ``tokenizer.json``."""
        from merganser.tokenizer import Tokenizer

        return cls(Tokenizer.from_json(buffer))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> HFTokenizer:
        """Build from a ``tokenizer.json``."""
        from merganser.tokenizer import Tokenizer

        return cls(Tokenizer.load(path))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], **named: Any) -> HFTokenizer:
        """Build from a folder with a ``tokenizer.json``, and what its ``tokenizer_config.json`` names.

        Parameters
        ----------
        folder : path
            The folder; nothing is fetched from a network.
        **named
            What is to be other than in the file.

        Raises
        ------
        ConfigError
            If there is no such folder.
        """
        from merganser.tokenizer import Tokenizer

        folder = Path(folder)
        if not folder.is_dir():
            msg = f"{folder} must be a folder with a tokenizer.json; tokenizers are not fetched by name"
            raise ConfigError(msg)
        tokenizer = Tokenizer.load(folder)
        config = {} if tokenizer.config is None else tokenizer.config.data
        return tokenizer.as_hf(**{**{key: config[key] for key in _FROM_CONFIG if config.get(key)}, **named})

    def add_special_tokens(self, tokens: Any) -> int:
        """Add special tokens, and return how many are new or changed.

        Parameters
        ----------
        tokens : sequence of str, or mapping
            Tokens, `str` or with the attributes of ``AddedToken``; or by what they are for:
            ``{"pad_token": "<pad>"}``.
        """
        if not isinstance(tokens, Mapping):
            return super().add_special_tokens(tokens)
        added: list[Any] = []
        for name, value in tokens.items():
            if name in _NAMED:
                self._named[name] = str(value)
                added.append(value)
            elif name in ("extra_special_tokens", "additional_special_tokens"):
                self.extra_special_tokens.extend(str(token) for token in value)
                added.extend(value)
            else:
                msg = f"special tokens are {', '.join(_NAMED)} and extra_special_tokens, got {name!r}"
                raise ConfigError(msg)
        return super().add_special_tokens(added)

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens by what they are for."""
        return {name: self._named[name] for name in _NAMED if name in self._named}

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens by name and the extra ones, each once."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self.extra_special_tokens]))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [self._id_of(token) for token in self.all_special_tokens]

    def get_special_tokens_mask(
        self,
        token_ids_0: Iterable[int],
        token_ids_1: Iterable[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for each id of `all_special_ids`, and 0 for the others."""
        if not already_has_special_tokens or token_ids_1 is not None:
            msg = "get_special_tokens_mask needs one finished sequence, and already_has_special_tokens=True"
            raise ConfigError(msg)
        special = set(self.all_special_ids)
        return [int(id_ in special) for id_ in token_ids_0]

    def convert_tokens_to_ids(self, tokens: str | Iterable[str]) -> Any:
        """Return the id of a token, or a list of those of many; that of `unk_token` for unknown ones."""
        if isinstance(tokens, str):
            return self._id_of(tokens)
        if not is_iterable(tokens):
            msg = f"tokens must be str or many of them, got {type(tokens).__name__}"
            raise TypeError(msg)
        return [self._id_of(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> Any:
        """Return the token of an id, or a list of those of many."""
        if isinstance(ids, int):
            return self.id_to_token(ids)
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        return [self.id_to_token(int(id_)) for id_ in id_list(ids, "ids") if int(id_) not in skipped]

    def tokenize(self, text: str, pair: str | None = None, add_special_tokens: bool = False) -> list[str]:
        """Return the tokens of a text."""
        return self._encode([(text, pair)], False, add_special_tokens, None, None)[0].tokens

    def batch_decode(self, sequences: Iterable[Sequence[int]], skip_special_tokens: bool = False) -> list[str]:
        """Return the text of each sequence; special tokens stay unless told otherwise, unlike in `decode`."""
        if not is_iterable(sequences):
            msg = f"sequences must be many sequences of ids, got {type(sequences).__name__}"
            raise TypeError(msg)
        batch = [[int(id_) for id_ in id_list(ids, "sequences")] for ids in sequences]
        return self.decode_batch(batch, skip_special_tokens)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are without the added ones."""
        return self.get_vocab_size(with_added_tokens=False)

    @property
    def is_fast(self) -> bool:
        """True: words and offsets are known."""
        return True

    def __len__(self) -> int:
        return self.get_vocab_size()

    def __repr__(self) -> str:
        return f"HFTokenizer({self._tokenizer!r}, special_tokens={self.special_tokens_map})"

    def __getattr__(self, name: str) -> Any:
        named = name.removesuffix("_id")
        if named not in _NAMED:
            msg = f"an HFTokenizer has no {name}"
            raise AttributeError(msg)
        token = self.__dict__.get("_named", {}).get(named)
        return token if name == named or token is None else self._id_of(token)

    def __setattr__(self, name: str, value: Any) -> None:
        named = name.removesuffix("_id")
        if named not in _NAMED:
            super().__setattr__(name, value)
        elif value is None:
            self._named.pop(named, None)
        else:
            token = str(value) if name == named else self.id_to_token(value)
            if token is None:
                msg = f"{name} must be an id of the vocabulary, got {value}"
                raise ConfigError(msg)
            self._named[named] = token

    def _id_of(self, token: str) -> Any:
        found = self.token_to_id(token)
        unk = self._named.get("unk_token")
        return self.token_to_id(unk) if found is None and unk is not None else found
