"""The tokenizers of a comparison: loaded, made to take whole texts, and named so that no two names are equal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from merganser.errors import ConfigError
from merganser.tokenizer import Tokenizer

__all__ = ["Listed", "Named", "load_named", "name_all"]

Named: TypeAlias = Mapping[str, "Tokenizer | str | os.PathLike[str]"]
Listed: TypeAlias = Iterable["Tokenizer | str | os.PathLike[str]"]


def load_named(tokenizers: Named | Listed) -> list[tuple[str, Tokenizer]]:
    """Load what is a path, name what has no name, and leave truncation and padding out.

    Parameters
    ----------
    tokenizers : mapping of str to Tokenizer or path, or iterable of Tokenizers and paths
        What to compare.

    Returns
    -------
    list of (str, Tokenizer)
        In the order given; names are unique.

    Raises
    ------
    ConfigError
        There is none.
    FormatError, OSError
        A path cannot be loaded.
    """
    if isinstance(tokenizers, (str, bytes, os.PathLike, Tokenizer)):
        msg = f"tokenizers must be many, got one {type(tokenizers).__name__}; wrap it in a list"
        raise TypeError(msg)
    if isinstance(tokenizers, Mapping):
        given: list[tuple[str, Any]] = list(tokenizers.items())
    else:
        listed = list(tokenizers)
        given = list(zip(name_all(listed), listed, strict=True))
    if not given:
        msg = "compare needs at least one tokenizer"
        raise ConfigError(msg)
    return [(name, _load(tokenizer)) for name, tokenizer in given]


def _load(tokenizer: object) -> Tokenizer:
    if isinstance(tokenizer, (str, os.PathLike)):
        tokenizer = Tokenizer.load(cast("str | os.PathLike[str]", tokenizer))
    if not isinstance(tokenizer, Tokenizer):
        msg = f"a tokenizer must be a Tokenizer or a path, got {type(tokenizer).__name__}"
        raise TypeError(msg)
    # Many a tokenizer.json cuts every text, and fills it up; what is compared is the whole text, and nothing else.
    if tokenizer.truncation is not None or tokenizer.padding is not None:
        return tokenizer.with_truncation(None).with_padding(None)
    return tokenizer


def name_all(tokenizers: Iterable[object]) -> list[str]:
    """Name tokenizers so that no two names are equal.

    Parameters
    ----------
    tokenizers : iterable of Tokenizers and paths
        What to name.

    Returns
    -------
    list of str
        The name of a path's file or folder, with as many folders before it as it takes to tell it from the others; the
        place of what is no path; a number after what is there twice.

    Examples
    --------
    >>> name_all(["gpt2/", "ranks/cl100k_base.tiktoken", "a/tokenizer.json", "b/tokenizer.json", "gpt2"])
    ['gpt2', 'cl100k_base', 'a/tokenizer', 'b/tokenizer', 'gpt2 (2)']
    """
    parts = [_name_parts(tokenizer, place) for place, tokenizer in enumerate(tokenizers, start=1)]
    depths = [1] * len(parts)
    for depth in range(1, max(map(len, parts), default=0)):
        names = ["/".join(path[-depth:]) for path in parts]
        # Equal paths cannot be told apart by their folders.
        for index, path in enumerate(parts):
            if any(name == names[index] and other != path for name, other in zip(names, parts, strict=True)):
                depths[index] = depth + 1
    seen: dict[str, int] = {}
    unique = []
    for path, depth in zip(parts, depths, strict=True):
        name = "/".join(path[-depth:])
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _name_parts(tokenizer: object, place: int) -> tuple[str, ...]:
    if not isinstance(tokenizer, (str, os.PathLike)):
        return (f"tokenizer {place}",)
    path = Path(os.path.abspath(cast("str | os.PathLike[str]", tokenizer)))
    name = path.stem if path.suffix in (".json", ".tiktoken") else path.name
    return (*path.parent.parts, name)
