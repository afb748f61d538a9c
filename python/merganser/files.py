"""Tokenizer files: which file a path means, and the core's readers and writers of its bytes.

The core sees bytes only; this is where files are opened, and where errors get the file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from merganser import _core
from merganser.arguments import valid_text
from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError, VocabError

__all__ = ["load", "save"]


def load(path: Path, *, pattern: str | None, special_tokens: Mapping[str, int] | None) -> _core.Tokenizer:
    """Load the file that `path` means; `Tokenizer.load` documents it."""
    if path.is_dir():
        path = _file_in(path)
    specials = None if special_tokens is None else list(special_tokens.items())
    is_tiktoken = path.suffix == ".tiktoken"
    if not is_tiktoken and (pattern is not None or specials is not None):
        msg = f"pattern and special_tokens are for .tiktoken files, got {path.name}"
        raise ConfigError(msg)
    if pattern is not None:
        valid_text(pattern, "pattern")
    for text, id_ in specials or []:
        valid_text(text, "special token")
        if not 0 <= id_ < 1 << 32:
            msg = f"the id of a special token must be from 0 to 2**32 - 1, got {id_} for {text!r}"
            raise ConfigError(msg)
    data = path.read_bytes()
    try:
        if is_tiktoken:
            return _core.Tokenizer.from_tiktoken(data, pattern, specials)
        if path.name == "vocab.json":
            return _core.Tokenizer.from_vocab_merges(data, path.with_name("merges.txt").read_bytes(), [])
        if path.suffix == ".json":
            return _core.Tokenizer.from_json(data)
    except (FormatError, VocabError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from None
    msg = f"{path}: not a format that is read; those are tokenizer.json, .tiktoken, and vocab.json with merges.txt"
    raise FormatError(msg)


def _file_in(folder: Path) -> Path:
    for name in ("tokenizer.json", "vocab.json"):
        if (folder / name).is_file():
            return folder / name
    msg = f"{folder}: a tokenizer folder must hold tokenizer.json, or vocab.json and merges.txt"
    raise FormatError(msg)


def save(tokenizer: _core.Tokenizer, path: Path) -> None:
    """Save in the format that `path` means; `Tokenizer.save` documents it."""
    if path.suffix == ".json":
        files = {path: tokenizer.to_json(True).encode()}
    elif path.suffix == ".tiktoken":
        files = {path: tokenizer.to_tiktoken()}
    else:
        vocab, merges = tokenizer.to_vocab_merges()
        path.mkdir(parents=True, exist_ok=True)
        files = {path / "vocab.json": vocab, path / "merges.txt": merges}
    for name, data in files.items():
        with atomic_write(name) as file:
            file.write(data)
