"""Cases: the product of the lists in `definitions.toml`.

A case is one row of a table: a task on an input in a setting. Its key is
unique, names the input files and joins the results of a run to the table.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TASKS = ("encode", "decode", "load", "train")
FORMS = ("list", "native")
SOURCES = ("tiktoken", "json", "sentencepiece")
STATES = ("warm", "cold")

DEFINITIONS_PATH = Path(__file__).with_name("definitions.toml")

_GROUP_KEYS = {
    "name",
    "task",
    "vocabularies",
    "corpora",
    "n_bytes",
    "n_strings",
    "forms",
    "sources",
    "n_threads",
    "state",
    "is_batch",
    "vocab_size",
    "quick",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One row: what is done, on which input, in which setting.

    Attributes
    ----------
    group : str
        Table of the report.
    task : str
        One of `TASKS`.
    vocabulary : str
        Name under ``[vocabularies]``.
    corpus : str
        Name under ``[corpora]``; empty for load.
    n_bytes : int
        UTF-8 bytes of each string (of the whole input for train); 0 for load.
    n_strings : int
        Strings of the input.
    form : str
        "list" is ``list[int]``; "native" is the engine's fastest form.
    source : str
        File format read by load; empty elsewhere.
    n_threads : int
        Threads an engine may use.
    state : str
        "cold" is the first call of a fresh process.
    is_batch : bool
        One call for all strings instead of one call a string.
    vocab_size : int
        Tokens to train; 0 elsewhere.
    """

    group: str
    task: str
    vocabulary: str
    corpus: str = ""
    n_bytes: int = 0
    n_strings: int = 1
    form: str = "list"
    source: str = ""
    n_threads: int = 1
    state: str = "warm"
    is_batch: bool = False
    vocab_size: int = 0

    @property
    def key(self) -> str:
        """Unique name, for example ``single/gpt2/english/1000x256/list/1t/warm``."""
        size = f"{self.n_bytes}x{self.n_strings}"
        parts = [self.group, self.vocabulary, self.corpus, size, self.form, self.source, f"{self.n_threads}t"]
        return "/".join([part for part in parts if part] + [self.state])


@dataclasses.dataclass(frozen=True)
class Settings:
    """How often and how long a case is timed.

    Attributes
    ----------
    n_repeats : int
        Samples of each engine.
    sample_seconds : float
        A sample repeats the call until it lasts this long.
    """

    n_repeats: int
    sample_seconds: float


@dataclasses.dataclass(frozen=True)
class Definitions:
    """Contents of `definitions.toml`, with the groups expanded.

    Attributes
    ----------
    settings : Settings
        Of the chosen mode.
    vocabularies : dict of str to dict
        Name -> reference, pattern and files relative to the data folder.
    corpora : dict of str to dict
        Name -> ``file`` or ``repeat``.
    cases : tuple of Case
        In the order of the file.
    summary : tuple of str
        Keys of the cases that the project's README shows.
    """

    settings: Settings
    vocabularies: dict[str, dict[str, Any]]
    corpora: dict[str, dict[str, str]]
    cases: tuple[Case, ...]
    summary: tuple[str, ...]


def load_definitions(path: Path = DEFINITIONS_PATH, *, quick: bool = False) -> Definitions:
    """Read the definitions and expand them to cases.

    Parameters
    ----------
    path : Path
        TOML file.
    quick : bool, default False
        Apply the small sizes of each group's ``quick`` entry.

    Returns
    -------
    Definitions

    Raises
    ------
    ValueError
        If a group names an unknown key, task, form, source, state, vocabulary
        or corpus, or two cases have the same key.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    cases: list[Case] = []
    for group in raw["groups"]:
        _check_group(group, raw)
        override = group.get("quick", {})
        if quick and override is False:
            continue
        cases.extend(expand(group | override if quick else group))
    keys = [case.key for case in cases]
    for key in keys:
        if keys.count(key) > 1:
            message = f"two cases have the key {key}"
            raise ValueError(message)
    settings = Settings(**raw["settings"]["quick" if quick else "full"])
    return Definitions(settings, raw["vocabularies"], raw["corpora"], tuple(cases), tuple(raw["summary"]))


def expand(group: dict[str, Any]) -> list[Case]:
    """Give the cases of a group: the product of its lists."""
    product = itertools.product(
        group.get("vocabularies", [""]),
        group.get("corpora", [""]),
        group.get("n_bytes", [0]),
        group.get("forms", ["list"]),
        group.get("sources", [""]),
        group.get("n_threads", [1]),
    )
    return [
        Case(
            group=group["name"],
            task=group["task"],
            vocabulary=vocabulary,
            corpus=corpus,
            n_bytes=n_bytes,
            n_strings=group.get("n_strings", 1),
            form=form,
            source=source,
            n_threads=n_threads,
            state=group.get("state", "warm"),
            is_batch=group.get("is_batch", False),
            vocab_size=group.get("vocab_size", 0),
        )
        for vocabulary, corpus, n_bytes, form, source, n_threads in product
    ]


def _check_group(group: dict[str, Any], raw: dict[str, Any]) -> None:
    """Refuse names that nothing defines."""
    name = group["name"]
    override = group.get("quick") or {}
    for key in [*group, *override]:
        if key not in _GROUP_KEYS:
            message = f"group {name}: unknown key {key}"
            raise ValueError(message)
    known: dict[str, Any] = {
        "vocabularies": raw["vocabularies"],
        "corpora": raw["corpora"],
        "forms": FORMS,
        "sources": SOURCES,
    }
    for key, names in known.items():
        for value in [*group.get(key, []), *override.get(key, [])]:
            if value not in names:
                message = f"group {name}: {key} has {value}, which is not defined"
                raise ValueError(message)
    if group["task"] not in TASKS:
        message = f"group {name}: task must be one of {TASKS}, got {group['task']}"
        raise ValueError(message)
    if group.get("state", "warm") not in STATES:
        message = f"group {name}: state must be one of {STATES}, got {group['state']}"
        raise ValueError(message)
