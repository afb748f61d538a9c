"""From samples to the numbers of a table.

The median stands for a row, because what disturbs a measurement only ever makes
it slower; minimum and maximum show how far to trust it.
"""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURED = "measured"
# Whose ratios to the others the tables show.
SUBJECT = "merganser"
_MEGA = 1e6


@dataclasses.dataclass(frozen=True)
class Spread:
    """Median and extremes of samples, all in the unit of the samples."""

    median: float
    low: float
    high: float


def spread(samples: Sequence[float]) -> Spread:
    """Summarise samples.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0)
    """
    if not samples:
        message = "no samples"
        raise ValueError(message)
    return Spread(statistics.median(samples), min(samples), max(samples))


def is_measured(row: dict[str, Any] | None) -> TypeGuard[dict[str, Any]]:
    """Whether a row holds times."""
    return row is not None and row["status"] == MEASURED


def speed(row: dict[str, Any]) -> Spread:
    """Give MB/s (10^6 bytes of UTF-8) of a measured row."""
    seconds = spread(row["wall_seconds"])
    n_bytes = row["input_bytes"]
    return Spread(n_bytes / seconds.median / _MEGA, n_bytes / seconds.high / _MEGA, n_bytes / seconds.low / _MEGA)


def tokens_per_second(row: dict[str, Any]) -> float:
    """Give tokens a second of a measured row."""
    return float(row["n_tokens"] / spread(row["wall_seconds"]).median)


def threads_used(row: dict[str, Any]) -> float:
    """Give CPU time over wall time: how many threads ran, on average."""
    return spread(row["cpu_seconds"]).median / spread(row["wall_seconds"]).median


def ratio(row: dict[str, Any] | None, peer: dict[str, Any] | None) -> float | None:
    """Give how many times faster a row is than its peer's, None unless both are measured."""
    if not is_measured(row) or not is_measured(peer):
        return None
    return spread(peer["wall_seconds"]).median / spread(row["wall_seconds"]).median


def first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """Give the first place where two sequences differ, None when they are equal."""
    for place, (left, right) in enumerate(zip(ours, theirs, strict=False)):
        if left != right:
            return place
    return None if len(ours) == len(theirs) else min(len(ours), len(theirs))
