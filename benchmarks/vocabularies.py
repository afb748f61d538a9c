"""Vocabulary files in the format an engine reads.

A rank file holds tokens in merge order and no merges. The merge that makes a
token is found by running BPE on its bytes with the ranks below its own: two
parts are left, and they are the merge. With `ignore_merges` a pre-token that is
a token stays one, as in tiktoken.
"""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

# The patterns as published, without possessive quantifiers: `$` means the end of a line in some regular expression
# engines, so the forms of tiktoken's source that use it would not mean the same everywhere.
PATTERNS = {
    "gpt2": r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
    "cl100k": (
        r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"""
        r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
    ),
}

_LAST_PART_COUNT = 2


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read a tiktoken rank file: token -> rank."""
    lines = path.read_bytes().splitlines()
    pairs = (line.split() for line in lines if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def byte_characters() -> list[str]:
    """Give the character that stands for each byte in a byte-level tokenizer.json.

    References
    ----------
    .. [1] Radford et al. (2019), "Language Models are Unsupervised Multitask
       Learners", section 2.2; bytes that do not print are moved above U+0100.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    moved = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(moved)) for byte in range(256)]


def merge_of(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """Find the two parts that the last merge of a token joins.

    Parameters
    ----------
    token : bytes
        At least two bytes.
    ranks : dict of bytes to int
        The whole vocabulary.

    Returns
    -------
    tuple of bytes, length 2

    Raises
    ------
    ValueError
        If BPE does not reach the token.
    """
    limit = ranks[token]
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > _LAST_PART_COUNT:
        merged = [ranks.get(left + right, limit) for left, right in itertools.pairwise(parts)]
        rank = min(merged)
        if rank >= limit:
            message = f"token {token!r} is not reached by merges"
            raise ValueError(message)
        at = merged.index(rank)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def tokenizer_json(ranks: dict[bytes, int], *, pattern: str, special_tokens: dict[str, int]) -> str:
    """Write ranks as a byte-level BPE tokenizer.json.

    Parameters
    ----------
    ranks : dict of bytes to int
        Token -> rank, which is also its id.
    pattern : str
        Regular expression of the pre-tokenizer.
    special_tokens : dict of str to int

    Returns
    -------
    str
        JSON.
    """
    characters = byte_characters()

    def spell(token: bytes) -> str:
        return "".join(characters[byte] for byte in token)

    by_rank = sorted(ranks, key=ranks.__getitem__)
    merges = [[spell(left), spell(right)] for left, right in (merge_of(t, ranks) for t in by_rank if len(t) > 1)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": content, **flags} for content, i in special_tokens.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            # Special tokens stand here too: cl100k leaves an id free before them, and added tokens are numbered on.
            "vocab": {spell(token): ranks[token] for token in by_rank} | special_tokens,
            "merges": merges,
        },
    }
    return json.dumps(document, ensure_ascii=False)


def resolve(vocabulary: dict[str, Any], *, data: Path, scratch: Path, name: str) -> dict[str, Any]:
    """Turn a vocabulary of the definitions into what an engine needs.

    Parameters
    ----------
    vocabulary : dict
        Entry under ``[vocabularies]``.
    data, scratch : Path
        Folder of the files, and a folder to write a derived tokenizer.json to.
    name : str
        Name of the vocabulary.

    Returns
    -------
    dict
        ``name``, ``pattern_name``, ``pattern``, ``special_tokens`` and
        ``files``: format -> absolute path.
    """
    files = {f: str((data / vocabulary[f]).resolve()) for f in ("tiktoken", "json", "sentencepiece") if f in vocabulary}
    pattern = PATTERNS.get(vocabulary.get("pattern", ""), "")
    special_tokens = vocabulary.get("special_tokens", {})
    if "tiktoken" in files and "json" not in files:
        derived = scratch / f"{name}.json"
        text = tokenizer_json(read_ranks(Path(files["tiktoken"])), pattern=pattern, special_tokens=special_tokens)
        derived.write_text(text, encoding="utf-8")
        files["json"] = str(derived)
    return {
        "name": name,
        "pattern_name": vocabulary.get("pattern", ""),
        "pattern": pattern,
        "special_tokens": special_tokens,
        "files": files,
    }
