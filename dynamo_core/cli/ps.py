"""``dynamo ps``: the runs of this user, from the state files that their supervisors keep."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from dynamo_core.cli.completing import complete_run
from dynamo_core.cli.console import message, write_json, write_table

if TYPE_CHECKING:
    from dynamo_core.control import FoundRun, RunState


@click.command(short_help="List runs, or the workers of one.")
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "-a", "--all", "with_dead", is_flag=True, help="Show dead runs that nothing has cleared up yet too."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def ps(run: str | None, with_dead: bool, as_json: bool) -> None:
    """List the runs that are alive; with RUN, the workers of that one.

    RUN is a run's id, the beginning of one, or the name of its graph.
    What a dead run left behind is cleared when the next run starts.
    """
    from dynamo_core.control import find_run, list_runs

    if run is not None:
        _show_one(find_run(run), as_json=as_json)
        return
    runs = [found for found in list_runs() if found.is_alive or with_dead]
    if as_json:
        write_json([_data(found) for found in runs])
        return
    for found in runs:
        if found.state is None:
            _tell_problem(found)
    if not runs:
        message("no run is alive", kind="note")
        return
    headers = ("RUN", "GRAPH", "PROVIDER", "STATE", "STARTED", "READY", "URL")
    write_table(headers, [_cells(found) for found in runs])


def _show_one(run: FoundRun, *, as_json: bool) -> None:
    if as_json:
        write_json(_data(run))
        return
    if run.state is None:
        _tell_problem(run)
        return
    headers = ("SERVICE", "SLOT", "STATE", "PID", "RESTARTS", "LAST END")
    rows = [
        (
            service.name,
            str(worker.slot),
            worker.state,
            "-" if worker.pid is None else str(worker.pid),
            str(worker.restarts),
            worker.last_cause or "-",
        )
        for service in run.state.services
        for worker in service.workers
    ]
    write_table(headers, rows)


def _tell_problem(run: FoundRun) -> None:
    message(f"the state of run {run.run_id} cannot be read: {run.problem}", kind="warning")


def _cells(run: FoundRun) -> tuple[str, ...]:
    state = run.state
    if state is None:
        return (run.run_id, "?", "?", "?" if run.is_alive else "dead", "?", "?", "-")
    ready = sum(service.state == "ready" for service in state.services)
    return (
        run.run_id,
        state.graph,
        state.provider,
        state.state if run.is_alive else "dead",
        _local_time(state.started_at),
        f"{ready}/{len(state.services)}",
        _url(state) or "-",
    )


def _url(state: RunState) -> str | None:
    """Where the run is reached: the entry service is the last one."""
    return next((service.http_url for service in reversed(state.services) if service.http_url), None)


def _local_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return text


def _data(run: FoundRun) -> dict[str, Any]:
    known: dict[str, Any] = {} if run.state is None else run.state.to_data()
    return {
        **known,
        "run_id": run.run_id,
        "alive": run.is_alive,
        "directory": str(run.path),
        "url": None if run.state is None else _url(run.state),
        "problem": run.problem or None,
    }
