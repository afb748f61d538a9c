"""A set of files that appears in a folder as a whole, or not at all.

The files grow in a hidden folder inside the target, so that a run that dies leaves nothing that looks complete. Then
they are renamed into the target under names that the corpus standing there does not use, and last the manifest is
replaced, in one step: before it the old corpus is whole, after it the new one. What the new manifest does not name is
removed then. Swapping two folders instead would need two renames, with no corpus between them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from merganser.atomic import atomic_write, force_folder_to_disk, lock_folder
from merganser.corpus.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from merganser.errors import ShardError

if TYPE_CHECKING:
    from types import TracebackType

_PREFIX = ".encoding-"
# The names of one corpus and of the one that replaces it.
_NAME_PREFIXES = ("", "alt-")
_SHARD_NAME = re.compile(r"(alt-)?shard-\d{5,}\.(bin|idx)\Z")


class Staging:
    """The files of a corpus in the making; a context manager that leaves a complete corpus or what was there before."""

    def __init__(self, out: str | os.PathLike[str], *, overwrite: bool) -> None:
        self.out = Path(out)
        self._overwrite = overwrite

    def __enter__(self) -> Staging:
        self._made_out = not self.out.exists()
        self.out.mkdir(parents=True, exist_ok=True)
        self._lock = _lock_alone(self.out)
        try:
            old = self._look()
            self._old_names = old.file_names() if old else set()
            is_alt = any(name.startswith(_NAME_PREFIXES[1]) for name in self._old_names)
            self.name_prefix = _NAME_PREFIXES[0 if is_alt or not old else 1]
            self.folder = self.out / f"{_PREFIX}{secrets.token_hex(6)}"
            self.folder.mkdir()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def commit(self, manifest: Manifest) -> None:
        """Give the files their names and then write the manifest; an error takes them back."""
        text = manifest.to_json().encode()
        names = sorted(manifest.file_names())
        try:
            for name in names:
                os.replace(self.folder / name, self.out / name)
            force_folder_to_disk(self.out)
            with atomic_write(self.out / MANIFEST_NAME) as file:
                file.write(text)
        except BaseException:
            # An error after the manifest took its name comes too late to undo anything.
            if _read_manifest(self.out) != text:
                for name in names:
                    with contextlib.suppress(OSError):
                        (self.out / name).unlink()
            raise
        strays = {name for name in os.listdir(self.out) if _SHARD_NAME.match(name)} | self._old_names
        for name in strays - set(names):
            with contextlib.suppress(OSError):
                (self.out / name).unlink()

    def _look(self) -> Manifest | None:
        """Read the manifest of a corpus that may be replaced; refuse to go on over anything else."""
        if self._lock is not None:
            # Nobody else is at work here: what lies around was left by a run that died.
            for folder in self.out.glob(f"{_PREFIX}*"):
                shutil.rmtree(folder, ignore_errors=True)
            for path in self.out.glob(f"{MANIFEST_NAME}.*.tmp"):
                path.unlink(missing_ok=True)
        text = _read_manifest(self.out)
        if text is None:
            strays = sorted(name for name in os.listdir(self.out) if _SHARD_NAME.match(name))
            if strays and not self._overwrite:
                msg = f"holds {strays[0]} but no {MANIFEST_NAME}; pass overwrite=True to replace it"
                raise FileExistsError(errno.EEXIST, msg, str(self.out))
            return None
        if not self._overwrite:
            msg = "holds a corpus; pass overwrite=True to replace it"
            raise FileExistsError(errno.EEXIST, msg, str(self.out))
        try:
            return Manifest.from_json(text)
        except ShardError as error:
            msg = f"{self.out}: its {MANIFEST_NAME} is not one of a corpus, and so is not replaced ({error})"
            raise ShardError(msg) from None

    def _leave(self) -> None:
        if (folder := getattr(self, "folder", None)) is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if self._made_out:
            with contextlib.suppress(OSError):
                # Only an empty folder goes.
                self.out.rmdir()
        if self._lock is not None:
            os.close(self._lock)


def _read_manifest(folder: Path) -> bytes | None:
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            return file.read(MAX_MANIFEST_BYTES + 1)
    except FileNotFoundError:
        return None


def _lock_alone(folder: Path) -> int | None:
    try:
        return lock_folder(folder)
    except BlockingIOError:
        msg = "another run is encoding into this folder"
        raise BlockingIOError(errno.EWOULDBLOCK, msg, str(folder)) from None
