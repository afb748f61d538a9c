"""The manifest: what a corpus of token shards holds, written last, so that its presence means "complete".

A manifest is data from anywhere: every value is checked for type and range, sums must agree, and a file name is a bare
name, so that no manifest can point outside its folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from merganser.errors import ShardError

MANIFEST_NAME = "manifest.json"
FORMAT = "merganser token shards"
SCHEMA_VERSION = 1
MAX_COUNT = 2**62
# Shards are some hundred bytes each here: room for a hundred thousand of them.
MAX_MANIFEST_BYTES = 64 << 20
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class ShardFile:
    """One file: its bare name, its size, and the sha256 of its bytes in hexadecimal."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardRecord:
    """One shard: `ids` holds the ids, `index` the int64 end of each document in them."""

    ids: ShardFile
    index: ShardFile
    n_tokens: int
    n_documents: int


@dataclass(frozen=True)
class Manifest:
    """What a corpus of token shards holds.

    Attributes
    ----------
    dtype : {"uint16", "uint32"}
        Type of an id on disk, little-endian.
    vocab_size : int
        One more than the largest id of the tokenizer.
    max_id : int or None
        The largest id that occurs; None in a corpus without tokens.
    append_id : int or None
        The id put after each document.
    add_special_tokens : bool
        Whether the tokenizer's post-processor added special tokens.
    on_special : str
        What became of special tokens' texts in the documents: "raise", "encode" or "text".
    n_documents, n_tokens, n_bytes : int
        Documents, tokens (special ones included), and bytes of UTF-8 text before encoding.
    tokenizer_fingerprint : str
        `Tokenizer.fingerprint` of the tokenizer that made the ids.
    tokenizer : ShardFile
        That tokenizer, as ``tokenizer.json``.
    merganser_version : str
        The version that wrote the corpus.
    shards : tuple of ShardRecord
        The shards in order.
    """

    dtype: Literal["uint16", "uint32"]
    vocab_size: int
    max_id: int | None
    append_id: int | None
    add_special_tokens: bool
    on_special: str
    n_documents: int
    n_tokens: int
    n_bytes: int
    tokenizer_fingerprint: str
    tokenizer: ShardFile
    merganser_version: str
    shards: tuple[ShardRecord, ...]

    @property
    def item_bytes(self) -> int:
        """Bytes of one id on disk."""
        return 2 if self.dtype == "uint16" else 4

    def file_names(self) -> set[str]:
        """Name every file of the corpus but the manifest."""
        return {self.tokenizer.name} | {file.name for shard in self.shards for file in (shard.ids, shard.index)}

    def to_json(self) -> str:
        """Write the manifest; the same corpus gives the same bytes on any machine."""
        head = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
        return json.dumps(head | asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read a manifest.

        Parameters
        ----------
        text : str or bytes
            What `to_json` wrote.

        Returns
        -------
        Manifest
            The manifest, every value checked.

        Raises
        ------
        ShardError
            The text is no manifest, or its values contradict each other; the message says where.
        """
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ShardError(f"{MANIFEST_NAME}: not JSON: {error}") from None
        fields = _Fields(data, "")
        if fields.take("format", str) != FORMAT:
            raise ShardError(f"{MANIFEST_NAME}: format must be {FORMAT!r}, got {data['format']!r}")
        if (version := fields.count("schema_version")) != SCHEMA_VERSION:
            raise ShardError(f"{MANIFEST_NAME}: schema_version {version} is not supported, only {SCHEMA_VERSION} is")
        manifest = cls(
            dtype=fields.choice("dtype", ("uint16", "uint32")),
            vocab_size=fields.count("vocab_size"),
            max_id=fields.optional_count("max_id"),
            append_id=fields.optional_count("append_id"),
            add_special_tokens=fields.take("add_special_tokens", bool),
            on_special=fields.choice("on_special", ("raise", "encode", "text")),
            n_documents=fields.count("n_documents"),
            n_tokens=fields.count("n_tokens"),
            n_bytes=fields.count("n_bytes"),
            tokenizer_fingerprint=fields.take("tokenizer_fingerprint", str),
            tokenizer=_file(fields.take("tokenizer", dict), "tokenizer"),
            merganser_version=fields.take("merganser_version", str),
            shards=tuple(_shard(shard, f"shards[{index}]") for index, shard in enumerate(fields.take("shards", list))),
        )
        fields.finish()
        _check_sums(manifest)
        return manifest


def _check_sums(manifest: Manifest) -> None:
    for name in ("n_documents", "n_tokens"):
        total = sum(getattr(shard, name) for shard in manifest.shards)
        if total != getattr(manifest, name):
            raise ShardError(f"{MANIFEST_NAME}: {name} is {getattr(manifest, name)}, but its shards add up to {total}")
    for name in ("max_id", "append_id"):
        value = getattr(manifest, name)
        if value is not None and value >= manifest.vocab_size:
            raise ShardError(f"{MANIFEST_NAME}: {name} must be less than vocab_size {manifest.vocab_size}, got {value}")
    if manifest.vocab_size > 256**manifest.item_bytes:
        raise ShardError(f"{MANIFEST_NAME}: {manifest.dtype} cannot hold vocab_size {manifest.vocab_size}")
    for shard in manifest.shards:
        for file, n_items, n_item_bytes in (
            (shard.ids, shard.n_tokens, manifest.item_bytes),
            (shard.index, shard.n_documents, 8),
        ):
            if file.n_bytes != n_items * n_item_bytes:
                raise ShardError(
                    f"{MANIFEST_NAME}: {file.name} must have {n_items} x {n_item_bytes} bytes, got {file.n_bytes}"
                )
    n_files = 1 + 2 * len(manifest.shards)
    if len(manifest.file_names()) != n_files or MANIFEST_NAME in manifest.file_names():
        raise ShardError(f"{MANIFEST_NAME}: a file is named twice")


def _file(data: object, place: str) -> ShardFile:
    fields = _Fields(data, place)
    file = ShardFile(
        name=fields.pattern("name", _FILE_NAME, "a bare file name"),
        n_bytes=fields.count("n_bytes"),
        sha256=fields.pattern("sha256", _SHA256, "64 hexadecimal digits"),
    )
    fields.finish()
    return file


def _shard(data: object, place: str) -> ShardRecord:
    fields = _Fields(data, place)
    shard = ShardRecord(
        ids=_file(fields.take("ids", dict), f"{place}.ids"),
        index=_file(fields.take("index", dict), f"{place}.index"),
        n_tokens=fields.count("n_tokens"),
        n_documents=fields.count("n_documents"),
    )
    fields.finish()
    return shard


class _Fields:
    """The fields of one JSON object, taken one by one and checked."""

    def __init__(self, data: object, place: str) -> None:
        if not isinstance(data, dict):
            raise ShardError(f"{MANIFEST_NAME}{f' {place}' if place else ''}: must be an object, got {_brief(data)}")
        self._data = dict(data)
        self._prefix = f"{place}." if place else ""

    def fail(self, name: str, rule: str, value: object) -> ShardError:
        return ShardError(f"{MANIFEST_NAME} {self._prefix}{name}: must be {rule}, got {_brief(value)}")

    def take(self, name: str, kind: type) -> Any:
        if name not in self._data:
            raise ShardError(f"{MANIFEST_NAME}: {self._prefix}{name} is missing")
        value = self._data.pop(name)
        # bool is a subclass of int, and no count.
        if type(value) is not kind:
            words = {str: "a string", bool: "true or false", dict: "an object", list: "an array", int: "an integer"}
            raise self.fail(name, words[kind], value)
        return value

    def count(self, name: str) -> int:
        value: int = self.take(name, int)
        if not 0 <= value <= MAX_COUNT:
            raise self.fail(name, "from 0 to 2**62", value)
        return value

    def optional_count(self, name: str) -> int | None:
        if name in self._data and self._data[name] is None:
            del self._data[name]
            return None
        return self.count(name)

    def choice(self, name: str, choices: tuple[str, ...]) -> Any:
        value = self.take(name, str)
        if value not in choices:
            raise self.fail(name, "one of " + ", ".join(choices), value)
        return value

    def pattern(self, name: str, pattern: re.Pattern[str], rule: str) -> str:
        value: str = self.take(name, str)
        if not pattern.match(value):
            raise self.fail(name, rule, value)
        return value

    def finish(self) -> None:
        if self._data:
            raise ShardError(f"{MANIFEST_NAME}: {self._prefix}{next(iter(self._data))} is not known")


def _brief(value: object) -> str:
    # Cut before it is shown: a hostile value may be as large as the file.
    text = repr(value) if not isinstance(value, (dict, list, int)) or isinstance(value, bool) else type(value).__name__
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < 100:
        text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")
