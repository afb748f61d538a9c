"""`TokenizerConfig`: what stands beside a tokenizer in `tokenizer_config.json`.

It changes no id. It says which special token plays which part (`bos_token`, `pad_token`), how long a text a model
takes, and how a chat is laid out; the chat template is carried through as text and never run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merganser.arguments import utf8
from merganser.errors import FormatError, TextError

__all__ = ["CONFIG_FILE", "TokenizerConfig"]

CONFIG_FILE = "tokenizer_config.json"
_MAP_FILE = "special_tokens_map.json"
_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# What stands for "no limit" in such files is a number with thirty digits.
_NO_LIMIT = 10**12


@dataclass(frozen=True)
class TokenizerConfig:
    """The content of a ``tokenizer_config.json``.

    Parameters
    ----------
    text : str
        The JSON text, written back as it is.

    Raises
    ------
    FormatError
        If it is not a JSON object, or a special token in it is not a text.

    Examples
    --------
    >>> config = TokenizerConfig('{"bos_token": {"content": "<s>"}, "model_max_length": 512}')
    >>> config.special_tokens, config.model_max_length
    ({'bos_token': '<s>'}, 512)
    """

    text: str

    def __post_init__(self) -> None:
        """Check the text."""
        _ = self.special_tokens, self.model_max_length

    @classmethod
    def beside(cls, folder: Path) -> TokenizerConfig | None:
        """Read what a folder holds; ``special_tokens_map.json`` counts where the other file is silent."""
        found: dict[str, Any] = {}
        for name in (_MAP_FILE, CONFIG_FILE):
            path = folder / name
            if path.is_file():
                found |= _read_object(path.read_bytes(), str(path))
        return cls(json.dumps(found, ensure_ascii=False, indent=2) + "\n") if found else None

    @property
    def data(self) -> dict[str, Any]:
        """The content as an object; a change to it changes nothing here."""
        return _read_object(self.text, CONFIG_FILE)

    @property
    def special_tokens(self) -> dict[str, str]:
        """Texts of the special tokens by their part, ``"bos_token"`` and so on."""
        data = self.data
        return {role: _text_of(data[role], role) for role in _ROLES if data.get(role) is not None}

    @property
    def chat_template(self) -> str | None:
        """The template that lays out a chat, as text; it is never run here."""
        template = self.data.get("chat_template")
        if isinstance(template, list):
            named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, Mapping)}
            template = named.get("default")
        return template if isinstance(template, str) else None

    @property
    def model_max_length(self) -> int | None:
        """Most ids that the model takes, if the file gives a limit."""
        limit = self.data.get("model_max_length")
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            return None
        return int(limit) if 0 < limit < _NO_LIMIT else None


def _read_object(text: str | bytes, place: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{place}: not valid JSON: {error}"
        raise FormatError(msg) from None
    if not isinstance(data, dict):
        msg = f"{place}: must be an object, got {type(data).__name__}"
        raise FormatError(msg)
    return data


def _text_of(token: object, role: str) -> str:
    text = token.get("content") if isinstance(token, Mapping) else token
    if not isinstance(text, str):
        msg = f"{CONFIG_FILE}: {role} must be a text or an object with a text as content, got {token!r}"
        raise FormatError(msg)
    try:
        utf8(text)
    except TextError as error:
        msg = f"{CONFIG_FILE}: {role} {text!r} has a {error}"
        raise FormatError(msg) from None
    return text
