"""Encoding a corpus into token shards on disk.

A shard is two files: the ids of its documents one after the other, raw little-endian, and the int64 end of each
document among them. Documents never span shards; an empty document is a row of no tokens. Which shard a document goes
to depends on the documents before it alone, so the bytes on disk depend neither on batches nor on threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from merganser.arguments import many_texts
from merganser.atomic import force_to_disk
from merganser.corpus.batches import located_batches
from merganser.corpus.documents import Documents
from merganser.corpus.manifest import Manifest, ShardFile, ShardRecord
from merganser.corpus.staging import Staging
from merganser.errors import ConfigError, MerganserError, ShardError
from merganser.progress import reporting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from merganser.progress import Progress

# Text encoded at a time; large enough to keep every thread busy.
BATCH_BYTES = 8 << 20


class RaggedIds(Protocol):
    """Ids of several texts: all of them, and where each text starts and ends."""

    @property
    def ids(self) -> NDArray[Any]:
        """All ids."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Start of each text, and the end of the last."""


class BatchEncoder(Protocol):
    """A tokenizer, as far as encoding a corpus needs it."""

    @property
    def fingerprint(self) -> str:
        """What tells this tokenizer from any other."""

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""

    def to_json(self) -> str:
        """Write the tokenizer."""

    def encode_batch(
        self,
        texts: Sequence[str | bytes],
        *,
        add_special_tokens: bool,
        on_special: Literal["raise", "encode", "text"],
        dtype: Any,
        n_threads: int | None,
    ) -> RaggedIds:
        """Encode many texts."""


def encode(
    documents: Documents | Iterable[str | bytes],
    tokenizer: BatchEncoder,
    out: str | os.PathLike[str],
    *,
    dtype: Literal["uint16", "uint32"] | None = None,
    shard_tokens: int = 100_000_000,
    append_id: int | None = None,
    add_special_tokens: bool = False,
    on_special: Literal["raise", "encode", "text"] = "raise",
    n_threads: int | None = None,
    progress: Progress = None,
    overwrite: bool = False,
) -> Manifest:
    """Encode documents into token shards that are complete or absent.

    Parameters
    ----------
    documents : Documents or iterable of str or bytes
        What to encode.
    tokenizer : Tokenizer
        What to encode it with; saved beside the shards as ``tokenizer.json``.
    out : str or PathLike
        The folder to write to, made when it does not exist.
    dtype : {"uint16", "uint32"}, optional
        Type of an id on disk. None: the smallest that holds the vocabulary.
    shard_tokens : int
        Most tokens in a shard, unless a single document has more.
    append_id : int, optional
        Id put after each document, such as that of ``<|endoftext|>``.
    add_special_tokens : bool
        Whether the tokenizer's post-processor adds its special tokens to each document.
    on_special : {"raise", "encode", "text"}
        What becomes of a special token's text in a document.
    n_threads : int, optional
        Threads to encode with. None: as many as the machine gives. The bytes on disk do not depend on it.
    progress : bool or callable, optional
        True draws a bar; a callable is told (bytes read, bytes in all or None, ``"encode"``).
    overwrite : bool
        Replace the corpus in `out`. It stays whole until the new one is complete.

    Returns
    -------
    Manifest
        What was written.

    Raises
    ------
    FileExistsError
        `out` holds a corpus, and `overwrite` is False.
    ConfigError
        `dtype` cannot hold the vocabulary, `append_id` is not in it, `shard_tokens` is less than 1, or `tokenizer`
        truncates or pads.
    TypeError
        `tokenizer` is a path.
    MerganserError
        A document cannot be read or encoded; the message names its file and its number there, from 0. Nothing of the
        new corpus stays, and an old one stays as it was. The same holds for a full disk and for Ctrl-C.

    Notes
    -----
    Memory: a batch (8 MiB of text or one longer document), its ids, and some hundred bytes a shard.

    Examples
    --------
    >>> import merganser as mg, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> documents = ["a thin white duck", "a duck"]
    >>> tokenizer = mg.train_bpe(documents, vocab_size=258, pre_tokenizer="gpt2")
    >>> manifest = mg.corpus.encode(documents, tokenizer, f"{folder.name}/shards")
    >>> manifest.n_documents, manifest.n_bytes, manifest.dtype
    (2, 23, 'uint16')
    >>> tokenizer.decode(mg.corpus.open(f"{folder.name}/shards")[1])
    'a duck'
    >>> folder.cleanup()
    """
    _check_tokenizer(tokenizer)
    # An id may come as a NumPy integer, which JSON does not know.
    append_id = None if append_id is None else operator.index(append_id)
    dtype = _check_options(tokenizer.vocab_size, dtype, shard_tokens, append_id, on_special)
    many_texts(documents, "documents")
    source = documents if isinstance(documents, Documents) else None
    with reporting(progress) as report, Staging(out, overwrite=overwrite) as staging:
        writer = ShardWriter(
            staging.folder, staging.name_prefix, dtype=dtype, shard_tokens=shard_tokens, append_id=append_id
        )
        n_bytes = 0
        with writer:
            for batch in located_batches(documents, BATCH_BYTES):
                try:
                    ragged = tokenizer.encode_batch(
                        batch.texts,
                        add_special_tokens=add_special_tokens,
                        on_special=on_special,
                        dtype=dtype,
                        n_threads=n_threads,
                    )
                except MerganserError as error:
                    raise batch.located(error) from error
                writer.add(ragged.ids, ragged.offsets)
                n_bytes += sum(map(_n_bytes, batch.texts))
                n_read = source.n_bytes_read if source is not None else n_bytes
                report(n_read, source.total_bytes if source is not None else None, "encode")
            writer.finish_shard()
        if writer.max_id is not None and writer.max_id >= tokenizer.vocab_size:
            msg = f"the tokenizer gave id {writer.max_id}, but its vocab_size is {tokenizer.vocab_size}"
            raise ShardError(msg)
        saved = _Output(staging.folder / f"{staging.name_prefix}tokenizer.json")
        with saved:
            saved.write(tokenizer.to_json().encode())
            tokenizer_file = saved.finish()
        manifest = Manifest(
            dtype=dtype,
            vocab_size=tokenizer.vocab_size,
            max_id=writer.max_id,
            append_id=append_id,
            add_special_tokens=add_special_tokens,
            on_special=on_special,
            n_documents=sum(shard.n_documents for shard in writer.shards),
            n_tokens=sum(shard.n_tokens for shard in writer.shards),
            n_bytes=n_bytes,
            tokenizer_fingerprint=tokenizer.fingerprint,
            tokenizer=tokenizer_file,
            merganser_version=version("merganser"),
            shards=tuple(writer.shards),
        )
        staging.commit(manifest)
    return manifest


def _check_tokenizer(tokenizer: object) -> None:
    """Refuse a path, and a tokenizer that leaves out text or adds what is none."""
    if isinstance(tokenizer, (str, bytes, os.PathLike)):
        msg = (
            f"tokenizer must be a Tokenizer, got {type(tokenizer).__name__}; "
            "load a path with merganser.Tokenizer.load(path)"
        )
        raise TypeError(msg)
    for setting in ("truncation", "padding"):
        if getattr(tokenizer, setting, None) is not None:
            msg = f"a corpus is encoded without {setting}; pass tokenizer.with_{setting}(None)"
            raise ConfigError(msg)


def _check_options(
    vocab_size: int, dtype: str | None, shard_tokens: int, append_id: int | None, on_special: str
) -> Literal["uint16", "uint32"]:
    try:
        chosen = np.dtype(dtype).name if dtype is not None else ("uint16" if vocab_size <= 1 << 16 else "uint32")
    except TypeError:
        chosen = ""
    if chosen not in ("uint16", "uint32"):
        msg = f'dtype must be "uint16" or "uint32", got {dtype!r}'
        raise ConfigError(msg)
    if vocab_size > 256 ** np.dtype(chosen).itemsize:
        msg = f"dtype {chosen} cannot hold vocab_size {vocab_size}"
        raise ConfigError(msg)
    if shard_tokens < 1:
        msg = f"shard_tokens must be at least 1, got {shard_tokens}"
        raise ConfigError(msg)
    if append_id is not None and not 0 <= append_id < vocab_size:
        msg = f"append_id must be from 0 to {vocab_size - 1}, got {append_id}"
        raise ConfigError(msg)
    if on_special not in ("raise", "encode", "text"):
        msg = f'on_special must be "raise", "encode" or "text", got {on_special!r}'
        raise ConfigError(msg)
    return "uint16" if chosen == "uint16" else "uint32"


class ShardWriter:
    """Writes ids of documents into shards, one shard open at a time."""

    def __init__(self, folder: Path, name_prefix: str, *, dtype: str, shard_tokens: int, append_id: int | None) -> None:
        self.shards: list[ShardRecord] = []
        self.max_id: int | None = None
        self._folder = folder
        self._name_prefix = name_prefix
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shard_tokens = shard_tokens
        self._append_id = append_id
        self._open: tuple[_Output, _Output] | None = None
        self._n_tokens = 0
        self._n_documents = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        for output in self._open or ():
            output.close()

    def add(self, ids: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        """Write documents; document `i` is ``ids[offsets[i]:offsets[i + 1]]``."""
        if self._append_id is not None:
            ids, offsets = _append(ids, offsets, self._append_id)
        if ids.size:
            self.max_id = max(int(ids.max()), -1 if self.max_id is None else self.max_id)
        ids = ids.astype(self._dtype, copy=False)
        first, n_documents = 0, len(offsets) - 1
        while first < n_documents:
            # The last document that still fits ends at or before this offset.
            limit = int(offsets[first]) + self._shard_tokens - self._n_tokens
            end = int(np.searchsorted(offsets, limit, side="right")) - 1
            if end <= first:
                if self._n_tokens:
                    self.finish_shard()
                    continue
                end = first + 1
            self._write(ids[offsets[first] : offsets[end]], offsets[first : end + 1])
            first = end

    def finish_shard(self) -> None:
        """Close the open shard, if there is one, and force it to disk."""
        if self._open is None:
            return
        ids, index = self._open
        record = ShardRecord(
            ids=ids.finish(), index=index.finish(), n_tokens=self._n_tokens, n_documents=self._n_documents
        )
        self.shards.append(record)
        self._open, self._n_tokens, self._n_documents = None, 0, 0

    def _write(self, ids: NDArray[Any], offsets: NDArray[np.int64]) -> None:
        if self._open is None:
            stem = f"{self._name_prefix}shard-{len(self.shards):05d}"
            ids_output = _Output(self._folder / f"{stem}.bin")
            try:
                self._open = ids_output, _Output(self._folder / f"{stem}.idx")
            except BaseException:
                ids_output.close()
                raise
        ends = offsets[1:] - offsets[0] + self._n_tokens
        self._open[0].write(_raw(ids))
        self._open[1].write(_raw(ends.astype("<i8", copy=False)))
        self._n_tokens += len(ids)
        self._n_documents += len(ends)


class _Output:
    """A file in the making: counts and hashes what is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb")
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self._n_bytes += len(data)
        with self._naming_the_file():
            self._file.write(data)

    def finish(self) -> ShardFile:
        """Force the file to disk and close it."""
        with self._naming_the_file():
            force_to_disk(self._file)
            self._file.close()
        return ShardFile(name=self._path.name, n_bytes=self._n_bytes, sha256=self._digest.hexdigest())

    def close(self) -> None:
        """Close the file as it is; what could not be written before cannot be now."""
        with contextlib.suppress(OSError):
            self._file.close()

    @contextlib.contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        # A full disk tells the number of the error, not of which file.
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def _raw(array: NDArray[Any]) -> bytes | memoryview:
    return np.ascontiguousarray(array).view(np.uint8).data if array.size else b""


def _append(ids: NDArray[Any], offsets: NDArray[np.int64], append_id: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Put one id after each document."""
    new_offsets = offsets - offsets[0] + np.arange(len(offsets))
    is_appended = np.zeros(int(new_offsets[-1]), dtype=np.bool_)
    is_appended[new_offsets[1:] - 1] = True
    new_ids = np.empty(len(is_appended), dtype=ids.dtype)
    new_ids[is_appended] = append_id
    new_ids[~is_appended] = ids[offsets[0] : offsets[-1]]
    return new_ids, new_offsets


def _n_bytes(text: str | bytes) -> int:
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())
