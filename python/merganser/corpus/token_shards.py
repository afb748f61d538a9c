"""A corpus of token shards, memory-mapped: opening costs the manifest, reading a document costs its pages."""

from __future__ import annotations

import bisect
import itertools
import operator
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from merganser.atomic import sha256_of
from merganser.corpus.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, ShardFile
from merganser.errors import ConfigError, ShardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ids = NDArray[np.uint16] | NDArray[np.uint32]


class HasFingerprint(Protocol):
    """A tokenizer, as far as `TokenShards.check_tokenizer` looks at it."""

    @property
    def fingerprint(self) -> str:
        """What tells this tokenizer from any other."""


class TokenShards:
    """The documents of an encoded corpus, as ids; made by `merganser.corpus.open`.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : Manifest
        What the corpus holds and how it was made.

    Notes
    -----
    Shards are mapped when first touched and stay mapped. Arrays are views of the files, read-only. An instance can be
    pickled (the path is) and used by several threads.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: Manifest) -> None:
        self.path = Path(path)
        self.manifest = manifest
        shards = manifest.shards
        self._document_ends = list(itertools.accumulate(shard.n_documents for shard in shards))
        self._token_ends = list(itertools.accumulate(shard.n_tokens for shard in shards))
        self._ids: list[Ids | None] = [None] * len(shards)
        self._indexes: list[NDArray[np.int64] | None] = [None] * len(shards)

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents."""
        return self.manifest.n_tokens

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer that made the ids, as ``tokenizer.json``."""
        return self.path / self.manifest.tokenizer.name

    def __len__(self) -> int:
        """Count the documents."""
        return self.manifest.n_documents

    def __getitem__(self, index: int) -> Ids:
        """Give the ids of one document.

        Parameters
        ----------
        index : int
            Which document; negative ones count from the end.

        Returns
        -------
        ndarray of uint16 or uint32, shape (n_tokens,)
            A view of the file.

        Raises
        ------
        IndexError
            There is no such document.
        ShardError
            The document ends of the shard are damaged.
        """
        position = operator.index(index)
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            msg = f"document {index} is out of range: there are {len(self)}"
            raise IndexError(msg)
        shard = bisect.bisect_right(self._document_ends, position)
        in_shard = position - (self._document_ends[shard - 1] if shard else 0)
        ends = self._map_index(shard)
        start, end = int(ends[in_shard - 1]) if in_shard else 0, int(ends[in_shard])
        if not 0 <= start <= end <= self.manifest.shards[shard].n_tokens:
            name = self.manifest.shards[shard].index.name
            msg = f"{name}: document {in_shard} is damaged: it starts at token {start} and ends at {end}"
            raise ShardError(msg)
        return self._map_ids(shard)[start:end]

    def __iter__(self) -> Iterator[Ids]:
        """Give the ids of each document."""
        return map(self.__getitem__, range(len(self)))

    def tokens(self, start: int, stop: int) -> Ids:
        """Give a stretch of the corpus as if it were one array.

        Parameters
        ----------
        start, stop : int
            Half-open range of token positions, ``0 <= start <= stop <= n_tokens``.

        Returns
        -------
        ndarray of uint16 or uint32, shape (stop - start,)
            A view within a shard, a copy across the border of two.

        Raises
        ------
        ConfigError
            The range does not lie in the corpus.
        """
        if not 0 <= start <= stop <= self.n_tokens:
            msg = f"tokens must be a range within 0 to {self.n_tokens}, got {start} to {stop}"
            raise ConfigError(msg)
        pieces: list[Any] = []
        shard = bisect.bisect_right(self._token_ends, start)
        while start < stop:
            offset = self._token_ends[shard - 1] if shard else 0
            end = min(stop, self._token_ends[shard])
            pieces.append(self._map_ids(shard)[start - offset : end - offset])
            start, shard = end, shard + 1
        if not pieces:
            return np.empty(0, dtype=self._dtype)
        joined: Ids = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return joined

    def check_tokenizer(self, tokenizer: HasFingerprint) -> None:
        """Check that `tokenizer` made these ids.

        Parameters
        ----------
        tokenizer : Tokenizer
            Anything with a `fingerprint`.

        Raises
        ------
        ShardError
            Another tokenizer made them.
        """
        made_by = self.manifest.tokenizer_fingerprint
        if tokenizer.fingerprint != made_by:
            msg = f"{self.path} was encoded by tokenizer {made_by[:12]}..., not by {tokenizer.fingerprint[:12]}..."
            raise ShardError(msg)

    def verify(self) -> None:
        """Read every file and compare it with its checksum, and every document's ends with the shard's size.

        Raises
        ------
        ShardError
            A file is not as it was written.
        """
        files = [self.manifest.tokenizer]
        files += [file for shard in self.manifest.shards for file in (shard.ids, shard.index)]
        for file in files:
            if sha256_of(self.path / file.name) != file.sha256:
                msg = f"{file.name}: its bytes are not those that were written (sha256 differs)"
                raise ShardError(msg)
        for number, shard in enumerate(self.manifest.shards):
            ends = self._map_index(number)
            if len(ends) and (
                int(ends[0]) < 0 or int(ends[-1]) != shard.n_tokens or bool(np.any(ends[1:] < ends[:-1]))
            ):
                msg = f"{shard.index.name}: document ends must rise to {shard.n_tokens}"
                raise ShardError(msg)

    def __repr__(self) -> str:
        m = self.manifest
        return (
            f"<TokenShards {str(self.path)!r}: {m.n_documents:,} documents, {m.n_tokens:,} tokens in "
            f"{len(m.shards)} {'shard' if len(m.shards) == 1 else 'shards'} of {m.dtype}, vocab_size {m.vocab_size:,}>"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path,)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype("<u2") if self.manifest.dtype == "uint16" else np.dtype("<u4")

    def _map_ids(self, shard: int) -> Ids:
        ids = self._ids[shard]
        if ids is None:
            ids = self._ids[shard] = self._map(self.manifest.shards[shard].ids, self._dtype)
        return ids

    def _map_index(self, shard: int) -> NDArray[np.int64]:
        index = self._indexes[shard]
        if index is None:
            index = self._indexes[shard] = self._map(self.manifest.shards[shard].index, np.dtype("<i8"))
        return index

    def _map(self, file: ShardFile, dtype: np.dtype[Any]) -> NDArray[Any]:
        # An empty file cannot be mapped.
        if file.n_bytes == 0:
            return np.empty(0, dtype=dtype)
        shape = (file.n_bytes // dtype.itemsize,)
        return np.memmap(self.path / file.name, dtype=dtype, mode="r", shape=shape).view(np.ndarray)


def open(path: str | os.PathLike[str], *, verify: bool = False) -> TokenShards:
    """Open an encoded corpus.

    Parameters
    ----------
    path : str or PathLike
        The folder that `encode` wrote.
    verify : bool
        Also compare the bytes of every file with its checksum; reads the whole corpus.

    Returns
    -------
    TokenShards
        The documents, memory-mapped.

    Raises
    ------
    ShardError
        The corpus is incomplete (no manifest, a missing or short file), damaged, or of another version.
    FileNotFoundError
        There is no such folder.

    Notes
    -----
    File sizes are always checked; they tell a truncated copy, and cost no reading.

    Examples
    --------
    >>> import merganser as mg, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> tokenizer = mg.train_bpe(["abc"], vocab_size=256)
    >>> _ = mg.corpus.encode(["abc", "", "c"], tokenizer, folder.name, dtype="uint16")
    >>> shards = mg.corpus.open(folder.name, verify=True)
    >>> len(shards), shards.n_tokens, shards.tokens(1, 4).tolist() == tokenizer.encode("bcc")
    (3, 4, True)
    >>> shards.check_tokenizer(tokenizer)
    >>> folder.cleanup()
    """
    folder = Path(path)
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        # An absent folder raises its own error.
        os.stat(folder)
        msg = f"{folder}: incomplete corpus: it has no {MANIFEST_NAME}, which is written last"
        raise ShardError(msg) from None
    if len(text) > MAX_MANIFEST_BYTES:
        msg = f"{MANIFEST_NAME}: must have at most {MAX_MANIFEST_BYTES} bytes"
        raise ShardError(msg)
    manifest = Manifest.from_json(text)
    _check_sizes(folder, manifest)
    shards = TokenShards(folder, manifest)
    if verify:
        shards.verify()
    return shards


def _check_sizes(folder: Path, manifest: Manifest) -> None:
    files = [manifest.tokenizer]
    files += [file for shard in manifest.shards for file in (shard.ids, shard.index)]
    for file in files:
        try:
            n_bytes = os.stat(folder / file.name).st_size
        except FileNotFoundError:
            msg = f"{file.name}: the file is missing"
            raise ShardError(msg) from None
        if n_bytes != file.n_bytes:
            difference = n_bytes - file.n_bytes
            msg = f"{file.name}: {abs(difference)} bytes {'too many' if difference > 0 else 'missing'}"
            raise ShardError(msg)
