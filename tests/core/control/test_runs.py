"""Finding runs: all of them are listed, and a command gets exactly the one that was meant."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from typing import TYPE_CHECKING

import attrs
import pytest

from dynamo_core.control.run_directory import RunDirectory
from dynamo_core.control.runs import find_run, is_over, list_runs, signal_supervisor, wait_until_over
from dynamo_core.control.state import RunState, start_ticks, write_state
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


async def test_end_of_a_run_can_be_waited_for(folder: Path) -> None:
    """A command that stops a run returns once nothing of it is left, or says that it is not."""
    with start_run(folder, "A") as run:
        found = find_run(base=folder)
        assert not await wait_until_over(found, 0.01)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(wait_until_over(found, 30))
            await asyncio.sleep(0)
            run.remove()
        assert waiting.result()
    assert is_over(found)


async def test_run_that_died_without_clearing_up_is_over(folder: Path) -> None:
    """What counts is the lock."""
    with start_run(folder, "A") as run:
        found = find_run(base=folder)
        run.close()
        assert await wait_until_over(found, 30)


def test_supervisor_is_signalled_and_no_later_process_of_its_number(folder: Path) -> None:
    """The number alone is not believed: when the process started must fit, and the run must be alive."""
    with (
        start_run(folder, "A") as run,
        subprocess.Popen(["sleep", "1000"]) as supervisor,
        subprocess.Popen(["sleep", "1000"]) as stranger,
    ):
        state = attrs.evolve(
            _state_of(run), supervisor_pid=supervisor.pid, supervisor_start_ticks=start_ticks(supervisor.pid)
        )
        found = attrs.evolve(find_run(base=folder), state=state)
        later = attrs.evolve(
            found, state=attrs.evolve(state, supervisor_pid=stranger.pid, supervisor_start_ticks=1)
        )
        assert not signal_supervisor(later, signal.SIGKILL)
        assert signal_supervisor(found, signal.SIGTERM)
        assert supervisor.wait(30) == -signal.SIGTERM
        assert not signal_supervisor(found, signal.SIGTERM)
        over = attrs.evolve(
            found,
            state=attrs.evolve(
                state, supervisor_pid=stranger.pid, supervisor_start_ticks=start_ticks(stranger.pid)
            ),
        )
        run.remove()
        assert not signal_supervisor(over, signal.SIGKILL)
        assert stranger.poll() is None
        stranger.kill()


def test_supervisor_of_an_unreadable_run_is_not_guessed(folder: Path) -> None:
    """Without a state there is nobody to signal."""
    with RunDirectory.create(folder), pytest.raises(RunNotFoundError, match="not known"):
        signal_supervisor(find_run(base=folder), signal.SIGTERM)


def _state_of(run: RunDirectory) -> RunState:
    state = next(found.state for found in list_runs(run.path.parent) if found.run_id == run.run_id)
    assert state is not None
    return state
