"""The main job from end to end, on text that every Python carries: train, encode, decode and check, compare.

The text is the prose of ``pydoc_data.topics`` and the sources of the standard library. Every tenth document is kept
from training, and the comparison is on those alone: a vocabulary looks better than it is on the text it was made from.

Everything is made in a hidden folder inside the target and moved to its place when all of it is there. A list of the
files marks the folder as the demo's own; only such a folder is replaced.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import secrets
import shutil
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merganser import corpus
from merganser.atomic import atomic_write
from merganser.compare import Comparison, compare
from merganser.errors import ConfigError, ShardError
from merganser.tokenizer import Tokenizer
from merganser.training import PreTokenizerName, train_bpe

if TYPE_CHECKING:
    from merganser.corpus import Manifest
    from merganser.progress import Progress

__all__ = ["DemoResult", "run_demo", "standard_library"]

DEFAULT_BYTES = 12_000_000
LIST_NAME = "merganser-demo.json"
END_OF_DOCUMENT = "<|endoftext|>"
N_BYTE_IDS = 256
PATTERNS: tuple[PreTokenizerName, ...] = ("gpt2", "cl100k", "o200k")
ENCODED_WITH = "cl100k"
SHARD_TOKENS = 1_000_000
HELD_OUT = 10
_UNFINISHED = ".merganser-demo-"
_NOT_SOURCES = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes
    ----------
    out : Path
        The folder.
    files : tuple of Path
        Its files, relative to it.
    n_documents, n_bytes : int
        The text.
    manifest : Manifest
        The token shards.
    comparison : Comparison
        The vocabularies on the documents kept from training.
    """

    out: Path
    files: tuple[Path, ...]
    n_documents: int
    n_bytes: int
    manifest: Manifest
    comparison: Comparison


def run_demo(
    out: str | os.PathLike[str] = "merganser-demo",
    *,
    vocab_size: int = 8192,
    max_bytes: int = DEFAULT_BYTES,
    n_threads: int | None = None,
    progress: Progress = None,
    announce: Callable[[str], object] | None = None,
) -> DemoResult:
    """Train vocabularies, encode a corpus, read it back and compare.

    Parameters
    ----------
    out : str or PathLike
        The folder to write to. It must be new, empty, or what an earlier demo wrote.
    vocab_size : int, default 8192
        Tokens of each trained vocabulary.
    max_bytes : int, default 12_000_000
        Most text to take, in bytes.
    n_threads : int or None, default None
        Threads; None: as many as the machine gives.
    progress : bool, callable or None, default None
        True draws bars; a callable is called as ``progress(done, total, phase)``.
    announce : callable, optional
        Called with a sentence about each step before it begins.

    Returns
    -------
    DemoResult

    Raises
    ------
    FileExistsError
        `out` holds something that an earlier demo did not write.
    ConfigError
        `vocab_size` cannot be reached, or this Python carries hardly any text.
    ShardError
        The text that came back is not the text that went in.

    Notes
    -----
    Whatever goes wrong before all is made and checked, Ctrl-C included, leaves `out` as it was.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> result = run_demo(folder.name, vocab_size=300, max_bytes=300_000)
    >>> [row.name for row in result.comparison]
    ['bytes', 'gpt2', 'cl100k', 'o200k']
    >>> folder.cleanup()
    """
    if vocab_size <= N_BYTE_IDS:
        msg = f"vocab_size must be more than {N_BYTE_IDS}, one for each byte, got {vocab_size}"
        raise ConfigError(msg)
    say = announce or (lambda _sentence: None)
    with _own_folder(Path(out)) as folder:
        documents = list(standard_library(max_bytes=max_bytes))
        n_bytes = sum(map(len, documents))
        held_out = documents[::HELD_OUT]
        training = [document for place, document in enumerate(documents) if place % HELD_OUT]
        say(f"Text: {len(documents):,} documents of Python's standard library, {n_bytes / 1e6:.1f} MB")
        tokenizers = {"bytes": train_bpe([], vocab_size=N_BYTE_IDS + 1, special_tokens=[END_OF_DOCUMENT])}
        for pattern in PATTERNS:
            say(f"Training {vocab_size:,} tokens with the {pattern} pattern on 9 documents in 10")
            tokenizers[pattern] = train_bpe(
                training,
                vocab_size=vocab_size,
                pre_tokenizer=pattern,
                special_tokens=[END_OF_DOCUMENT],
                n_threads=n_threads,
                progress=progress,
            )
        (folder / "tokenizers").mkdir()
        for name, tokenizer in tokenizers.items():
            tokenizer.save(folder / "tokenizers" / f"{name}.json")
        say(f"Encoding all documents with the {ENCODED_WITH} vocabulary into token shards")
        encoder = tokenizers[ENCODED_WITH]
        manifest = corpus.encode(
            documents,
            encoder,
            folder / "shards",
            shard_tokens=SHARD_TOKENS,
            append_id=encoder.special_tokens[END_OF_DOCUMENT],
            on_special="text",
            n_threads=n_threads,
            progress=progress,
        )
        say("Reading the shards back and comparing every document byte for byte")
        check_shards(folder / "shards", documents)
        say(f"Comparing the vocabularies on the {len(held_out):,} documents kept from training")
        comparison = compare(tokenizers, held_out, progress=progress)
        with atomic_write(folder / "comparison.json") as file:
            file.write(comparison.to_json().encode())
        files = _commit(folder, Path(out))
    return DemoResult(
        out=Path(out),
        files=files,
        n_documents=len(documents),
        n_bytes=n_bytes,
        manifest=manifest,
        comparison=comparison,
    )


def standard_library(*, max_bytes: int = DEFAULT_BYTES) -> Iterator[bytes]:
    """Give out the text that every Python carries: the help topics, then the sources of its library.

    Parameters
    ----------
    max_bytes : int
        Where to stop.

    Yields
    ------
    bytes
        A document of UTF-8, in an order that does not change.

    Raises
    ------
    ConfigError
        There is none: this Python comes without help topics and sources.
    """
    n_bytes = 0
    for document in _documents():
        if n_bytes + len(document) > max_bytes:
            break
        n_bytes += len(document)
        yield document
    if not n_bytes:
        msg = f"this Python carries no text of {max_bytes} bytes or less: neither help topics nor sources"
        raise ConfigError(msg)


def _documents() -> Iterator[bytes]:
    topics: dict[str, str] = {}
    with suppress(ImportError):
        topics = importlib.import_module("pydoc_data.topics").topics
    for name in sorted(topics):
        yield topics[name].encode()
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        if _NOT_SOURCES.isdisjoint(path.relative_to(root).parts) and (source := path.read_bytes()) and _is_utf8(source):
            yield source


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_shards(folder: str | os.PathLike[str], documents: list[bytes]) -> None:
    """Decode token shards as a reader would who has nothing but the folder, and compare with the source text.

    Parameters
    ----------
    folder : str or PathLike
        Of the token shards; each document must end with the appended id.
    documents : list of bytes
        The source text.

    Raises
    ------
    ShardError
        A document differs; the message says which.
    """
    shards = corpus.open(folder, verify=True)
    tokenizer = Tokenizer.load(shards.tokenizer_path)
    shards.check_tokenizer(tokenizer)
    if len(shards) != len(documents):
        msg = f"{folder}: {len(documents)} documents went in, {len(shards)} came back"
        raise ShardError(msg)
    for place, (ids, document) in enumerate(zip(shards, documents, strict=True)):
        if ids[-1] != shards.manifest.append_id or tokenizer.decode_bytes(ids[:-1]) != document:
            msg = f"{folder}: document {place} did not come back as it went in"
            raise ShardError(msg)


@contextmanager
def _own_folder(out: Path) -> Iterator[Path]:
    """Make a hidden folder in `out` to work in, gone at the end, as `out` is if it is empty then."""
    is_new = not out.exists()
    if not is_new:
        if not out.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(out))
        _earlier_files(out)
    # Named before it is made: an interrupt at any moment finds what to remove.
    hidden = out / f"{_UNFINISHED}{secrets.token_hex(6)}"
    try:
        hidden.mkdir(parents=True)
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if is_new and out.exists() and not any(out.iterdir()):
            out.rmdir()


def _earlier_files(out: Path) -> set[Path]:
    """List the files of an earlier demo; refuse a folder that holds anything else."""
    found = {path.relative_to(out) for path in out.rglob("*") if not path.is_dir()}
    found = {path for path in found if not path.parts[0].startswith(_UNFINISHED)}
    try:
        listed = json.loads((out / LIST_NAME).read_bytes())["files"]
        own = {Path(name) for name in listed} | {Path(LIST_NAME)}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        own = set()
    if foreign := sorted(found - own):
        msg = f"holds {foreign[0]}, which no demo wrote; choose another folder"
        raise FileExistsError(errno.EEXIST, msg, str(out))
    return found


def _commit(folder: Path, out: Path) -> tuple[Path, ...]:
    """Put the new files in the place of the old ones; the list names at any time all that is there."""
    files = tuple(sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()))
    old = _earlier_files(out)
    _write_list(out, {*files, *old})
    for path in old - {Path(LIST_NAME)}:
        (out / path).unlink()
    for name in {path.parts[0] for path in (*old, *files)}:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
    for name in sorted({path.parts[0] for path in files}):
        os.replace(folder / name, out / name)
    _write_list(out, files)
    return (*files, Path(LIST_NAME))


def _write_list(out: Path, files: Iterable[Path]) -> None:
    text = json.dumps({"files": sorted(path.as_posix() for path in files)}, indent=2)
    with atomic_write(out / LIST_NAME) as file:
        file.write(text.encode() + b"\n")
