"""Documents by the list, each with where it is from, for every call that goes through many of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from merganser.arguments import document_lists
from merganser.errors import MerganserError

_IN_BATCH = re.compile(r"text (\d+): ")


@dataclass
class Batch:
    """Some documents and where they are from: a path, the index in it of the first document here, its place here."""

    texts: list[str | bytes] = field(default_factory=list)
    origins: list[tuple[str, int, int]] = field(default_factory=list)

    def origin(self, index: int) -> str:
        """Say where document `index` of the batch is from."""
        path, in_file, _ = next(
            (path, in_file + index - start, start) for path, in_file, start in reversed(self.origins) if start <= index
        )
        return f"{path}, document {in_file}"

    def located(self, error: MerganserError) -> MerganserError:
        """Name the document's file in an error of `encode_batch`, instead of its place in the batch."""
        place = _IN_BATCH.match(str(error))
        if place is None:
            return error
        return type(error)(f"{self.origin(int(place[1]))}: {str(error)[place.end() :]}")


@runtime_checkable
class LocatedSource(Protocol):
    """What knows the file of each of its documents: `Documents`."""

    def located_batches(self, max_bytes: int) -> Iterator[Batch]:
        """Give out documents by the list."""


def located_batches(documents: Iterable[str | bytes], max_bytes: int) -> Iterator[Batch]:
    """Batch documents of any kind; those of a plain iterable are known by their number alone."""
    if isinstance(documents, LocatedSource):
        yield from documents.located_batches(max_bytes)
        return
    first = 0
    for texts, _ in document_lists(documents, max_bytes):
        yield Batch(texts, [("documents", first, 0)])
        first += len(texts)
