"""One column of a Parquet file as documents, through ``pyarrow``, a bounded number of rows at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from merganser.errors import FormatError, MissingDependencyError, TextError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Rows decoded at a time: few enough that long documents do not add up, and cut further by the caller's batch size.
ROWS_AT_A_TIME = 256


class ParquetReader:
    """Reads the column `text_field` of `path`; has the face of ``_core.DocumentReader``."""

    def __init__(self, path: str, text_field: str, errors: str) -> None:
        arrow, parquet = _import_pyarrow()
        self.n_documents = 0
        self.n_replaced = 0
        self.n_bytes_read = 0
        self._path = path
        self._errors = errors
        self._failure: FormatError | TextError | None = None
        self._n_bytes = os.stat(path).st_size
        try:
            # A buffer, or each column chunk of a row group is read whole.
            self._file = parquet.ParquetFile(path, buffer_size=1 << 20)
        except arrow.ArrowInvalid as error:
            raise FormatError(f"Parquet file {path}: {error}") from error
        schema = self._file.schema_arrow
        if text_field not in schema.names:
            names = ", ".join(map(repr, schema.names))
            raise FormatError(f"Parquet file {path}: column {text_field!r} is missing; there are {names}")
        kind = schema.field(text_field).type
        if arrow.types.is_dictionary(kind):
            kind = kind.value_type
        # Binary columns may hold anything; each value is decoded, and a bad one named.
        if not any(
            check(kind)
            for name in ("is_string", "is_large_string", "is_string_view", "is_binary", "is_large_binary")
            if (check := getattr(arrow.types, name, None)) is not None
        ):
            raise FormatError(f"Parquet file {path}: column {text_field!r} must hold strings, got {kind}")
        self._binary = arrow.large_binary()
        self._arrow_error: type[Exception] = arrow.ArrowException
        self._texts = self._read(text_field)

    def next_batch(self, max_bytes: int) -> list[str] | None:
        """Give the next documents, None at the end; the last of them makes their size reach `max_bytes`."""
        if self._failure is not None:
            raise self._failure
        texts: list[str] = []
        weight = 0
        try:
            while weight < max_bytes and (text := next(self._texts, None)) is not None:
                texts.append(text)
                weight += len(text) + 64
        except (FormatError, TextError) as error:
            if not texts:
                raise
            # What stands before the fault is given out first.
            self._failure = error
        if not texts:
            self.n_bytes_read = self._n_bytes
            return None
        self.n_documents += len(texts)
        n_rows = max(self._file.metadata.num_rows, 1)
        self.n_bytes_read = self._n_bytes * min(self.n_documents, n_rows) // n_rows
        return texts

    def _read(self, text_field: str) -> Iterator[str]:
        row = 0
        batches = self._file.iter_batches(batch_size=ROWS_AT_A_TIME, columns=[text_field], use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except (self._arrow_error, OSError) as error:
                raise FormatError(f"Parquet file {self._path}, after row {row}: {error}") from error
            if batch is None:
                return
            # As bytes: pyarrow does not check that a string column holds UTF-8.
            for value in batch.column(0).cast(self._binary):
                data = value.as_py()
                if data is None:
                    raise FormatError(f"Parquet file {self._path}, row {row}: {text_field!r} is null")
                yield self._decode(data, row)
                row += 1

    def _decode(self, data: bytes, row: int) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            if self._errors == "strict":
                place = f"Parquet file {self._path}, row {row}"
                raise TextError(
                    f'{place}: invalid UTF-8 at byte {error.start}; pass errors="replace" to read U+FFFD instead'
                ) from None
        text = data.decode("utf-8", errors="replace")
        self.n_replaced += text.count("\ufffd") - data.count("\ufffd".encode())
        return text


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("reading Parquet needs pyarrow: pip install 'merganser[corpus]'") from error
    return pyarrow, pyarrow.parquet
