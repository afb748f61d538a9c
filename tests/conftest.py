"""Fixtures and settings of the whole suite: deterministic random tests, small tokenizers, and where the data is.

Parity tests need other libraries and the data of `MERGANSER_DATA` (default ``../shared/data``). Without them they skip,
and the summary says so; with ``MERGANSER_REQUIRE_PARITY=1`` they fail instead.
"""

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
from definitions import SUBJECTS
from hypothesis import HealthCheck, settings

import merganser as mg

ROOT = Path(__file__).resolve().parent.parent

REPORT_LINES = pytest.StashKey[list[str]]()
ERRORS = pytest.StashKey[list[tuple[str, float, float]]]()

# Random tests are the same on every run; `--hypothesis-profile=search` looks further, for a night.
settings.register_profile(
    "deterministic",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", settings.get_profile("deterministic"), derandomize=False, max_examples=20_000)
settings.load_profile("deterministic")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--parity-full", action="store_true", help="compare the models on all texts, not on samples")


def pytest_configure(config: pytest.Config) -> None:
    # Child processes must hear Ctrl-C, also in a run that was started in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[REPORT_LINES] = []
    config.stash[ERRORS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was compared and measured, and which parity tests did not run, and why."""
    lines = [*config.stash[REPORT_LINES], *_skipped_parity(terminalreporter)]
    if lines:
        terminalreporter.section("parity and measurements")
        for line in lines:
            terminalreporter.write_line(line)
    if config.stash[ERRORS]:
        terminalreporter.section("parity table")
        for line in error_table(config.stash[ERRORS]):
            terminalreporter.write_line(line)


def error_table(errors: list[tuple[str, float, float]]) -> list[str]:
    """Write quantities, their worst relative errors and the bounds in columns; a bound of 0 asks for equality."""
    width = max(len(quantity) for quantity, _, _ in errors)
    lines = [f"{'quantity':<{width}}  worst relative error  bound"]
    for quantity, worst, bound in errors:
        figures = ("equal" if worst == 0 else "differs", "equal") if bound == 0 else (f"{worst:.1e}", f"{bound:.0e}")
        lines.append(f"{quantity:<{width}}  {figures[0]:>20}  {figures[1]:>5}")
    return lines


def _skipped_parity(reporter: pytest.TerminalReporter) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for report in reporter.stats.get("skipped", []):
        if "parity" in report.nodeid:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reasons.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    return [f"parity: {len(ids)} skipped, {reason} (first: {ids[0]})" for reason, ids in sorted(reasons.items())]


def _unavailable(reason: str) -> NoReturn:
    """Skip; or fail, where parity is required."""
    if os.environ.get("MERGANSER_REQUIRE_PARITY") == "1":
        pytest.fail(f"{reason}, and MERGANSER_REQUIRE_PARITY=1", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def report_line(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Add a line to the summary at the end."""
    return pytestconfig.stash[REPORT_LINES].append


@pytest.fixture(scope="session")
def report_error(pytestconfig: pytest.Config) -> Callable[[str, float, float], None]:
    """Add a row to the parity table: quantity, worst relative error, bound; and hold the error to the bound."""

    def report(quantity: str, worst: float, bound: float) -> None:
        pytestconfig.stash[ERRORS].append((quantity, worst, bound))
        assert worst <= bound, quantity

    return report


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real tokenizer files and corpora."""
    folder = Path(os.environ.get("MERGANSER_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not (folder / "corpora").is_dir():
        _unavailable(f"no data at {folder} (set MERGANSER_DATA)")
    return folder


@pytest.fixture(scope="session")
def peer() -> Callable[[str], ModuleType]:
    """Import another library by name."""

    def load(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ImportError:
            return _unavailable(f"{name} is not installed")

    return load


@pytest.fixture(scope="session")
def optional_peer() -> Callable[[str], ModuleType]:
    """Import a library that is not part of the parity group, and skip without it in any case."""
    return pytest.importorskip


@pytest.fixture(scope="session", params=SUBJECTS, ids=lambda subject: subject.name)
def tokenizer(request: pytest.FixtureRequest) -> mg.Tokenizer:
    """Each kind of tokenizer in turn."""
    return request.param.build()


@pytest.fixture(scope="session")
def tok() -> mg.Tokenizer:
    """One small tokenizer, for tests to which the kind does not matter."""
    return next(subject for subject in SUBJECTS if subject.name == "cl100k").build()
