"""Documents: a source of texts that can be read again and again, in memory bounded by a batch and the longest text.

Paths and globs become a sorted list of files once, when the source is made; each pass opens them anew. The Rust core
reads text and JSON lines, ``pyarrow`` reads Parquet; both sit behind one small face (`next_batch` and three counters),
so a pass does not know which it has.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

from merganser import _core
from merganser.arguments import valid_text
from merganser.corpus.batches import Batch
from merganser.corpus.parquet import ParquetReader
from merganser.errors import ConfigError, MerganserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Format = Literal["text", "jsonl", "parquet"]
FORMATS = ("text", "jsonl", "parquet")
STDIN = "-"
DEFAULT_BATCH_BYTES = 4 << 20


class Reader(Protocol):
    """What reads one file; `n_bytes_read` counts bytes on disk, before decompression."""

    def next_batch(self, max_bytes: int) -> list[str] | None:
        """Give the next documents, None at the end."""

    @property
    def n_documents(self) -> int:
        """Documents given out."""

    @property
    def n_replaced(self) -> int:
        """Invalid sequences read as U+FFFD."""

    @property
    def n_bytes_read(self) -> int:
        """Bytes read from disk."""


@dataclass
class Pass:
    """The counters of one pass over the files."""

    n_documents: int = 0
    n_replaced: int = 0
    n_bytes_read: int = 0


class Documents:
    r"""Documents of files, read anew each time it is iterated over; made by `read`.

    Attributes
    ----------
    paths : tuple of str
        The files in the order they are read; ``"-"`` is standard input.
    total_bytes : int or None
        Size of all files on disk; None when it is not known (standard input, pipes).
    n_documents_read : int
        Documents read so far by the pass that began last.
    n_bytes_read : int
        Bytes read from disk so far, before decompression, by the pass that began last; at its end `total_bytes`.
    n_replaced : int
        Invalid sequences read as U+FFFD so far by the pass that began last (``errors="replace"``).

    Notes
    -----
    A pass holds a batch (4 MiB) and the longest document in memory. Passes are independent of each other; a source can
    be pickled, and a forked or another process can read it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = pathlib.Path(folder.name, "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    >>> documents = read(f"{folder.name}/*.jsonl")
    >>> list(documents), list(documents)
    (['one', 'two'], ['one', 'two'])
    >>> documents.n_documents_read
    2
    >>> folder.cleanup()
    """

    def __init__(
        self, paths: Sequence[str], *, text_field: str, separator: str | None, format: Format | None, errors: str
    ) -> None:
        self.paths = tuple(paths)
        self._text_field = text_field
        self._separator = separator
        self._format = format
        self._errors = errors
        self._is_stdin_read = False
        self._pass = Pass()
        self.total_bytes = _total_bytes(self.paths)

    def __iter__(self) -> Iterator[str]:
        """Give out each document."""
        for batch in self.batches():
            yield from batch

    def batches(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[list[str]]:
        """Give out documents by the list.

        Parameters
        ----------
        max_bytes : int
            A list is complete with the document that makes its UTF-8 text reach this size (each document counts 64
            bytes beyond its text).

        Yields
        ------
        list of str
            One document or more, in order; a list may span files.

        Raises
        ------
        TextError
            Invalid UTF-8, with the file, the line and the byte offset.
        FormatError
            Invalid JSON, a missing text field, damaged or truncated compression; with file, line and byte offset.
        OSError
            A file cannot be opened or read.
        ConfigError
            Standard input was read before.
        MissingDependencyError
            A Parquet file, and ``pyarrow`` is not installed.
        """
        for batch in self.located_batches(max_bytes):
            yield cast("list[str]", batch.texts)

    def located_batches(self, max_bytes: int) -> Iterator[Batch]:
        """Give out documents by the list as `batches` does, with the file that each is from.

        Parameters
        ----------
        max_bytes : int
            As for `batches`.

        Yields
        ------
        Batch
            One document or more, in order.
        """
        if max_bytes < 1:
            msg = f"max_bytes must be at least 1, got {max_bytes}"
            raise ConfigError(msg)
        counters = self._pass = Pass()
        batch, weight = Batch(), 0
        try:
            for path in self.paths:
                reader = self._open(path)
                before = Pass(counters.n_documents, counters.n_replaced, counters.n_bytes_read)
                while (texts := reader.next_batch(max_bytes - weight)) is not None:
                    in_file = reader.n_documents - len(texts)
                    batch.origins.append((path, in_file, len(batch.texts)))
                    batch.texts += texts
                    weight += sum(map(len, texts)) + 64 * len(texts)
                    counters.n_documents = before.n_documents + reader.n_documents
                    counters.n_replaced = before.n_replaced + reader.n_replaced
                    counters.n_bytes_read = before.n_bytes_read + reader.n_bytes_read
                    if weight >= max_bytes:
                        yield batch
                        batch, weight = Batch(), 0
                counters.n_bytes_read = before.n_bytes_read + reader.n_bytes_read
        except (MerganserError, OSError):
            # What stands before the fault is given out first, as if each document were read on its own.
            if batch.texts:
                yield batch
            raise
        if batch.texts:
            yield batch

    def readers(self) -> Iterator[Reader]:
        """Give out a reader of each file, for who reads them by itself; one is to be read to its end before the next.

        Yields
        ------
        Reader
            What reads one file; `n_bytes_read` and the other counters take in what it read when the next is asked for.
        """
        counters = self._pass = Pass()
        for path in self.paths:
            reader = self._open(path)
            yield reader
            counters.n_documents += reader.n_documents
            counters.n_replaced += reader.n_replaced
            counters.n_bytes_read += reader.n_bytes_read

    def _open(self, path: str) -> Reader:
        if path == STDIN:
            if self._is_stdin_read:
                msg = "standard input can be read only once, and it was; write it to a file to read it again"
                raise ConfigError(msg)
            self._is_stdin_read = True
        kind = self._format or ("text" if path == STDIN else _core.document_format(path))
        if kind == "parquet":
            return ParquetReader(path, self._text_field, self._errors)
        # A separator is a matter of text; JSON lines beside text files have none.
        separator = self._separator if kind == "text" else None
        return _core.DocumentReader(None if path == STDIN else path, kind, self._text_field, separator, self._errors)

    @property
    def n_documents_read(self) -> int:
        """Documents read so far by the pass that began last."""
        return self._pass.n_documents

    @property
    def n_bytes_read(self) -> int:
        """Bytes read from disk so far by the pass that began last."""
        return self._pass.n_bytes_read

    @property
    def n_replaced(self) -> int:
        """Invalid sequences read as U+FFFD so far by the pass that began last."""
        return self._pass.n_replaced

    def __repr__(self) -> str:
        shown = ", ".join(self.paths[:3]) + (", ..." if len(self.paths) > 3 else "")
        size = "size unknown" if self.total_bytes is None else f"{self.total_bytes:,} bytes"
        files = "file" if len(self.paths) == 1 else "files"
        return f"<Documents: {len(self.paths)} {files}, {size}: {shown}>"


def read(
    *patterns: str | os.PathLike[str],
    text_field: str = "text",
    separator: str | None = None,
    format: Format | None = None,
    errors: Literal["strict", "replace"] = "strict",
) -> Documents:
    r"""Find files of documents.

    Parameters
    ----------
    *patterns : str or PathLike
        Paths, globs (``**`` matches any folders), or ``"-"`` for standard input. The files are sorted by path and each
        is read once, however many patterns match it; standard input comes last.
    text_field : str
        The field of a JSON object, or the column of a Parquet table, that holds the text.
    separator : str, optional
        What stands between two documents of a text file, such as ``"<|endoftext|>\n"``. It belongs to neither; an
        empty piece after the last one is no document. None: a text file is one document.
    format : {"text", "jsonl", "parquet"}, optional
        What the files hold. None: what each name tells: ``.jsonl``, ``.ndjson``, ``.json-lines`` and ``.parquet``;
        anything else is text, and so is standard input. A name that ends in ``.gz`` or ``.zst`` is decompressed in
        either case.
    errors : {"strict", "replace"}
        Invalid UTF-8 raises, or is read as U+FFFD and counted in `Documents.n_replaced`. The same holds for lone
        surrogates escaped in JSON.

    Returns
    -------
    Documents
        The source; no file has been read yet.

    Raises
    ------
    FileNotFoundError
        A pattern matches no file; the error names it.
    ConfigError
        No pattern, an empty separator, an unknown format or way with errors.

    Notes
    -----
    Text is taken as it stands: line ends are not translated, and a byte order mark is text, as it is for
    ``open(encoding="utf-8")``. At the start of JSON lines it is skipped. An empty text file is one empty document, or
    none when there is a separator. Blank lines of JSON lines are skipped; of equal keys the last counts.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "notes.txt")
    >>> _ = path.write_text("one<|endoftext|>two<|endoftext|>")
    >>> list(read(path, separator="<|endoftext|>"))
    ['one', 'two']
    >>> folder.cleanup()
    """
    if not patterns:
        msg = "read needs at least one path or pattern"
        raise ConfigError(msg)
    if format is not None and format not in FORMATS:
        msg = f'format must be "text", "jsonl" or "parquet", got {format!r}'
        raise ConfigError(msg)
    if errors not in ("strict", "replace"):
        msg = f'errors must be "strict" or "replace", got {errors!r}'
        raise ConfigError(msg)
    if separator == "":
        msg = "separator must not be empty"
        raise ConfigError(msg)
    for value, name in ((separator, "separator"), (text_field, "text_field")):
        if value is not None:
            valid_text(value, name)
    paths = _find(patterns)
    if format == "parquet" and STDIN in paths:
        msg = "Parquet cannot be read from standard input"
        raise ConfigError(msg)
    return Documents(paths, text_field=text_field, separator=separator, format=format, errors=errors)


def _find(patterns: Sequence[str | os.PathLike[str]]) -> list[str]:
    """List the files of all patterns, sorted, each once; standard input last."""
    found: dict[str, str] = {}
    has_stdin = False
    for pattern in [os.fspath(pattern) for pattern in patterns]:
        if not isinstance(pattern, str):
            msg = f"a path must be str or PathLike of str, got {pattern!r}"
            raise ConfigError(msg)
        if pattern == STDIN:
            has_stdin = True
            continue
        for path in _matches(pattern):
            key = os.path.abspath(path)
            found[key] = min(path, found.get(key, path))
    return sorted(found.values()) + [STDIN] * has_stdin


def _matches(pattern: str) -> list[str]:
    # A file whose name holds glob characters is meant as it is spelled.
    if os.path.lexists(pattern):
        if os.path.isdir(pattern):
            raise IsADirectoryError(errno.EISDIR, "is a folder; give a pattern such as folder/*.txt", pattern)
        return [pattern]
    if not glob.has_magic(pattern):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), pattern)
    paths = [path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path)]
    if not paths:
        raise FileNotFoundError(errno.ENOENT, "no file matches the pattern", pattern)
    return paths


def _total_bytes(paths: Sequence[str]) -> int | None:
    """Sum the sizes of regular files; None if any path is something else."""
    total = 0
    for path in paths:
        if path == STDIN:
            return None
        try:
            status = os.stat(path)
        except OSError:
            # Opening it will say what is wrong with it.
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total
