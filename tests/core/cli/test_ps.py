"""``dynamo ps``: what is running, without whatever runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynamo_core.cli import run
from dynamo_core.control import RunDirectory, ServiceState
from dynamo_core.errors import EXIT_NO_RUN

from .runs_for_tests import URL, live_run, worker

SERVICES = (
    ServiceState(name="Backend", state="starting", workers=(worker(0), worker(1, "starting"))),
    ServiceState(name="Frontend", state="ready", workers=(worker(0),), http_url=URL),
)


def test_runs_are_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what one needs to know to reach and to stop them."""
    with live_run(folder, *SERVICES, state="starting") as found:
        assert run(["ps"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["RUN", "GRAPH", "PROVIDER", "STATE", "STARTED", "READY", "URL"]
    cells = row.split()
    assert cells[:4] == [found.run_id, "Frontend", "gone", "starting"]
    assert cells[-2:] == ["1/2", URL]


def test_json_has_the_whole_state(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what the state file cannot know."""
    with live_run(folder, *SERVICES) as found:
        assert run(["ps", "--json"]) == 0
    (data,) = json.loads(capsys.readouterr().out)
    assert data["run_id"] == found.run_id
    assert data["alive"] is True
    assert data["directory"] == str(found.path)
    assert data["url"] == URL
    assert data["problem"] is None
    assert [service["name"] for service in data["services"]] == ["Backend", "Frontend"]
    assert data["services"][0]["workers"][1]["state"] == "starting"


def test_dead_run_is_shown_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody mistakes it for a live one."""
    with live_run(folder) as found:
        found.close()
        assert run(["ps"]) == 0
        out, err = capsys.readouterr()
        assert (out, err) == ("", "note: no run is alive\n")
        assert run(["ps", "--all"]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[3] == "dead"
        assert run(["ps", "--all", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["alive"] is False


def test_nothing_is_an_empty_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs; people are told."""
    assert run(["ps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_run_with_a_damaged_state_is_a_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It does not hide the others, and says what is wrong."""
    with RunDirectory.create(folder) as damaged, live_run(folder) as sound:
        damaged.state_path.write_text("{")
        assert run(["ps"]) == 0
        out, err = capsys.readouterr()
        assert sound.run_id in out
        assert damaged.run_id in out
        assert err.startswith(f"warning: the state of run {damaged.run_id} cannot be read: it is torn")


def test_one_run_shows_its_workers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found by the beginning of its id."""
    with live_run(folder, *SERVICES) as found:
        assert run(["ps", found.run_id[:8]]) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert rows[0] == ["SERVICE", "SLOT", "STATE", "PID", "RESTARTS", "LAST", "END"]
        assert rows[1:] == [
            ["Backend", "0", "ready", "1000", "0", "-"],
            ["Backend", "1", "starting", "1001", "0", "-"],
            ["Frontend", "0", "ready", "1000", "0", "-"],
        ]
        assert run(["ps", found.run_id, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["run_id"] == found.run_id
        assert run(["ps", "zz"]) == EXIT_NO_RUN
