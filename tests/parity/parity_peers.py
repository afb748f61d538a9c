"""Tokenizers of other libraries, from files and without a network."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from parity_texts import read_zst


def tiktoken_encoding(tiktoken: ModuleType, name: str, path: Path) -> Any:
    """Load a rank file into tiktoken, with the pattern and special tokens that it has for it."""
    from tiktoken.load import load_tiktoken_bpe
    from tiktoken_ext import openai_public

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda _url, **_options: load_tiktoken_bpe(str(path)))
        arguments = getattr(openai_public, name)()
    return tiktoken.Encoding(**arguments)


def tokenizer_json_of(folder: Path) -> bytes | None:
    """Read the ``tokenizer.json`` of a model, compressed or not; ``None`` if there is none."""
    for name in ("tokenizer.json", "tokenizer.json.zst"):
        if (folder / name).is_file():
            return read_zst(folder / name) if name.endswith(".zst") else (folder / name).read_bytes()
    return None
