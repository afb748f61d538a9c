"""Inputs: strings of a stated size, spread evenly over a corpus.

A corpus file may be sorted by language or author, so one slice of it says
little. Every input is therefore made of pieces that start at evenly spaced
places: a batch is the pieces, a long string is 64 pieces joined. The same
corpus, size and count give the same strings on every machine.

A piece starts at a line where one is near, ends on a character boundary, has
at most the bytes asked for, and never contains the line that ends a document.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.definitions import Case

END_OF_DOCUMENT = "<|endoftext|>"

_SEPARATOR = f"{END_OF_DOCUMENT}\n".encode()
# A byte 10xxxxxx continues a character.
_TOP_BITS, _CONTINUATION = 0xC0, 0x80
_N_JOINED_PIECES = 64
# Pieces shorter than this are not joined: a string of a few bytes is cut in one.
_MIN_JOINED_BYTES = 1000
_ROOT = Path(__file__).resolve().parent.parent


def data_path() -> Path:
    """Give the folder of models and corpora: ``MERGANSER_DATA`` or ``../shared/data`` beside the project."""
    given = os.environ.get("MERGANSER_DATA")
    return Path(given) if given else _ROOT.parent / "shared" / "data"


def read_corpus(path: Path) -> bytes:
    """Read a corpus file, decompressed when its name ends in ``.zst``."""
    if path.suffix != ".zst":
        return path.read_bytes()
    import pyarrow as pa

    with pa.input_stream(str(path)) as stream:
        return bytes(stream.read())


def stream_documents(path: Path) -> Iterator[str]:
    """Read documents one by one, so that the corpus is not held in memory."""
    lines: list[str] = []
    end = f"{END_OF_DOCUMENT}\n"
    with path.open(encoding="utf-8", newline="") as file:
        for line in file:
            if line == end:
                yield "".join(lines)
                lines = []
            else:
                lines.append(line)
    if lines:
        yield "".join(lines)


def floor_boundary(data: bytes, place: int) -> int:
    """Give the last character boundary of UTF-8 at or before a place."""
    if place >= len(data):
        return len(data)
    while place > 0 and data[place] & _TOP_BITS == _CONTINUATION:
        place -= 1
    return place


def cut_pieces(data: bytes, *, n_pieces: int, n_bytes: int) -> list[str]:
    """Cut evenly spaced pieces.

    Parameters
    ----------
    data : bytes
        UTF-8, without end-of-document lines.
    n_pieces : int
        Pieces, at least 1.
    n_bytes : int
        Largest size of a piece in bytes, at least 4.

    Returns
    -------
    list of str, length n_pieces
        They do not overlap when ``n_pieces * 2 * n_bytes <= len(data)``.

    Raises
    ------
    ValueError
        If the corpus is smaller than the pieces together.
    """
    if n_pieces * n_bytes > len(data):
        message = f"corpus must have at least {n_pieces * n_bytes} bytes, got {len(data)}"
        raise ValueError(message)
    pieces = []
    stride = len(data) // n_pieces
    for index in range(n_pieces):
        start = index * stride
        line = data.find(b"\n", start, start + min(n_bytes, stride - n_bytes)) if start else -1
        start = floor_boundary(data, start) if line < 0 else line + 1
        end = floor_boundary(data, min(start + n_bytes, len(data)))
        pieces.append(data[start:end].decode("utf-8"))
    return pieces


def cut_strings(data: bytes, *, n_strings: int, n_bytes: int) -> list[str]:
    """Cut strings for encoding, long ones made of 64 pieces.

    Parameters
    ----------
    data : bytes
        UTF-8 corpus, end-of-document lines included.
    n_strings, n_bytes : int
        Strings, and the largest size of each in bytes.

    Returns
    -------
    list of str, length n_strings
    """
    text = data.replace(_SEPARATOR, b"")
    n_joined = _N_JOINED_PIECES if n_strings == 1 and n_bytes >= _N_JOINED_PIECES * _MIN_JOINED_BYTES else 1
    pieces = cut_pieces(text, n_pieces=n_strings * n_joined, n_bytes=n_bytes // n_joined)
    return ["".join(pieces[start : start + n_joined]) for start in range(0, len(pieces), n_joined)]


def split_documents(text: str) -> list[str]:
    """Split a corpus at its end-of-document lines; empty documents are dropped."""
    return [document for document in text.split(f"{END_OF_DOCUMENT}\n") if document]


def join_documents(documents: list[str]) -> str:
    """Write documents as a corpus: each is whole lines, followed by an end-of-document line."""
    lines = (document if document.endswith("\n") else f"{document}\n" for document in documents)
    return "".join(f"{document}{END_OF_DOCUMENT}\n" for document in lines)


def cut_documents(data: bytes, *, n_bytes: int) -> list[str]:
    """Take whole documents, evenly spaced, until they reach a size.

    Parameters
    ----------
    data : bytes
        UTF-8 corpus, end-of-document lines included.
    n_bytes : int
        Bytes wanted; the last document is cut to fit.

    Returns
    -------
    list of str
        At most `n_bytes` bytes together.
    """
    documents = split_documents(data.decode("utf-8"))
    step = max(1, len(data) // n_bytes)
    chosen: list[str] = []
    n_left = n_bytes
    for offset in range(step):
        for document in documents[offset::step]:
            encoded = document.encode()
            if len(encoded) >= n_left:
                chosen.append(encoded[: floor_boundary(encoded, n_left)].decode())
                return chosen
            chosen.append(document)
            n_left -= len(encoded)
    return chosen


def cut_input(corpora: dict[str, dict[str, str]], case: Case, cache: dict[str, Any]) -> list[str]:
    """Give the strings of a case.

    Parameters
    ----------
    corpora : dict
        Of the definitions.
    case : Case
        An encode, decode or train case.
    cache : dict
        Corpus name -> bytes, filled as files are read.

    Returns
    -------
    list of str
    """
    corpus = corpora[case.corpus]
    if "repeat" in corpus:
        return [corpus["repeat"] * case.n_bytes] * case.n_strings
    if case.corpus not in cache:
        cache[case.corpus] = read_corpus(data_path() / corpus["file"])
    data = cache[case.corpus]
    if case.task == "train":
        return cut_documents(data, n_bytes=case.n_bytes)
    return cut_strings(data, n_strings=case.n_strings, n_bytes=case.n_bytes)
