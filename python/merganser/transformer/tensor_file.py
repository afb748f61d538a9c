"""The safetensors file: named arrays, read without executing or copying anything.

Eight bytes give the length of a JSON header, which gives each tensor's dtype, shape and place in the rest of the file.
A file is not trusted: every tensor must lie within it, have the size that its shape says, and overlap no other;
together they must fill it, so that a truncated file is noticed whatever is asked of it.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError

FloatName: TypeAlias = Literal["float32", "float16", "bfloat16"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES: dict[np.dtype[Any], str] = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}
_FLOATS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
# An array of eight-byte elements can have so many.
_MAX_ELEMENTS = (1 << 60) - 1
# The format's own limit.
_MAX_HEADER_BYTES = 100_000_000
_MAX_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class _Entry:
    kind: str
    shape: tuple[int, ...]
    start: int
    stop: int


class TensorFile(Mapping[str, NDArray[Any]]):
    """The tensors of a safetensors file by name, each read when it is asked for.

    Parameters
    ----------
    path : str or PathLike

    Raises
    ------
    FormatError
        The file is truncated or is not what it claims; the message names the tensor.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        n_bytes = os.path.getsize(self.path)
        with open(self.path, "rb") as file:
            start = file.read(8)
            n_header = int.from_bytes(start, "little")
            if len(start) < 8 or n_header > min(_MAX_HEADER_BYTES, n_bytes - 8):
                raise FormatError(
                    f"{self.path}: header of {n_header} bytes does not fit into a file of {n_bytes} bytes"
                )
            header = parse_json(file.read(n_header), self.path)
        self.metadata = _metadata(header.pop("__metadata__", {}), self.path)
        self._first_byte = 8 + n_header
        self._entries = {name: _entry(name, value, self.path) for name, value in header.items()}
        self._check_places(n_bytes - self._first_byte)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a tensor in an array of its own; halves of either kind come as float32."""
        entry = self._entries[name]
        count = math.prod(entry.shape)
        with open(self.path, "rb") as file:
            file.seek(self._first_byte + entry.start)
            raw: NDArray[Any] = np.fromfile(file, _DTYPES[entry.kind], count)
        if raw.size != count:
            raise FormatError(f"{self.path}: tensor {shown(name)} is cut short")
        if entry.kind == "BF16":
            wide = raw.astype(np.uint32)
            wide <<= 16
            raw = wide.view(np.float32)
        elif entry.kind == "F16":
            raw = raw.astype(np.float32)
        return np.reshape(raw, entry.shape)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape without reading it."""
        return self._entries[name].shape

    def _check_places(self, n_bytes: int) -> None:
        end = 0
        for name, entry in sorted(self._entries.items(), key=lambda item: (item[1].start, item[1].stop)):
            if entry.start != end:
                what = "overlaps the tensor before it" if entry.start < end else "leaves a gap before it"
                raise FormatError(f"{self.path}: tensor {shown(name)} at byte {entry.start} {what}")
            end = entry.stop
        if end != n_bytes:
            raise FormatError(f"{self.path}: tensors end at byte {end}, but the file's data at {n_bytes}")


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    *,
    metadata: Mapping[str, str] | None = None,
    dtype: FloatName | None = None,
) -> None:
    """Write a safetensors file, complete or not at all.

    Parameters
    ----------
    path : str or PathLike
    tensors : mapping of str to ndarray
    metadata : mapping of str to str, optional
        Kept in the header.
    dtype : {"float32", "float16", "bfloat16"}, optional
        What floats are rounded to (to nearest, ties to even); without it each array keeps its own dtype.

    Raises
    ------
    ConfigError
        An array is of a dtype that the format does not have, or too large for half precision.
    """
    if dtype is not None and dtype not in _FLOATS:
        raise ConfigError(f"dtype must be one of {', '.join(_FLOATS)}, got {dtype!r}")
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for name, array in tensors.items():
        kind = _kind(name, array, dtype)
        stop = start + array.size * _DTYPES[kind].itemsize
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    encoded = json.dumps(header, separators=(",", ":")).encode()
    # Readers that map the file want tensors aligned.
    encoded += b" " * (-len(encoded) % 8)
    with atomic_write(path) as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for name, array in tensors.items():
            file.write(_encoded(name, array, _kind(name, array, dtype)).tobytes())


def parse_json(data: bytes, path: str) -> dict[str, Any]:
    """Read a JSON object; refuse what is not one, a key that occurs twice, and nesting without end."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = collections.Counter(name for name, _ in pairs)
            raise FormatError(f"{path}: key {shown(counts.most_common(1)[0][0])} occurs twice")
        return found

    try:
        value = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not valid JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path}: must hold a JSON object, got {type(value).__name__}")
    return value


def shown(name: str) -> str:
    """Return a name out of a file as messages show it: quoted, and cut short where it is long."""
    return repr(name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}...")


def _metadata(value: object, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise FormatError(f"{path}: __metadata__ must hold strings by name")
    return value


def _entry(name: str, value: object, path: str) -> _Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{path}: tensor {shown(name)} must have dtype, shape and data_offsets")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise FormatError(f"{path}: tensor {shown(name)}: dtype {str(kind)[:40]!r} is not supported")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2 or len(shape) > 32:
        raise FormatError(f"{path}: tensor {shown(name)}: shape and data_offsets must be lists of whole numbers")
    if math.prod(filter(None, shape)) > _MAX_ELEMENTS:
        # Also where a length of 0 leaves no elements: NumPy makes no such shape.
        raise FormatError(f"{path}: tensor {shown(name)}: shape {tuple(shape)} is too large")
    n_bytes = math.prod(shape) * _DTYPES[kind].itemsize
    if offsets[1] - offsets[0] != n_bytes:
        msg = f"{path}: tensor {shown(name)} of {kind} and shape {tuple(shape)} needs {n_bytes} bytes, got {offsets}"
        raise FormatError(msg)
    return _Entry(kind, tuple(shape), offsets[0], offsets[1])


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _kind(name: str, array: NDArray[Any], dtype: FloatName | None) -> str:
    if dtype is not None and array.dtype.kind == "f":
        return _FLOATS[dtype]
    kind = _NAMES.get(array.dtype.newbyteorder("<"))
    if kind is None:
        raise ConfigError(f"tensor {shown(name)} is of {array.dtype}, which safetensors files do not have")
    return kind


def _encoded(name: str, array: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "BF16":
        return _bfloat16(array)
    with np.errstate(over="ignore"):
        encoded = np.ascontiguousarray(array, _DTYPES[kind])
    if kind == "F16" and np.isfinite(array).sum() != np.isfinite(encoded).sum():
        raise ConfigError(f"tensor {shown(name)} has a value beyond 65504, the largest of float16; use bfloat16")
    return encoded


def _bfloat16(array: NDArray[Any]) -> NDArray[np.uint16]:
    """Round to the upper half of float32, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    halves: NDArray[np.uint16] = np.where(np.isnan(array), (bits >> 16) | 0x40, rounded).astype("<u2")
    return halves
