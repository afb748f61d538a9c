"""Tokenizer files: which file a path means, and the core's readers and writers of its bytes.

The core sees bytes only; this is where files are opened, and where errors get the file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merganser import _core
from merganser.arguments import valid_text
from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError, UnsupportedError, VocabError
from merganser.tokenizer_config import CONFIG_FILE, TokenizerConfig

__all__ = ["LoadOptions", "data_of", "json_text", "load", "save"]

# Files that make a tokenizer in a folder, the most telling first.
_IN_FOLDER = (
    "tokenizer.json",
    "tekken.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)
_FORMATS = (
    "tokenizer.json, tekken.json, .model (SentencePiece), .tiktoken, vocab.json with merges.txt, "
    "and vocab.txt (WordPiece)"
)

_MAX_BYTES = 1 << 30
_PART_BYTES = 1 << 20


@dataclass(frozen=True)
class LoadOptions:
    """What a file may leave unsaid; `Tokenizer.load` documents each."""

    pattern: str | None = None
    special_tokens: Mapping[str, int] | None = None
    lowercase: bool | None = None


def load(path: Path, options: LoadOptions) -> tuple[_core.Tokenizer, TokenizerConfig | None]:
    """Load the file that `path` means, and the configuration beside it; `Tokenizer.load` documents it."""
    if path.is_dir():
        path = _file_in(path)
    _check(path, options)
    config = TokenizerConfig.beside(path.parent) if path.name in _IN_FOLDER else None
    data = _contents(path)
    try:
        core = _read(path, data, options, config)
    except (FormatError, VocabError, ConfigError) as error:
        raise type(error)(f"{path}: {error}") from None
    return core, config


def _contents(path: Path) -> bytes:
    """Read a file that is not too large; a pipe or a device has no size, and may have no end."""
    n_bytes = path.stat().st_size
    if 0 < n_bytes <= _MAX_BYTES:
        return path.read_bytes()
    parts: list[bytes] = []
    with path.open("rb") as file:
        while n_bytes <= _MAX_BYTES and (part := file.read(_PART_BYTES)):
            parts.append(part)
            n_bytes += len(part)
    if n_bytes > _MAX_BYTES:
        msg = f"{path}: a vocabulary file may have {_MAX_BYTES >> 20} MiB, and this one is larger"
        raise FormatError(msg)
    return b"".join(parts)


def _read(path: Path, data: bytes, options: LoadOptions, config: TokenizerConfig | None) -> _core.Tokenizer:
    if path.suffix == ".tiktoken":
        specials = None if options.special_tokens is None else list(options.special_tokens.items())
        return _core.Tokenizer.from_tiktoken(data, options.pattern, specials)
    if path.suffix == ".model":
        return _core.Tokenizer.from_sentencepiece(data)
    if path.suffix == ".txt":
        return _core.Tokenizer.from_vocab_txt(data, *_casing(options, config))
    if path.name == "vocab.json":
        return _core.Tokenizer.from_vocab_merges(data, _contents(path.with_name("merges.txt")), [])
    if path.name.startswith("tekken") and path.suffix == ".json":
        return _core.Tokenizer.from_tekken(data)
    if path.suffix == ".json":
        return _core.Tokenizer.from_json(data)
    msg = f"not a format that is read; those are {_FORMATS}"
    raise FormatError(msg)


def _check(path: Path, options: LoadOptions) -> None:
    is_tiktoken = path.suffix == ".tiktoken"
    if not is_tiktoken and (options.pattern is not None or options.special_tokens is not None):
        msg = f"pattern and special_tokens are for .tiktoken files, got {path.name}"
        raise ConfigError(msg)
    if options.pattern is not None:
        valid_text(options.pattern, "pattern")
    if path.suffix != ".txt" and options.lowercase is not None:
        msg = f"lowercase is for vocab.txt, got {path.name}"
        raise ConfigError(msg)
    for text, id_ in (options.special_tokens or {}).items():
        valid_text(text, "special token")
        if not 0 <= id_ < 1 << 32:
            msg = f"the id of a special token must be from 0 to 2**32 - 1, got {id_} for {text!r}"
            raise ConfigError(msg)


def _casing(options: LoadOptions, config: TokenizerConfig | None) -> tuple[bool, bool | None, bool]:
    """Return lowercase, strip_accents and handle_chinese_chars of a vocab.txt, which does not say them itself."""
    data: dict[str, Any] = {} if config is None else config.data
    lowercase = data.get("do_lower_case") if options.lowercase is None else options.lowercase
    if not isinstance(lowercase, bool):
        msg = f"lowercase is required: a vocab.txt does not say it, nor does a {CONFIG_FILE} beside it"
        raise ConfigError(msg)
    strip_accents = data.get("strip_accents")
    handle_chinese_chars = data.get("tokenize_chinese_chars", True)
    if not isinstance(strip_accents, bool | None) or not isinstance(handle_chinese_chars, bool):
        msg = f"{CONFIG_FILE}: strip_accents and tokenize_chinese_chars must be true or false"
        raise FormatError(msg)
    return lowercase, strip_accents, handle_chinese_chars


def _file_in(folder: Path) -> Path:
    for name in _IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    msg = f"{folder}: holds no tokenizer; looked for {', '.join(_IN_FOLDER)}"
    raise FormatError(msg)


def save(tokenizer: _core.Tokenizer, path: Path, config: TokenizerConfig | None) -> None:
    """Save in the format that `path` means; `Tokenizer.save` documents it."""
    written = data_of(tokenizer, path, config)
    if path not in written:
        path.mkdir(parents=True, exist_ok=True)
    for name, data in written.items():
        with atomic_write(name) as file:
            file.write(data)


def data_of(tokenizer: _core.Tokenizer, path: Path, config: TokenizerConfig | None) -> dict[Path, bytes]:
    """Return what saving writes, by file; what a format cannot express is refused, and nothing is written."""
    if path.name == "vocab.json":
        vocab, merges = tokenizer.to_vocab_merges()
        return {path: vocab, path.with_name("merges.txt"): merges}
    if path.name.startswith("tekken") and path.suffix == ".json":
        return {path: tokenizer.to_tekken()}
    if path.suffix == ".json":
        return {path: json_text(tokenizer, pretty=True).encode()}
    writers = {
        ".tiktoken": tokenizer.to_tiktoken,
        ".model": tokenizer.to_sentencepiece,
        ".txt": tokenizer.to_vocab_txt,
    }
    if path.suffix in writers:
        return {path: writers[path.suffix]()}
    if tokenizer.family == "SentencePiece":
        written = {path / "tokenizer.model": tokenizer.to_sentencepiece()}
    else:
        written = {path / "tokenizer.json": json_text(tokenizer, pretty=True).encode()}
    if config is not None:
        written[path / CONFIG_FILE] = config.text.encode()
    return written


def json_text(tokenizer: _core.Tokenizer, *, pretty: bool) -> str:
    """Return a ``tokenizer.json`` that `tokenizers` loads."""
    if tokenizer.family == "SentencePiece":
        msg = (
            "tokenizer.json cannot say what SentencePiece does: save as .model, or turn the tokenizer into "
            "Hugging Face's terms first, by to_hugging_face()"
        )
        raise UnsupportedError(msg)
    return tokenizer.to_json(pretty)
