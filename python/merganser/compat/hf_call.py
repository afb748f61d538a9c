"""`Calls`: calling a tokenizer and padding what calls returned, as ``transformers.PreTrainedTokenizerFast`` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from merganser.compat.hf_backend import split_pair
from merganser.compat.hf_encoding import BatchEncoding, HFEncoding, to_tensor
from merganser.errors import ConfigError
from merganser.settings import Padding, Side, Strategy, Truncation, check_choice

__all__ = ["Calls", "check_side"]

PaddingChoice: TypeAlias = "bool | Literal['longest', 'max_length', 'do_not_pad']"
TruncationChoice: TypeAlias = "bool | Literal['do_not_truncate'] | Strategy | None"

# A longer limit is none.
_LARGE = int(1e20)


class Settings(NamedTuple):
    """What `padding`, `truncation` and `max_length` mean together."""

    padding: Literal["longest", "max_length"] | None
    truncation: Strategy | None
    max_length: int | None


class Calls:
    """See the module's head. The attributes are those of `HFTokenizer`."""

    model_max_length: int
    padding_side: Side
    truncation_side: Side
    model_input_names: list[str]
    pad_token_type_id = 0

    if TYPE_CHECKING:
        pad_token: str | None
        pad_token_id: int | None

        def _encode(
            self,
            pairs: Sequence[tuple[Any, Any]],
            is_pretokenized: bool,
            add_special_tokens: bool,
            truncation: Truncation | None,
            padding: Padding | None,
            splits_special: bool | None = None,
        ) -> list[HFEncoding]:
            """Encode texts."""

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        *,
        max_length: int | None = None,
        padding: PaddingChoice = False,
        truncation: TruncationChoice = None,
        pad_to_multiple_of: int | None = None,
        **options: Any,
    ) -> BatchEncoding:
        """Encode a text, a pair, or a batch of either.

        Parameters
        ----------
        text : str, or sequence
            A text or many; with `is_split_into_words` the words of a text, or of many.
        text_pair : str, or sequence, optional
            A second text or as many.
        text_target, text_pair_target : str, or sequence, optional
            Texts whose ids become ``labels``.
        max_length : int, optional
            The length to cut to or to fill up to; by default `model_max_length`.
        padding : bool, "longest", "max_length" or "do_not_pad", default False
            Whether to fill up: to the longest of the batch (True) or to `max_length`.
        truncation : bool, "longest_first", "only_first", "only_second" or "do_not_truncate", optional
            Whether to cut, and which of a pair; by default if `max_length` is given without `padding`.
        pad_to_multiple_of : int, optional
            What the length is a multiple of.
        **options
            Keywords of :meth:`encode_plus`.

        Returns
        -------
        BatchEncoding

        Raises
        ------
        ConfigError
            If the settings contradict each other, or there is no padding token.
        TextError, UnknownTokenError
            As :meth:`merganser.Tokenizer.encode`.
        """
        if text is None and text_target is None:
            msg = "either text or text_target must be given"
            raise ConfigError(msg)
        settings = self._settings(padding, truncation, max_length, pad_to_multiple_of)
        targets = None
        if text_target is not None:
            targets = self._batch(text_target, text_pair_target, settings, pad_to_multiple_of, **options)
        if text is None:
            return targets or BatchEncoding()
        encoded = self._batch(text, text_pair, settings, pad_to_multiple_of, **options)
        if targets is not None:
            encoded["labels"] = targets["input_ids"]
        return encoded

    def encode_plus(self, text: Any, text_pair: Any = None, **options: Any) -> BatchEncoding:
        """Encode as calling the object does.

        Parameters
        ----------
        text, text_pair
            As :meth:`__call__`.
        **options
            Those of :meth:`__call__`, and: `add_special_tokens` (default True); `stride`, ids that overflowing
            sequences repeat; `is_split_into_words`; `padding_side`; `return_tensors`, ``"np"`` or ``"pt"``;
            `return_token_type_ids`, `return_attention_mask`, `return_overflowing_tokens`,
            `return_special_tokens_mask`, `return_offsets_mapping` and `return_length`, what is returned;
            `split_special_tokens`, whether special tokens in text are ordinary text.
        """
        return self(text, text_pair, **options)

    batch_encode_plus = encode_plus

    def pad(
        self,
        encoded_inputs: Any,
        padding: PaddingChoice = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: Side | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
        verbose: bool = True,  # noqa: ARG002 - data collators pass it
    ) -> BatchEncoding:
        """Fill up sequences that were encoded one by one, as data collators do.

        Parameters
        ----------
        encoded_inputs : mapping, or sequence of mappings
            What calls returned: of one sequence, of a batch, or one a sequence.
        padding, max_length, pad_to_multiple_of
            As :meth:`__call__`.
        padding_side : {"left", "right"}, optional
            The side that is filled; by default `padding_side` of the object.
        return_attention_mask : bool, optional
            Whether there is an attention mask in the result; by default if `model_input_names` has it.
        return_tensors : {"np", "pt"}, optional
            What the result is made of; by default lists, or what comes in.
        verbose : bool, default True
            Taken and not looked at.
        """
        data, is_batch = _columns(encoded_inputs)
        main = self.model_input_names[0]
        if main not in data:
            msg = f"what is padded must have {main}, got {list(data)}"
            raise ConfigError(msg)
        if return_tensors is None and len(data[main]) and isinstance(data[main][0], np.ndarray):
            return_tensors = "np"
        data = {name: _plain(values) for name, values in data.items()}
        if not data[main]:
            return BatchEncoding({**data, "attention_mask": []} if return_attention_mask else data)
        is_batch = is_batch or isinstance(data[main][0], list)
        settings = self._settings(padding, None if padding else False, max_length, None)
        lengths = [len(ids) for ids in data[main]] if is_batch else [len(data[main])]
        length = max(lengths) if settings.padding == "longest" else settings.max_length
        if length is not None and pad_to_multiple_of:
            length = -(-length // pad_to_multiple_of) * pad_to_multiple_of
        wants_mask = (
            "attention_mask" in self.model_input_names if return_attention_mask is None else return_attention_mask
        )
        if wants_mask:
            ones = [[1] * n_ids for n_ids in lengths]
            data.setdefault("attention_mask", ones if is_batch else ones[0])
        if settings.padding is not None and length is not None:
            side = self.padding_side if padding_side is None else check_side(padding_side, "padding_side")
            fills = {main: self.pad_token_id, "token_type_ids": self.pad_token_type_id, "special_tokens_mask": 1}
            # A mask that comes in and is not asked for stays as it is, as in transformers.
            if wants_mask:
                fills["attention_mask"] = 0
            for name in fills.keys() & data.keys():
                rows = data[name] if is_batch else [data[name]]
                filled = [_filled(row, fills[name], length - len(row), side) for row in rows]
                data[name] = filled if is_batch else filled[0]
        return BatchEncoding(data).convert_to_tensors(return_tensors)

    def _settings(
        self,
        padding: PaddingChoice,
        truncation: TruncationChoice,
        max_length: int | None,
        multiple_of: int | None,
    ) -> Settings:
        if max_length is not None and padding is False and truncation is None:
            truncation = "longest_first"
        fill, cut = _fill(padding), _cut(truncation)
        if max_length is None and (fill == "max_length" or cut is not None):
            has_limit = self.model_max_length <= _LARGE
            max_length = self.model_max_length if has_limit else None
            if not has_limit:
                fill, cut = None if fill == "max_length" else fill, None
        if fill is not None and self.pad_token_id is None:
            msg = "padding needs a padding token; set pad_token, or pass it to as_hf(pad_token=...)"
            raise ConfigError(msg)
        if fill is not None and cut is not None and multiple_of and max_length and max_length % multiple_of:
            msg = f"max_length {max_length} must be a multiple of pad_to_multiple_of {multiple_of}"
            raise ConfigError(msg)
        return Settings(fill, cut, max_length)

    def _batch(
        self,
        text: Any,
        text_pair: Any,
        settings: Settings,
        multiple_of: int | None,
        *,
        add_special_tokens: bool = True,
        stride: int = 0,
        is_split_into_words: bool = False,
        padding_side: Side | None = None,
        return_tensors: str | None = None,
        split_special_tokens: bool | None = None,
        verbose: bool = True,  # noqa: ARG002 - callers pass it
        **returned: bool | None,
    ) -> BatchEncoding:
        pairs, is_batch = _pairs(text, text_pair, is_split_into_words)
        truncation = padding = None
        if settings.truncation is not None and settings.max_length is not None:
            truncation = Truncation(settings.max_length, settings.truncation, stride, self.truncation_side)
        if settings.padding is not None:
            length = settings.max_length if settings.padding == "max_length" else None
            side = self.padding_side if padding_side is None else check_side(padding_side, "padding_side")
            padding = Padding(
                length, side, multiple_of, self.pad_token_id or 0, self.pad_token_type_id, self.pad_token or ""
            )
        encodings = self._encode(
            pairs, is_split_into_words, add_special_tokens, truncation, padding, split_special_tokens
        )
        with_overflowing = bool(returned.pop("return_overflowing_tokens", False))
        samples = [index for index, one in enumerate(encodings) for _ in range(1 + len(one.overflowing))]
        if with_overflowing:
            encodings = [each for one in encodings for each in (one, *one.overflowing)]
        data = self._lists(encodings, returned)
        if with_overflowing:
            data["overflow_to_sample_mapping"] = samples
        if return_tensors is not None:
            data = {name: to_tensor(name, values, return_tensors) for name, values in data.items()}
        elif not is_batch and not with_overflowing:
            data = {name: values[0] if isinstance(values[0], list) else values for name, values in data.items()}
        return BatchEncoding(data, encodings)

    def _lists(self, encodings: list[HFEncoding], returned: dict[str, bool | None]) -> dict[str, Any]:
        """Choose what is returned; `returned` holds the ``return_...`` keywords."""
        columns: dict[str, tuple[str, Callable[[HFEncoding], Any]]] = {
            "token_type_ids": ("return_token_type_ids", lambda one: one.type_ids),
            "attention_mask": ("return_attention_mask", lambda one: one.attention_mask),
            "special_tokens_mask": ("return_special_tokens_mask", lambda one: one.special_tokens_mask),
            "offset_mapping": ("return_offsets_mapping", lambda one: one.offsets),
            "length": ("return_length", len),
        }
        unknown = returned.keys() - {keyword for keyword, _ in columns.values()}
        if unknown:
            msg = f"unknown keyword {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        data: dict[str, Any] = {"input_ids": [one.ids for one in encodings]}
        for name, (keyword, column) in columns.items():
            wanted = returned.get(keyword)
            if wanted or (wanted is None and name in self.model_input_names):
                data[name] = [column(one) for one in encodings]
        return data


def check_side(side: str, name: str) -> Side:
    """Refuse what is no side."""
    check_choice(side, ("left", "right"), name)
    return "left" if side == "left" else "right"


def _fill(padding: PaddingChoice) -> Literal["longest", "max_length"] | None:
    if isinstance(padding, bool):
        return "longest" if padding else None
    check_choice(padding, ("longest", "max_length", "do_not_pad"), "padding")
    return None if padding == "do_not_pad" else padding


def _cut(truncation: TruncationChoice) -> Strategy | None:
    if truncation is None or isinstance(truncation, bool):
        return "longest_first" if truncation else None
    check_choice(truncation, ("longest_first", "only_first", "only_second", "do_not_truncate"), "truncation")
    return None if truncation == "do_not_truncate" else truncation


def _pairs(text: Any, text_pair: Any, are_words: bool) -> tuple[list[tuple[Any, Any]], bool]:
    """Return texts or pairs, and whether they are a batch."""
    is_many = isinstance(text, (list, tuple))
    is_batch = bool(is_many and text and isinstance(text[0], (list, tuple))) if are_words else is_many
    if not is_batch:
        return [(text, text_pair or None)], False
    if text_pair is None:
        return [split_pair(one, are_words) for one in text], True
    if isinstance(text_pair, str) or len(text) != len(text_pair):
        msg = f"text_pair must be as many as text, {len(text)}"
        raise ConfigError(msg)
    return list(zip(text, text_pair, strict=True)), True


def _columns(inputs: Any) -> tuple[dict[str, Any], bool]:
    """Turn a sequence of mappings into one of lists; tell whether it was one."""
    if isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], Mapping):
        return {name: [one[name] for one in inputs] for name in inputs[0]}, True
    if isinstance(inputs, Mapping):
        return dict(inputs), False
    msg = f"what is padded must be a mapping or many, got {type(inputs).__name__}"
    raise TypeError(msg)


def _plain(values: Any) -> Any:
    """Turn tensors, and lists of them, into lists."""
    if hasattr(values, "tolist"):
        return values.tolist()
    return [_plain(value) for value in values] if isinstance(values, (list, tuple)) else values


def _filled(row: list[Any], fill: Any, n_missing: int, side: Side) -> list[Any]:
    filling = [fill] * n_missing
    return row + filling if side == "right" else filling + row
