"""Clocks, memory and digests, inside an engine's own process.

A sample repeats a call enough times that the clock's step and the loop do not
matter, with the garbage collector off, and gives the mean. CPU time counts all
threads of the process, so CPU above wall time says that more than one ran.
"""

from __future__ import annotations

import array
import gc
import hashlib
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_STATUS = Path("/proc/self/status")


def cpu_seconds() -> float:
    """Give user and system time of this process and of its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def time_calls(call: Callable[[], object], *, n_calls: int) -> tuple[float, float]:
    """Time calls.

    Parameters
    ----------
    call : callable
        What is timed.
    n_calls : int
        Calls, at least 1.

    Returns
    -------
    wall_seconds, cpu_seconds : float
        Of one call, on average.
    """
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        cpu = cpu_seconds()
        wall = time.perf_counter()
        for _ in range(n_calls):
            call()
        wall = time.perf_counter() - wall
        cpu = cpu_seconds() - cpu
    finally:
        if was_enabled:
            gc.enable()
    return wall / n_calls, cpu / n_calls


def calls_for(seconds_per_call: float, *, sample_seconds: float) -> int:
    """Give the calls that fill a sample, at least 1."""
    return max(1, round(sample_seconds / max(seconds_per_call, 1e-9)))


def peak_bytes() -> int:
    """Give the largest resident memory of this process so far, in bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def digest_ids(rows: Iterable[Sequence[int]]) -> tuple[str, int]:
    """Hash ids with their row lengths.

    Parameters
    ----------
    rows : iterable of sequences of int
        Ids of each string.

    Returns
    -------
    digest : str
        SHA-256 in hexadecimal.
    n_tokens : int
    """
    sha = hashlib.sha256()
    n_tokens = 0
    for row in rows:
        n_tokens += len(row)
        sha.update(len(row).to_bytes(8, "little"))
        sha.update(little_endian(row))
    return sha.hexdigest(), n_tokens


def little_endian(row: Sequence[int]) -> bytes:
    """Give ids as 8-byte integers, the same on every machine."""
    values = array.array("q", row)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def digest_tokens(tokens: Iterable[bytes]) -> str:
    """Hash a vocabulary in order."""
    sha = hashlib.sha256()
    for token in tokens:
        sha.update(len(token).to_bytes(8, "little"))
        sha.update(token)
    return sha.hexdigest()


def describe_tokens(tokens: list[bytes]) -> dict[str, int | str]:
    """Tell how many tokens there are, and hash those of more than one byte, in their order and without.

    Single bytes come first, in an order of each library's own.
    """
    merged = [token for token in tokens if len(token) > 1]
    return {
        "n_tokens": len(tokens),
        "digest": digest_tokens(merged),
        "unordered_digest": digest_tokens(sorted(merged)),
    }
