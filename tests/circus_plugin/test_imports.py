"""What each process of a run imports: starts, recovery and memory are made of that, so it is counted here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.config import HttpConfig, ServiceConfig
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUPERVISORS_OWN = {"circus", "zmq", "tornado", "psutil", "dynamo_circus.supervisor"}
COMMANDS_OWN = {
    "click",
    "rich",
    "yaml",
    "pluggy",
    "importlib_metadata",
    "dynamo_core.cli",
    "dynamo_core.provider",
}
HTTPS_OWN = {"starlette", "uvicorn", "httptools", "anyio", "multiprocessing", "dynamo_core.http.assembly"}
OTHERS = {"pydantic", "fastapi", "bentoml", "numpy", "grpc", "dynamo_core.inprocess", "dynamo_core.testing"}

MOST_IN_A_WORKER = 365
"""Modules in a worker without HTTP; 347 when this was written, half of them Python's own."""
MOST_IN_A_WORKER_WITH_HTTP = 520
"""The same with HTTP; 495 when this was written."""
MOST_IN_A_SUPERVISOR = 530
"""Modules in a supervisor, without the command's; 501 when this was written."""


def found_in(modules: Iterable[str], unwanted: set[str]) -> set[str]:
    """Those of *unwanted* that are among *modules*."""
    return unwanted & set(modules)


async def test_a_worker_imports_what_it_serves_with_and_nothing_else(runs: Path, graphs: Path) -> None:
    """HTTP only where it is served; nothing of the supervisor's and the command's anywhere."""
    graph = load_graph(f"{graphs}/imports.py:Frontend")
    graph = graph.with_configs({"Frontend": ServiceConfig(http=HttpConfig(port=0))})
    async with run_graph(CircusDeploymentTarget(), graph) as run:
        backend = await run.client("Backend").modules()
        frontend = await run.client("Frontend").modules()
    assert not found_in(backend, SUPERVISORS_OWN | COMMANDS_OWN | HTTPS_OWN | OTHERS)
    assert not found_in(
        frontend, SUPERVISORS_OWN | (COMMANDS_OWN - {"click"}) | OTHERS
    )  # uvicorn imports click
    assert "starlette" in frontend
    assert len(backend) <= MOST_IN_A_WORKER
    assert len(frontend) <= MOST_IN_A_WORKER_WITH_HTTP


def modules_after(statement: str) -> list[str]:
    """What a fresh interpreter has imported after *statement*."""
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(done.stdout)
    return modules


@pytest.mark.parametrize(
    "statement", ["import dynamo_circus.serve", "import dynamo_circus.supervisor.__main__"]
)
def test_a_supervisor_serves_no_http_and_knows_no_models(statement: str) -> None:
    """Whether it is the command itself or was started by a program."""
    modules = modules_after(statement)
    assert not found_in(
        modules, HTTPS_OWN - {"multiprocessing"} | OTHERS | {"uvloop", "rich"}
    )  # zmq imports that
    assert len(modules) <= MOST_IN_A_SUPERVISOR


def test_a_program_that_runs_services_imports_nothing_of_circus() -> None:
    """Importing circus changes the process it is imported into."""
    modules = modules_after("import dynamo_circus.run")
    assert not found_in(modules, SUPERVISORS_OWN | HTTPS_OWN | OTHERS | {"click", "uvloop", "rich", "yaml"})


def test_as_many_import_at_once_as_there_are_cores_to_use() -> None:
    """Those of the machine that this process may not use do not count."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from dynamo_circus.supervisor.run_crew import MOST_BEGINNING as most; print(most)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
