"""Commands for live runs, where they need nothing but the run's directory."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from dynamo_core.cli import run
from dynamo_core.control import RunDirectory, ServiceState, write_state
from dynamo_core.errors import (
    EXIT_FAILURE,
    EXIT_NO_RUN,
    EXIT_NOT_STARTED,
    EXIT_SERVICE_FAILED,
    EXIT_USAGE,
)

from .runs_for_tests import live_run, make_state, supervisor, worker

STARTING = ServiceState(name="Backend", state="starting", workers=(worker(0), worker(1, "starting")))
READY = ServiceState(name="Backend", state="ready", workers=(worker(0), worker(1)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["stop"],
        ["scale", "Backend", "2"],
        ["restart", "Backend"],
        ["logs"],
        ["wait", "--for", "stopped"],
        ["call", "Backend.echo"],
    ],
)
def test_command_without_a_run_says_so(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit code of its own."""
    assert run(arguments) == EXIT_NO_RUN
    assert capsys.readouterr().err == "error: no run is alive\n"


@pytest.mark.parametrize("arguments", [["stop"], ["scale", "Backend", "2"], ["call", "Backend.echo"]])
def test_command_does_not_guess_among_runs(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It lists them."""
    with live_run(folder) as first, live_run(folder) as second:
        assert run(arguments) == EXIT_NO_RUN
        err = capsys.readouterr().err
        assert first.run_id in err
        assert second.run_id in err


def test_stop_without_a_control_socket_signals_the_supervisor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And returns once the run is over."""
    with supervisor(folder) as process:
        assert run(["stop"]) == 0
        assert process.wait(30) == 0
    err = capsys.readouterr().err
    assert "does not answer on its control socket: it is not there; its supervisor is sent SIGTERM" in err
    assert err.endswith(" (Frontend) has stopped\n")
    assert list(folder.iterdir()) == []


def test_stop_does_not_wait_for_a_mute_control_socket(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As that of a supervisor which hangs."""
    with supervisor(folder, "mute") as process:
        assert run(["stop", "--timeout", "4"]) == 0
        assert process.wait(30) == 0
    assert "its supervisor is sent SIGTERM" in capsys.readouterr().err


def test_run_that_does_not_end_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what ends it all the same."""
    with supervisor(folder, "stubborn") as process:
        assert run(["stop", "--timeout", "0.05"]) == EXIT_FAILURE
        assert process.poll() is None
        assert "has not ended; --kill ends it all the same" in capsys.readouterr().err
        assert run(["stop", "--timeout", "0.05", "--kill"]) == 0
        assert process.wait(30) == -signal.SIGKILL


def test_scale_of_a_silent_run_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no other way to ask."""
    with live_run(folder) as found:
        assert run(["scale", "Backend", "2"]) == EXIT_FAILURE
        assert capsys.readouterr().err == (
            f"error: run {found.run_id} does not answer on its control socket: it is not there\n"
        )


@pytest.mark.parametrize("arguments", [["scale", "Backend", "-1"], ["scale", "Backend", "many"], ["scale"]])
def test_wrong_number_of_workers_is_a_usage_error(folder: Path, arguments: list[str]) -> None:
    """Nothing is asked of any run."""
    assert run(arguments) == EXIT_USAGE


def in_thread(*arguments: str) -> tuple[threading.Thread, list[int]]:
    """Run a command beside the test; gives its thread and where its exit code will be."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run(arguments)))
    thread.start()
    return thread, codes


def test_wait_returns_once_every_worker_is_ready(folder: Path) -> None:
    """It reads the state file, and so needs no provider."""
    with live_run(folder, STARTING, state="ready") as found:
        waiting, codes = in_thread("wait", "--timeout", "30")
        write_state(found.fileno(), make_state(found, READY))
        waiting.join()
    assert codes == [0]


def test_wait_for_a_run_that_is_not_there_yet(folder: Path) -> None:
    """As in a script that has just put ``dynamo serve`` into the background."""
    waiting, codes = in_thread("wait", "--timeout", "30")
    with live_run(folder, READY):
        waiting.join()
    assert codes == [0]


def test_wait_that_takes_too_long_says_what_was_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worker by worker."""
    with live_run(folder, STARTING, state="starting"):
        assert run(["wait", "--timeout", "0.01"]) == EXIT_FAILURE
    assert "is not ready: Backend/1 is starting, and the time is up" in capsys.readouterr().err


def test_wait_for_nothing_at_all_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the time is up."""
    assert run(["wait", "--timeout", "0.01"]) == EXIT_FAILURE
    assert capsys.readouterr().err == "error: no run is alive, and the time is up\n"


def test_wait_ends_when_a_service_is_given_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the code of a failed service."""
    failed = ServiceState(name="Backend", state="failed", workers=(worker(0, "failed"),))
    with live_run(folder, failed, state="failed"):
        assert run(["wait"]) == EXIT_SERVICE_FAILED
    assert "service Backend failed" in capsys.readouterr().err


def test_wait_ends_when_the_run_ends_before_it_is_ready(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the code of a failed start."""
    with live_run(folder, STARTING, state="starting") as found:
        monkeypatch.setattr("dynamo_core.cli.runs.time.sleep", lambda _: found.remove())
        assert run(["wait"]) == EXIT_NOT_STARTED
    assert "ended before it was ready" in capsys.readouterr().err


def test_wait_for_the_end(folder: Path) -> None:
    """Of a run that was there."""
    with RunDirectory.create(folder) as found:
        waiting, codes = in_thread("wait", "--for", "stopped", "--timeout", "30", found.run_id)
        while waiting.is_alive() and not codes:
            found.close()
            waiting.join(0.01)
    assert codes in ([0], [EXIT_NO_RUN])  # the second when the run ended before the command looked
