"""``dynamo call``: one call from the shell, without the application's classes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from dynamo_core.cli import run
from dynamo_core.control import ServiceState
from dynamo_core.errors import EXIT_CALL_FAILED, EXIT_NO_RUN, EXIT_USAGE

from .runs_for_tests import live_run, worker
from .served_for_tests import ServedRun, served_run


@pytest.fixture
def served(folder: Path) -> Iterator[ServedRun]:
    with served_run(folder) as made:
        yield made


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["Words.echo", '{"text": "hé", "times": 2}'], '"héhé"\n'),
        (["Words.words", '{"text": "one two"}'], '"one"\n"two"\n'),
        (["Words.words", '{"text": ""}'], ""),
        (["Words.raw", '{"data": "AQI="}'], '"AQL/"\n'),
        (["Words.where", "--slot", "1"], "1\n"),
        (["Words.where", "{}", "--slot", "0", "--timeout", "20"], "0\n"),
    ],
)
def test_result_and_items_are_lines_of_json(
    served: ServedRun, arguments: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing else is on standard output."""
    assert run(["call", *arguments]) == 0
    assert capsys.readouterr() == (printed, "")


def test_arguments_come_from_a_file_or_from_standard_input(
    served: ServedRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For those that are long, or secret."""
    file = tmp_path / "body.json"
    file.write_text('{"text": "file"}')
    assert run(["call", "Words.echo", f"@{file}"]) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "stdin"}')))
    assert run(["call", "Words.echo", "-"]) == 0
    assert capsys.readouterr().out == '"file"\n"stdin"\n'


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Wards.echo"], EXIT_USAGE, "did you mean 'Words'?"),
        (["Words.ecco"], EXIT_USAGE, "did you mean 'echo'?"),
        (["Words"], EXIT_USAGE, "SERVICE.ENDPOINT"),
        ([".echo"], EXIT_USAGE, "SERVICE.ENDPOINT"),
        (["Words.echo", "text"], EXIT_USAGE, "Error: 'text' is not JSON: "),
        (["Words.echo", "text"], EXIT_USAGE, "a text needs its quotes"),
        (["Words.echo", "[" * 100_000], EXIT_USAGE, "is not JSON"),
        (["Words.echo", "@/nowhere/at/all"], EXIT_USAGE, "cannot be read"),
        (["Words.echo", '{"txt": 1}'], EXIT_CALL_FAILED, "text"),
        (["Words.echo", '{"text": 1}'], EXIT_CALL_FAILED, "bad arguments: text: "),
        (["Words.echo", "[1]"], EXIT_CALL_FAILED, "object"),
        (["Words.fail"], EXIT_CALL_FAILED, "Words.fail (worker Words/"),
        (["Words.hang", "--timeout", "0.05"], EXIT_CALL_FAILED, "Words.hang did not answer"),
        (["Words.echo", "--slot", "7"], EXIT_CALL_FAILED, "it has no slot 7; it has: 0, 1"),
        (["Elsewhere.echo"], EXIT_CALL_FAILED, "its workers have no sockets"),
        (["Words.echo", "--run", "zz"], EXIT_NO_RUN, "no live run fits 'zz'"),
    ],
)
def test_failure_is_one_line_and_its_code(
    served: ServedRun, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error."""
    assert run(["call", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback_of_the_far_side(
    served: ServedRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text."""
    assert run(["--debug", "call", "Words.fail"]) == EXIT_CALL_FAILED
    assert 'raise ValueError("boom")' in capsys.readouterr().err


def test_worker_that_is_not_there_leaves_the_call_to_another(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as it has not begun."""
    with served_run(folder) as served:
        served.directory.socket_path(0, 0).unlink()
        for _ in range(4):
            assert run(["call", "Words.where"]) == 0
        assert capsys.readouterr().out == "1\n" * 4


def test_nobody_on_the_sockets_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a hang."""
    with live_run(folder) as directory:
        path = str(directory.socket_path(0, 0))
    services = ServiceState(name="Words", workers=(worker(0, path=path),))
    with live_run(folder, services):
        assert run(["call", "Words.echo", "--timeout", "0.1"]) == EXIT_CALL_FAILED
    assert "Words" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["failed", "degraded", "stopped"])
def test_service_that_is_down_is_not_waited_for(
    folder: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    """Its state and how its worker ended are told instead."""
    dead = attrs.evolve(worker(0, path=str(folder / "none")), pid=None, last_cause="exited with status 3")
    with live_run(folder, ServiceState(name="Words", workers=(dead,), state=state)):
        assert run(["call", "Words.echo"]) == EXIT_CALL_FAILED
    assert f"it is {state}: it exited with status 3" in capsys.readouterr().err


@contextlib.contextmanager
def calling(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "dynamo_core", "call", *arguments],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_items_are_written_as_they_come(served: ServedRun) -> None:
    """The second does not exist yet when the first is read."""
    with calling("Words.held") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        assert served.door.reached.wait(30)
        assert not served.door.left.is_set()
        served.door.open()
        assert process.stdout.read() == "2\n"
        assert process.wait(30) == 0


@pytest.mark.parametrize("endpoint", ["Words.held", "Words.hang"])
def test_ctrl_c_cancels_the_call_in_the_worker(served: ServedRun, endpoint: str) -> None:
    """And is quiet."""
    with calling(endpoint) as process:
        assert served.door.reached.wait(30)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (130, "")
        assert served.door.left.wait(30)


def test_reader_that_leaves_ends_the_command(served: ServedRun, tmp_path: Path) -> None:
    """As with ``dynamo call ... | head -1``."""
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"text": "word " * 200_000}))
    with calling("Words.words", f"@{file}") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == '"word"\n'
        process.stdout.close()
        assert process.wait(30) == 141
        assert process.stderr.read() == ""
