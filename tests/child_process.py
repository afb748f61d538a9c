"""Run a script in a Python of its own: for what must not happen in the process that tests."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIME_OUT_SECONDS = 60


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child that imports what this process imports."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **variables}


def run(script: str, *, timeout: float = _TIME_OUT_SECONDS, **variables: str) -> Any:
    """Run a script to its end and return what it printed last, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**variables),
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    assert done.returncode == 0, f"the script ended with {done.returncode}:\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Interrupted:
    """What became of a script that was interrupted."""

    seconds: float
    """From the signal to the line after `KeyboardInterrupt` was caught."""

    result: Any
    """What the script printed last, read as JSON."""


def interrupt(script: str, *, after_seconds: float) -> Interrupted:
    """Send Ctrl-C to a script, some time after it printed ``ready``.

    The script has `now()`, and prints the time at which it caught `KeyboardInterrupt`, then a line of JSON.
    """
    prelude = "import json, time\nnow = lambda: time.clock_gettime(time.CLOCK_MONOTONIC)\n"
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", prelude + textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    with child:
        try:
            assert child.stdout is not None
            first = child.stdout.readline()
            assert first == "ready\n", f"the script printed {first!r}: {child.communicate()[1]}"
            time.sleep(after_seconds)
            sent = time.clock_gettime(time.CLOCK_MONOTONIC)
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=_TIME_OUT_SECONDS)
        finally:
            child.kill()
    assert child.returncode == 0, f"the script ended with {child.returncode}:\n{err}"
    caught, result = out.splitlines()[-2:]
    return Interrupted(seconds=float(caught) - sent, result=json.loads(result))
