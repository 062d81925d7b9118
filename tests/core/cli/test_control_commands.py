"""Commands that speak to a run's control socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo_core.cli import run
from dynamo_core.errors import (
    EXIT_NOT_STARTED,
    EXIT_PROVIDER,
    EXIT_USAGE,
    StartError,
    UnsupportedOperationError,
)
from dynamo_core.provider import LogLine

from .served_for_tests import ServedRun, served_run


@pytest.fixture
def served(folder: Path) -> Iterator[ServedRun]:
    with served_run(folder) as made:
        yield made


def test_stop_asks_and_waits_until_the_run_is_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is left then."""
    with served_run(folder) as served:
        assert run(["stop", served.directory.run_id[:6], "--reason", "enough"]) == 0
        assert served.run.asked == [("stop", "enough")]
        assert list(folder.iterdir()) == []
    assert capsys.readouterr().err == f"run {served.directory.run_id} (Frontend) has stopped\n"


def test_scale_says_what_there_is_now(served: ServedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Once it is so."""
    assert run(["scale", "Backend", "3"]) == 0
    assert run(["scale", "Backend", "1", "--run", "Frontend", "--reason", "night"]) == 0
    assert served.run.asked == [("scale", "Backend", 3, "dynamo scale"), ("scale", "Backend", 1, "night")]
    assert capsys.readouterr() == ("", "Backend has 3 workers\nBackend has 1 worker\n")


def test_restart_says_that_it_is_done(served: ServedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, like all messages."""
    assert run(["restart", "Backend"]) == 0
    assert served.run.asked == [("restart", "Backend", "dynamo restart")]
    assert capsys.readouterr() == ("", "Backend has new workers\n")


def test_unknown_service_is_told_with_the_nearest(
    served: ServedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the run, which knows."""
    assert run(["scale", "Bakend", "3"]) == EXIT_USAGE
    assert (
        "no service is named 'Bakend'; there are: Backend; did you mean 'Backend'?" in capsys.readouterr().err
    )


def test_fault_of_the_supervisor_is_not_taken_for_silence(
    served: ServedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has answered; what it wrote says more."""
    served.run.failure = OSError(24, "Too many open files")
    assert run(["scale", "Backend", "3"]) != 0
    assert capsys.readouterr().err.startswith(
        f"error: run {served.directory.run_id} failed at that: OSError: [Errno 24] Too many open files; "
        "what its supervisor wrote has the traceback"
    )


def test_failed_change_has_the_last_lines_and_the_code_of_its_error(
    served: ServedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if it had happened here."""
    served.run.failure = StartError("Backend", "exit status 1", slot=2, last_lines=["one", "two"])
    assert run(["scale", "Backend", "3"]) == EXIT_NOT_STARTED
    assert capsys.readouterr().err == (
        "error: service Backend/2 did not start: exit status 1\n  | one\n  | two\n"
    )
    served.run.failure = UnsupportedOperationError("obedient", "restart Backend", "it has one worker")
    assert run(["restart", "Backend"]) == EXIT_PROVIDER


def test_logs_are_lines_with_their_worker(served: ServedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """What would move a cursor is shown."""
    served.run.lines = [
        LogLine(service="Backend", slot=0, text="one"),
        LogLine(service="Frontend", slot=1, text="two\x1b[2J", stream="stderr"),
    ]
    assert run(["logs"]) == 0
    assert capsys.readouterr() == ("Backend/0 | one\nFrontend/1 | two\\x1b[2J\n", "")
    assert run(["logs", "--service", "Frontend", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "time": "",
        "level": "",
        "service": "Frontend",
        "slot": 1,
        "stream": "stderr",
        "text": "two\x1b[2J",
    }


TIMED = [
    LogLine(service="Backend", slot=0, text="unknown"),
    LogLine(service="Backend", slot=0, text="early", time="2026-11-23T10:00:00.000Z"),
    LogLine(service="Backend", slot=0, text="late", time="2026-11-23T10:00:00.500Z"),
]


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-11-23T10:00:00Z", ["unknown", "early", "late"]),
        ("2026-11-23T10:00:00.250+00:00", ["unknown", "late"]),
        ("2026-11-23T11:00:00.500+01:00", ["unknown", "late"]),
        ("0s", ["unknown"]),
        ("1d2h30m", ["unknown"]),
        ("2999-01-01", ["unknown"]),
        ("500000d", ["unknown", "early", "late"]),
    ],
)
def test_logs_begin_where_they_are_asked_to(
    served: ServedRun,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    since: str,
    shown: list[str],
) -> None:
    """By age, or by the calendar; a line whose time nobody knows is not left out."""
    served.run.lines = TIMED
    assert run(["logs", "--since", since, "--timestamps"]) == 0
    assert [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()] == shown


def test_timestamps_stand_before_lines(served: ServedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """On request."""
    served.run.lines = TIMED[:2]
    assert run(["logs", "-t"]) == 0
    assert capsys.readouterr().out == "- Backend/0 | unknown\n2026-11-23T10:00:00.000Z Backend/0 | early\n"


@pytest.mark.parametrize("since", ["yesterday", "5", "m", "5m!", "99999999999999d", ""])
def test_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], since: str) -> None:
    """With what is wanted."""
    assert run(["logs", "--since", since]) == EXIT_USAGE
    assert "wanted an age such as 5m" in capsys.readouterr().err


def test_followed_logs_end_with_the_run(served: ServedRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Well."""
    served.run.no_more_lines.set()
    assert run(["logs", "--follow"]) == 0
    assert served.run.asked == [("logs", None, True)]
    assert len(capsys.readouterr().out.splitlines()) == 3
