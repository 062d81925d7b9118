"""Runs on this machine: their private directories, their state, and how they are found.

How a run is told what to do is in :mod:`dynamo_core.control.server` and :mod:`dynamo_core.control.client`, which
need the transport.
"""

from dynamo_core.control.run_directory import RunDirectory, check_socket_path, sweep_dead_runs
from dynamo_core.control.runs import (
    FoundRun,
    find_run,
    is_over,
    list_runs,
    signal_supervisor,
    wait_until_over,
)
from dynamo_core.control.state import (
    RunState,
    ServiceState,
    StateFileError,
    WorkerState,
    is_same_process,
    read_state,
    start_ticks,
    write_state,
)

__all__ = [
    "FoundRun",
    "RunDirectory",
    "RunState",
    "ServiceState",
    "StateFileError",
    "WorkerState",
    "check_socket_path",
    "find_run",
    "is_over",
    "is_same_process",
    "list_runs",
    "read_state",
    "signal_supervisor",
    "start_ticks",
    "sweep_dead_runs",
    "wait_until_over",
    "write_state",
]
