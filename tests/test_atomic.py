"""A file takes its name only when it is complete."""

from pathlib import Path

import pytest

from merganser.atomic import atomic_write


def test_atomic_write_keeps_the_old_file_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a", b"old")]
    (tmp_path / "link").symlink_to(path)
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(FileNotFoundError) as caught, atomic_write(tmp_path / "no" / "b"):
        pass
    assert caught.value.filename == str(tmp_path / "no" / "b")
