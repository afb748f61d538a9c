import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "UNICODE_VERSION",
    "VERSION",
    "DecodeStream",
    "DocumentReader",
    "Sentences",
    "Superwords",
    "Tokenizer",
    "Trained",
    "WordCounter",
    "WordCounts",
    "activation_backward",
    "activation_forward",
    "adam_update",
    "d_scores",
    "document_format",
    "exponentials",
    "multiply_few_rows",
    "n_best",
    "norm_backward",
    "norm_forward",
    "sample",
    "sample_batch",
    "stage_texts",
    "stages_to_continue",
    "train_bpe",
    "train_sentencepiece",
    "train_unigram",
    "train_wordpiece",
]

_Floats: TypeAlias = NDArray[np.float32]
_Side: TypeAlias = Literal["left", "right"]
_Truncation: TypeAlias = tuple[int, Literal["longest_first", "only_first", "only_second"], int, _Side]
_Padding: TypeAlias = tuple[int | None, _Side, int | None, int, int, str]
# Ids, type ids, offsets, word ids, sequence ids, special tokens mask, attention mask, what overflows.
_Arrays: TypeAlias = tuple[
    NDArray[np.uint32],
    NDArray[np.uint32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.bool_],
    NDArray[np.bool_],
    list[tuple[int, str]],
    list[_Arrays],
]

UNICODE_VERSION: str
VERSION: str

def activation_backward(name: str, x: _Floats, d_out: _Floats, d_x: _Floats, n_threads: int) -> None: ...
def activation_forward(name: str, x: _Floats, out: _Floats, n_threads: int) -> None: ...
def adam_update(
    param: _Floats,
    gradient: _Floats,
    first: _Floats,
    second: _Floats,
    gradient_scale: float,
    keep: float,
    decay: float,
    first_share: float,
    second_keep: float,
    second_share: float,
    root_scale: float,
    epsilon: float,
    rate: float,
) -> None: ...
def d_scores(rows: _Floats, r: _Floats, powers: _Floats) -> None: ...
def document_format(path: str | os.PathLike[str]) -> str: ...
def exponentials(rows: _Floats, sums: _Floats, highest: _Floats, n_queries: int, n_seen: int) -> None: ...
def multiply_few_rows(rows: _Floats, matrix: _Floats, out: _Floats, is_transposed: bool, n_threads: int) -> None: ...
def norm_backward(
    d_out: _Floats,
    x_hat: _Floats,
    inverse: _Floats,
    weight: _Floats,
    d_x: _Floats,
    d_weight: _Floats,
    d_bias: _Floats | None,
) -> None: ...
def norm_forward(
    x: _Floats,
    weight: _Floats,
    bias: _Floats | None,
    epsilon: float,
    out: _Floats,
    x_hat: _Floats,
    inverse: _Floats,
    n_threads: int,
) -> None: ...

@final
class DecodeStream:
    def push(self, id: int) -> str: ...
    def finish(self) -> str: ...

@final
class DocumentReader:
    def __new__(
        cls, path: str | os.PathLike[str] | None, format: str, text_field: str, separator: str | None, errors: str
    ) -> DocumentReader: ...
    def next_batch(self, max_bytes: int) -> list[str] | None: ...
    @property
    def n_documents(self) -> int: ...
    @property
    def n_replaced(self) -> int: ...
    @property
    def n_bytes_read(self) -> int: ...

@final
class Tokenizer:
    @staticmethod
    def from_json(data: bytes) -> Tokenizer: ...
    @staticmethod
    def from_tiktoken(data: bytes, pattern: str | None, special_tokens: list[tuple[str, int]] | None) -> Tokenizer: ...
    @staticmethod
    def from_vocab_merges(vocab: bytes, merges: bytes, special_tokens: list[str]) -> Tokenizer: ...
    @staticmethod
    def from_sentencepiece(data: bytes) -> Tokenizer: ...
    @staticmethod
    def from_vocab_txt(
        data: bytes, lowercase: bool, strip_accents: bool | None, handle_chinese_chars: bool
    ) -> Tokenizer: ...
    def to_json(self, pretty: bool) -> str: ...
    def to_tiktoken(self) -> bytes: ...
    @staticmethod
    def from_tekken(data: bytes) -> Tokenizer: ...
    def to_tekken(self) -> bytes: ...
    def to_sentencepiece(self) -> bytes: ...
    @property
    def family(self) -> str: ...
    def to_hugging_face(self) -> tuple[Tokenizer, list[str]]: ...
    def to_vocab_txt(self) -> bytes: ...
    def to_vocab_merges(self) -> tuple[bytes, bytes]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def training(self) -> str | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def n_tokens(self) -> int: ...
    @property
    def added_tokens(self) -> list[tuple[str, int, bool]]: ...
    @property
    def added_token_flags(self) -> list[tuple[int, str, bool, bool, bool, bool, bool]]: ...
    def model_tokens(self) -> list[tuple[str, int]]: ...
    def token_text(self, id: int) -> str: ...
    @property
    def truncation(self) -> _Truncation | None: ...
    @property
    def padding(self) -> _Padding | None: ...
    def with_truncation(self, fields: tuple[int, str, int, str] | None) -> Tokenizer: ...
    def with_padding(self, fields: tuple[int | None, str, int | None, int, int, str] | None) -> Tokenizer: ...
    def with_added_tokens(self, tokens: list[tuple[str, bool, bool, bool, bool, bool]]) -> tuple[Tokenizer, int]: ...
    def encoding(
        self,
        text: str | bytes,
        pair: str | bytes | None,
        add_special_tokens: bool,
        on_special: str,
        truncation: tuple[int, str, int, str] | None,
        padding: tuple[int | None, str, int | None, int, int, str] | None,
    ) -> _Arrays: ...
    def encodings(
        self,
        inputs: Sequence[tuple[str | bytes | tuple[str, ...], str | bytes | tuple[str, ...] | None]],
        add_special_tokens: bool,
        on_special: str,
        truncation: tuple[int, str, int, str] | None,
        padding: tuple[int | None, str, int | None, int, int, str] | None,
        n_threads: int | None,
    ) -> list[_Arrays]: ...
    def vocab(self) -> dict[bytes, int]: ...
    def token_bytes(self, id: int) -> bytes: ...
    def token_to_id(self, token: bytes) -> int | None: ...
    def encode(
        self, text: str | bytes, add_special_tokens: bool, on_special: str, n_threads: int | None
    ) -> list[int]: ...
    def encode_array(
        self,
        text: str | bytes,
        add_special_tokens: bool,
        on_special: str,
        is_wide: bool | None,
        n_threads: int | None,
    ) -> NDArray[Any]: ...
    def count(self, text: str | bytes, add_special_tokens: bool, on_special: str) -> int: ...
    def encode_batch(
        self,
        texts: Sequence[str | bytes],
        add_special_tokens: bool,
        on_special: str,
        is_wide: bool | None,
        n_threads: int | None,
    ) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
    def decode(self, ids: Sequence[int] | NDArray[Any], skip_special_tokens: bool) -> str: ...
    def decode_bytes(self, ids: Sequence[int] | NDArray[Any], skip_special_tokens: bool) -> bytes: ...
    def decode_stream(self, skip_special_tokens: bool) -> DecodeStream: ...
    def pre_tokenize(self, text: str | bytes, on_special: str) -> list[str]: ...

@final
class WordCounts:
    @staticmethod
    def from_pairs(pairs: list[tuple[bytes, int]]) -> WordCounts: ...
    def __len__(self) -> int: ...
    @property
    def total(self) -> int: ...
    def count_of(self, word: bytes) -> int: ...
    def plus(self, other: WordCounts) -> WordCounts: ...
    def scaled(self, numerator: int, denominator: int) -> WordCounts: ...
    def at_least(self, min_count: int) -> WordCounts: ...
    def most_common(self, n: int) -> list[tuple[bytes, int]]: ...
    def to_bytes(self, description: str) -> bytes: ...
    @staticmethod
    def from_bytes(data: bytes) -> tuple[WordCounts, str]: ...
    def equals(self, other: WordCounts) -> bool: ...
    def pairs(self) -> list[tuple[bytes, int]]: ...

@final
class WordCounter:
    def __new__(
        cls,
        pre_tokenizer: str,
        normalizer: str | None,
        special_tokens: list[str],
        n_threads: int | None,
        max_memory: int | None,
        spill_folder: str | os.PathLike[str] | None,
    ) -> WordCounter: ...
    @staticmethod
    def like(
        tokenizer: Tokenizer,
        n_threads: int | None,
        max_memory: int | None,
        spill_folder: str | os.PathLike[str] | None,
    ) -> WordCounter: ...
    def count(self, texts: Sequence[str | bytes]) -> None: ...
    def count_next(self, reader: DocumentReader, n_used: int) -> int | None: ...
    @property
    def n_texts(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...
    def finish(
        self, min_count: int, progress: Callable[[int, int | None, str], object] | None
    ) -> tuple[WordCounts, int, int, int]: ...

@final
class Sentences:
    def __new__(
        cls, options: dict[str, object], max_memory: int | None, spill_folder: str | os.PathLike[str] | None
    ) -> Sentences: ...
    def count(self, texts: Sequence[str | bytes]) -> None: ...
    def count_next(self, reader: DocumentReader, n_used: int) -> int | None: ...
    @property
    def n_texts(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...
    def finish(
        self, min_count: int, progress: Callable[[int, int | None, str], object] | None
    ) -> tuple[tuple[WordCounts, int, int, int], list[tuple[str, int, int]]]: ...

@final
class Superwords:
    def __new__(cls, first: Trained, options: dict[str, Any], n_threads: int | None) -> Superwords: ...
    def count(self, texts: Sequence[str | bytes]) -> None: ...
    def count_next(self, reader: DocumentReader, n_used: int) -> int | None: ...
    def end_pass(self, progress: Callable[[int, int | None, str], object] | None) -> list[Trained] | None: ...

@final
class Trained:
    @property
    def report(self) -> str: ...
    def tokenizer(self, training: str) -> Tokenizer: ...

def stage_texts(normalizer: str | None, pre_tokenizer: str) -> tuple[str | None, str]: ...
def stages_to_continue(tokenizer: Tokenizer) -> tuple[str | None, str]: ...
def train_bpe(
    counts: WordCounts,
    options: dict[str, Any],
    continue_from: Tokenizer | None,
    progress: Callable[[int, int | None, str], object] | None,
) -> list[Trained]: ...
def train_wordpiece(
    counts: WordCounts,
    vocab_size: int,
    criterion: str,
    min_frequency: int | None,
    special_tokens: list[str],
    unk_token: str,
    continuing_subword_prefix: str,
    limit_alphabet: int | None,
    character_coverage: float,
    max_token_length: int | None,
    max_input_chars_per_word: int,
    allow_smaller: bool,
    pre_tokenizer: str,
    normalizer: str | None,
    progress: Callable[[int, int | None, str], object] | None,
) -> Trained: ...
def train_sentencepiece(
    counts: WordCounts,
    left: list[tuple[str, int, int]],
    options: dict[str, object],
    progress: Callable[[int, int | None, str], object] | None,
) -> Trained: ...
def train_unigram(
    counts: WordCounts,
    vocab_size: int,
    special_tokens: list[str],
    unk_token: str | None,
    byte_fallback: bool,
    learning: dict[str, object],
    pre_tokenizer: str,
    normalizer: str | None,
    progress: Callable[[int, int | None, str], object] | None,
) -> Trained: ...
def sample(
    tokenizer: Tokenizer,
    text: str | bytes,
    add_special_tokens: bool,
    on_special: str,
    sampling: tuple[float | None, float | None, int | None],
    seed: int,
) -> list[int]: ...
def sample_batch(
    tokenizer: Tokenizer,
    texts: Sequence[str | bytes],
    add_special_tokens: bool,
    on_special: str,
    sampling: tuple[float | None, float | None, int | None],
    seed: int,
    is_wide: bool | None,
    n_threads: int | None,
) -> tuple[NDArray[Any], NDArray[np.int64]]: ...
def n_best(
    tokenizer: Tokenizer, text: str | bytes, n: int, add_special_tokens: bool, on_special: str
) -> list[tuple[list[int], float]]: ...
