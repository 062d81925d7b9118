"""A pytest plugin that writes down how each test of the kit ended; for ``dynamo providers test``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from dynamo_core.testing.conformance.grading import Outcome
from dynamo_core.testing.conformance.needs import LACKING_PROPERTY

PROVIDER_OPTION: Final = "--dynamo-provider"
OUTCOMES_OPTION: Final = "--dynamo-outcomes"
LIMIT_OPTION: Final = "--dynamo-test-limit"
LONGEST_MESSAGE: Final = 2000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the kit is told."""
    group = parser.getgroup("dynamo")
    group.addoption(PROVIDER_OPTION, metavar="NAME", help="the provider to test")
    group.addoption(LIMIT_OPTION, type=float, metavar="SECONDS", help="how long one test may take")
    group.addoption(OUTCOMES_OPTION, type=Path, metavar="FILE", help="where to write how each test ended")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record, if a file was named."""
    limit_s = config.getoption(LIMIT_OPTION)
    if limit_s is not None:
        from dynamo_core.testing.conformance.harness import limit_tests  # after assertions can be rewritten

        limit_tests(limit_s)
    path = config.getoption(OUTCOMES_OPTION)
    if path is not None:
        config.pluginmanager.register(Recorder(path), "dynamo-recorder")


class Recorder:
    """Remembers how each test ended.

    Args:
        path: Where it is written in the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in one of the three reports of a test; a later one counts only if it is worse."""
        if report.when != "call" and report.outcome == "passed":
            return
        before = self._outcomes.get(report.nodeid)
        if before is not None and before.outcome == "failed":
            return
        _, part, test = report.nodeid.split("::", 2)
        lacking = dict(report.user_properties).get(LACKING_PROPERTY, "")
        self._outcomes[report.nodeid] = Outcome(
            part=part.removeprefix("Test"),
            test=test,
            outcome=report.outcome,
            seconds=round(report.duration, 3),
            lacking=str(lacking),
            message=_message(report),
        )

    def pytest_sessionfinish(self) -> None:
        """Write everything down."""
        self._path.write_text(json.dumps([each._asdict() for each in self._outcomes.values()]), "utf-8")


def _message(report: pytest.TestReport) -> str:
    if report.outcome == "passed" or report.longrepr is None:
        return ""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    return text[:LONGEST_MESSAGE]
