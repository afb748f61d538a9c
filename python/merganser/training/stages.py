"""How text is split and normalized before training."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Normalizer", "PreTokenizer"]

PreTokenizer: TypeAlias = Literal["gpt2", "cl100k", "o200k"]
"""How text is split before training: by the pattern of GPT-2, of GPT-4 and Llama 3, or of GPT-4o."""

Normalizer: TypeAlias = Literal["nfc"]
"""What text goes through before it is split."""
