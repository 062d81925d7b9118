"""Finding runs: all of them are listed, and a command gets exactly the one that was meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from dynamo_core.control.run_directory import RunDirectory
from dynamo_core.control.runs import find_run, list_runs
from dynamo_core.control.state import RunState, write_state
from dynamo_core.errors import RunNotFoundError

if TYPE_CHECKING:
    from pathlib import Path


def start_run(folder: Path, graph: str, started_at: str = "2026-11-23T10:00:00+00:00") -> RunDirectory:
    """A live run of *graph*."""
    run = RunDirectory.create(folder)
    state = RunState(
        run_id=run.run_id,
        provider="gone",
        graph=graph,
        target=f"app:{graph}",
        supervisor_pid=1,
        supervisor_start_ticks=1,
        started_at=started_at,
    )
    write_state(run.fileno(), state)
    return run


def test_runs_are_listed_in_order_with_their_state(folder: Path) -> None:
    """Live and dead runs are told apart; nothing has to be imported to read them."""
    with start_run(folder, "B", "2026-02") as second, start_run(folder, "A", "2026-01") as first:
        second.close()
        found = list_runs(folder)
        assert [run.run_id for run in found] == [first.run_id, second.run_id]
        assert [run.is_alive for run in found] == [True, False]
        assert [run.state.graph for run in found if run.state] == ["A", "B"]
        assert found[0].control_socket_path == first.path / "control.sock"


def test_run_without_a_readable_state_is_listed_with_the_reason(folder: Path) -> None:
    """A run that is starting, or whose file is damaged, does not vanish and does not break the list."""
    with (
        RunDirectory.create(folder) as young,
        start_run(folder, "A") as damaged,
        start_run(folder, "B") as other,
    ):
        damaged.state_path.write_text("{")
        state = list_runs(folder)
        write_state(other.fileno(), attrs.evolve(_state_of(other), run_id="f" * 16))
        problems = {run.run_id: run.problem for run in list_runs(folder)}
        assert len(state) == 3
        assert "torn" in problems[damaged.run_id]
        assert "another run" in problems[other.run_id]
        assert problems[young.run_id] == "it is missing"


def test_only_run_is_found_without_a_name(folder: Path) -> None:
    """Where there is no choice, none has to be made; dead runs are no choice."""
    with start_run(folder, "A") as run, start_run(folder, "A") as dead:
        dead.close()
        assert find_run(base=folder).run_id == run.run_id


def test_run_is_found_by_id_beginning_and_graph(folder: Path) -> None:
    """Several runs are told apart by what people can see of them."""
    with start_run(folder, "A") as first, start_run(folder, "B"):
        for wanted in (first.run_id, "A", first.run_id[:12]):
            assert find_run(wanted, base=folder).run_id == first.run_id


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (None, "2 runs are alive: .*name one"),
        ("A", "2 runs are alive that fit 'A'"),
        ("zz", r"no live run fits 'zz'; there are: .*\(A\)"),
        ("", "no live run fits ''"),
        ("../..", "no live run fits"),
    ],
)
def test_unclear_name_is_refused(folder: Path, wanted: str | None, message: str) -> None:
    """No command guesses which run is meant."""
    with start_run(folder, "A"), start_run(folder, "A"), pytest.raises(RunNotFoundError, match=message):
        find_run(wanted, base=folder)


def test_no_run_at_all_is_told(folder: Path) -> None:
    """The message does not suggest that a name was wrong."""
    with pytest.raises(RunNotFoundError, match="no run is alive"):
        find_run("A", base=folder)


def _state_of(run: RunDirectory) -> RunState:
    state = next(found.state for found in list_runs(run.path.parent) if found.run_id == run.run_id)
    assert state is not None
    return state
