"""The machine and the code that a result belongs to."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_CPU_INFO = Path("/proc/cpuinfo")
_MEM_INFO = Path("/proc/meminfo")


def cpu_model() -> str:
    """Give the name of the processor as the system states it."""
    if _CPU_INFO.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", _CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match.group(1).strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int:
    """Give the memory of the machine in bytes, 0 when unknown."""
    if _MEM_INFO.exists():
        match = re.search(r"^MemTotal:\s*(\d+) kB$", _MEM_INFO.read_text(encoding="ascii"), re.MULTILINE)
        if match:
            return int(match.group(1)) * 1024
    return 0


def git_commit() -> str:
    """Give the commit that was checked out, with ``+changes`` when files differ from it; empty outside git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD")
    is_changed = bool(git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks", ":!*.md"))
    return f"{commit}+changes" if commit and is_changed else commit


def describe_machine() -> dict[str, Any]:
    """Describe this machine for a result file."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count() or 1,
        "architecture": platform.machine(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def machine_name(machine: dict[str, Any]) -> str:
    """Give the name of the result file: the processor, cores and system, never the host."""
    words = f"{machine['cpu']} {machine['cores']} cores {machine['system'].split()[0]}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
