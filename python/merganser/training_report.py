"""`TrainingReport`: what a training run saw, made and left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Dropped", "TrainingReport", "training_report"]


# A shorter phase is not measured well enough for a rate.
_LEAST_SECONDS = 0.1
# What is measured, and differs from run to run, is in no file.
_MEASURED = {"seconds", "merges_per_second", "peak_memory_bytes", "n_spilled_bytes"}


@dataclass(frozen=True)
class Dropped:
    """Something that was left out.

    Attributes
    ----------
    what : str
        What, and why.
    n_different, n_occurrences : int
        How many different ones, and how often they occur in all.
    """

    what: str
    n_different: int
    n_occurrences: int


@dataclass(frozen=True)
class TrainingReport:
    """What a training run saw, made and left out: `Tokenizer.training_report`.

    All but `seconds`, `merges_per_second`, `peak_memory_bytes` and `n_spilled_bytes` depend on text and options alone,
    and are saved in ``tokenizer.json``.

    Attributes
    ----------
    method : str
        The trainer: ``"bpe"``, ``"wordpiece"``, ``"unigram"`` and so on.
    version : str
        The version of merganser.
    options : mapping
        What it was asked for, by argument name.
    sources : tuple of mapping
        What was read of each source: documents, bytes, weight.
    n_words, n_occurrences : int
        Different words, and words in all.
    n_alphabet, n_learned : int
        Tokens there were before training, and tokens that training made.
    min_frequency : int or None
        How often a pair had to occur, where the trainer chose or says so.
    dropped : tuple of Dropped
        What was left out.
    superwords : mapping or None
        Of a second phase of BPE: tokens that it started from (``start``) and made (``n_learned``); different runs of
        tokens that could be joined and runs in all (``n_runs``, ``n_occurrences``); and runs were
        parted only where two tokens stand side by side less often than ``least``.
    seconds : mapping of str to float
        Wall time of each phase; empty where the tokenizer was loaded from a file.
    merges_per_second : float or None
        Tokens that were learned for each second of the phase ``"merge"``; None where there was none, or it was too
        short to tell.
    peak_memory_bytes : int or None
        Most memory that the process had resident until training ended.
    n_spilled_bytes : int or None
        Bytes that were written to disk while counting; None where the tokenizer was loaded from a file.

    Examples
    --------
    >>> import merganser as mg
    >>> print(mg.train_bpe(["low lower lowest"], vocab_size=260).training_report)  # doctest: +ELLIPSIS
    bpe, merganser ...: 256 in the alphabet, 4 learned
    words: 3 different, 3 in all
    options: vocab_size=260
    ...
    """

    method: str
    version: str
    n_words: int
    n_occurrences: int
    n_alphabet: int
    n_learned: int
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Mapping[str, Any], ...] = ()
    min_frequency: int | None = None
    dropped: tuple[Dropped, ...] = ()
    superwords: Mapping[str, int] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    merges_per_second: float | None = None
    peak_memory_bytes: int | None = None
    n_spilled_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values.

        Returns
        -------
        dict
        """
        dropped = [vars(one) for one in self.dropped]
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {"dropped": dropped, "sources": [*self.sources]}

    def __str__(self) -> str:
        lines = [
            f"{self.method}, merganser {self.version}: {self.n_alphabet:,} in the alphabet, {self.n_learned:,} learned",
            f"words: {self.n_words:,} different, {self.n_occurrences:,} in all",
        ]
        if self.options:
            lines.append("options: " + ", ".join(f"{name}={value!r}" for name, value in self.options.items()))
        if self.superwords:
            lines.append(
                "superwords: {n_learned:,} after {start:,} tokens, from {n_runs:,} different runs, {n_occurrences:,} "
                "in all, parted only where tokens stand side by side less than {least:,} times".format_map(
                    self.superwords
                )
            )
        if self.min_frequency:
            lines.append(f"pairs: joined where they occur {self.min_frequency:,} times or more")
        for source in self.sources:
            told = {key: value for key, value in source.items() if value not in ("", None)}
            lines.append(f"source: {_listed(told, _told)}")
        lines += [
            f"dropped: {one.what} ({one.n_different:,} different, {one.n_occurrences:,} in all)" for one in self.dropped
        ]
        if self.seconds:
            rate = self.merges_per_second
            of_merges = "" if rate is None else f" ({rate:,.0f} merges a second)"
            lines.append(f"time: {_listed(self.seconds, '{:.2f} s'.format)}{of_merges}")
        if self.peak_memory_bytes is not None:
            spilled = f", {self.n_spilled_bytes / 1e6:,.0f} MB spilled to disk" if self.n_spilled_bytes else ""
            lines.append(f"memory: {self.peak_memory_bytes / 1e6:,.0f} MB at most{spilled}")
        return "\n".join(lines)

    def measured(
        self, seconds: Mapping[str, float], peak_memory_bytes: int | None, n_spilled_bytes: int
    ) -> TrainingReport:
        """Return this report with what was measured of the run.

        Parameters
        ----------
        seconds : mapping of str to float
            Wall time of each phase.
        peak_memory_bytes : int or None
            Most memory that the process had resident.
        n_spilled_bytes : int
            Bytes written to disk while counting.

        Returns
        -------
        TrainingReport
        """
        # Where expectations are taken, merges are but what it starts from.
        of_merges = 0.0 if "em" in seconds else seconds.get("merge", 0.0)
        return replace(
            self,
            seconds=dict(seconds),
            merges_per_second=self.n_learned / of_merges if of_merges > _LEAST_SECONDS else None,
            peak_memory_bytes=peak_memory_bytes,
            n_spilled_bytes=n_spilled_bytes,
        )


def training_report(text: str) -> TrainingReport | None:
    """Read what a tokenizer carries of its training; ``None`` if it is not of this form.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    TrainingReport or None
    """
    try:
        fields = json.loads(text)
        names = TrainingReport.__dataclass_fields__.keys() - _MEASURED
        known = {name: value for name, value in fields.items() if name in names}
        dropped = tuple(Dropped(**one) for one in known.pop("dropped", ()))
        return TrainingReport(**known | {"sources": tuple(known.get("sources", ())), "dropped": dropped})
    except (ValueError, TypeError, AttributeError):
        return None


def _listed(values: Mapping[str, Any], tell: Callable[[Any], str]) -> str:
    return ", ".join(f"{name} {tell(value)}" for name, value in values.items())


def _told(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
