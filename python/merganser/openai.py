"""The encodings that OpenAI publishes, by name: fetched once from their public address, known by their SHA-256.

A file with any other content is refused, whether it comes from the network or from the cache. Names, addresses, hashes
and special tokens are those of `tiktoken_ext.openai_public`.
"""

from __future__ import annotations

import hashlib
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

from merganser.atomic import atomic_write
from merganser.errors import ConfigError, FormatError

__all__ = ["NAMES", "Encoding", "fetch"]

_BASE_URL = "https://openaipublic.blob.core.windows.net/encodings"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Encoding:
    """What a name stands for: a rank file; pattern and special tokens where the core has others for it, or none."""

    file_name: str
    sha256: str
    pattern: str | None = None
    special_tokens: dict[str, int] | None = None


_R50K = Encoding("r50k_base.tiktoken", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930")
_P50K = Encoding("p50k_base.tiktoken", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069")
_CL100K = Encoding("cl100k_base.tiktoken", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7")
_O200K = Encoding("o200k_base.tiktoken", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d")
_EDIT = {"<|endoftext|>": 50_256, "<|fim_prefix|>": 50_281, "<|fim_middle|>": 50_282, "<|fim_suffix|>": 50_283}
_HARMONY = {
    "<|startoftext|>": 199_998,
    "<|endoftext|>": 199_999,
    "<|return|>": 200_002,
    "<|constrain|>": 200_003,
    "<|channel|>": 200_005,
    "<|start|>": 200_006,
    "<|end|>": 200_007,
    "<|message|>": 200_008,
    "<|call|>": 200_012,
    # tiktoken gives this id a second text, <|reserved_200018|>; here an id has one.
    "<|endofprompt|>": 200_018,
}
_RESERVED = {f"<|reserved_{i}|>": i for i in range(200_000, 201_088) if i not in _HARMONY.values()}
_ENCODINGS = {
    "gpt2": _R50K,
    "r50k_base": _R50K,
    "p50k_base": _P50K,
    "p50k_edit": replace(_P50K, special_tokens=_EDIT),
    "cl100k_base": _CL100K,
    "o200k_base": _O200K,
    "o200k_harmony": replace(_O200K, special_tokens=_HARMONY | _RESERVED),
}

NAMES = tuple(_ENCODINGS)


def fetch(name: str, *, cache_dir: Path | None = None, base_url: str | None = None) -> tuple[bytes, Encoding]:
    """Return the rank file of an encoding, from the cache or else from the network, and what goes with it.

    `Tokenizer.from_openai` documents the parameters.
    """
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        msg = f"no encoding is named {name!r}; those are {', '.join(NAMES)}"
        raise ConfigError(msg)
    folder = Path.home() / ".cache" / "merganser" / "openai" if cache_dir is None else Path(cache_dir)
    path = folder / encoding.file_name
    if path.is_file():
        data = path.read_bytes()
        if _is_right(data, encoding):
            return data, encoding
    url = f"{base_url or _BASE_URL}/{encoding.file_name}"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310
        data = response.read()
    if not _is_right(data, encoding):
        msg = f"{url}: not the published file: its SHA-256 is {_sha256(data)}, expected {encoding.sha256}"
        raise FormatError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(data)
    return data, encoding


def _is_right(data: bytes, encoding: Encoding) -> bool:
    return _sha256(data) == encoding.sha256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
