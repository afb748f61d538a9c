"""Files that are complete or absent.

A file is written under a name of its own in the folder where it will stand, forced to disk, and renamed; then the
folder is forced to disk, for the name is kept there. Whatever happens on the way, the name holds the old file or the
new one, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_HASH_BYTES = 1 << 20


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when it is complete.

    Parameters
    ----------
    path : str or PathLike
        Where the file will stand. An existing file is replaced and lends its permissions; a symbolic link is followed.

    Yields
    ------
    BinaryIO
        The file to write to.

    Raises
    ------
    OSError
        The file cannot be written; the old one, if any, stands as it was.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "a.txt")
    >>> with atomic_write(path) as file:
    ...     _ = file.write(b"new")
    >>> path.read_bytes()
    b'new'
    >>> folder.cleanup()
    """
    target = os.path.realpath(path)
    temporary = f"{target}.{secrets.token_hex(6)}.tmp"
    try:
        file = open(temporary, "xb")  # noqa: SIM115
    except OSError as error:
        # The caller knows the path, not the temporary name.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with file:
            yield file
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            force_to_disk(file)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    force_folder_to_disk(os.path.dirname(target))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in lower-case hexadecimal digits: what shows that it is whole."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_HASH_BYTES):
            digest.update(data)
    return digest.hexdigest()


def force_to_disk(file: BinaryIO) -> None:
    """Wait until all that was written to `file` is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def force_folder_to_disk(folder: str | os.PathLike[str]) -> None:
    """Wait until the names in `folder` are on the disk, where the system has a way to ask for it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_folder(folder: str | os.PathLike[str], *, is_shared: bool = False) -> int | None:
    """Lock a folder until the descriptor that is returned is closed; None where the system cannot.

    Alone, at once, or BlockingIOError; or with all others that share it, waiting for one that is alone.
    """
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
