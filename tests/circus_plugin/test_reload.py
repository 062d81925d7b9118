"""``reload``: a change of a file reaches the services that have imported it, and a broken one does not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_circus.notify import parse
from dynamo_core.loader import load_graph
from dynamo_core.provider import ServiceEvent
from dynamo_core.provider.binding import run_graph

from .crew_for_tests import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervision is built on Linux")

PATIENCE_S = 40.0

BACKEND = """
import HELPER
from dynamo_core import endpoint, service

@service(workers=2)
class Backend:
    @endpoint
    async def value(self) -> str:
        return HELPER.VALUE

    @endpoint
    async def late(self) -> str:
        import LATE
        return LATE.VALUE
"""

FRONTEND = """
from BACKEND import Backend
from dynamo_core import api, depends, service
from OTHER import Other

@service(http={"port": 0})
class Frontend:
    backend = depends(Backend)
    other = depends(Other)

    @api
    async def value(self) -> str:
        return await self.backend.value()
"""

OTHER = """
from dynamo_core import endpoint, service

@service
class Other:
    @endpoint
    async def value(self) -> str:
        return "other"
"""


class Project:
    """Modules of a user, whose names nobody else has.

    Attributes:
        events: What was told of the run.
    """

    numbers = itertools.count()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[ServiceEvent] = []
        self._suffix = f"_{os.getpid()}_{next(self.numbers)}"
        self._writes = itertools.count(1)
        self.write("HELPER", 'VALUE = "one"')
        self.write("LATE", 'VALUE = "early"')
        self.write("BACKEND", BACKEND)
        self.write("OTHER", OTHER)
        self.write("FRONTEND", FRONTEND)

    def path(self, module: str) -> Path:
        return self.folder / f"{module.lower()}{self._suffix}.py"

    def write(self, module: str, text: str) -> None:
        """Write a module as editors do: the new file takes the place of the old one; each is newer than all before."""
        for name in ("HELPER", "LATE", "BACKEND", "OTHER", "MISSING"):
            text = text.replace(name, self.path(name).stem)
        draft = self.folder / "draft"
        draft.write_text(text)
        when = draft.stat().st_mtime_ns + next(self._writes) * 1_000_000
        os.utime(draft, ns=(when, when))
        draft.rename(self.path(module))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ArbiterHandle]:
        graph = load_graph(f"{self.path('FRONTEND')}:Frontend")
        target = CircusDeploymentTarget()
        async with run_graph(
            target, graph, options={"reload": True}, listeners=[self.events.append]
        ) as arbiter:
            assert isinstance(arbiter, ArbiterHandle)
            yield arbiter

    async def died(self) -> ServiceEvent:
        """The next death of a worker that nobody had asked to stop."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if event.kind == "died":
                        self.events.remove(event)
                        return event
                await asyncio.sleep(0.01)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    paths, modules = sys.path[:], set(sys.modules)
    yield Project(tmp_path)
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


async def generations(arbiter: ArbiterHandle) -> dict[str, list[int]]:
    status = await arbiter.status()
    return {each.name: [worker.generation for worker in each.workers] for each in status.services}


async def until_generations(arbiter: ArbiterHandle, **wanted: list[int]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await generations(arbiter)
            states = {worker.state for each in (await arbiter.status()).services for worker in each.workers}
            if found == wanted and states == {"ready"}:
                return
            await asyncio.sleep(0.02)


async def until_value(endpoint: Any, wanted: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await endpoint() != wanted:
            await asyncio.sleep(0.02)


async def test_change_reaches_who_imported_it_and_who_depends_on_it(runs: Path, project: Project) -> None:
    """With no failed call, on the port that there was; others go on as they were."""
    async with project.running() as arbiter:
        frontend = arbiter.client("Frontend")
        assert await frontend.value() == "one"
        before = {each.name: each for each in (await arbiter.status()).services}
        project.write("HELPER", 'VALUE = "two"')
        await until_value(frontend.value, "two")
        await until_generations(arbiter, Backend=[2, 2], Other=[1], Frontend=[2])
        after = {each.name: each for each in (await arbiter.status()).services}
    assert after["Frontend"].http_url == before["Frontend"].http_url
    assert after["Other"].workers[0].pid == before["Other"].workers[0].pid
    said = [event.detail for event in project.events if event.kind == "message"]
    reason = f"({os.path.relpath(project.path('HELPER'))} has changed)"
    assert said == [f"restarted, one worker after another {reason}"] * 2


async def test_module_that_was_imported_late_counts_too(runs: Path, project: Project) -> None:
    """From the call on that imported it."""
    async with project.running() as arbiter:
        backend = arbiter.client("Backend")
        assert {await backend.late() for _ in range(4)} == {"early"}
        project.write("LATE", 'VALUE = "late"')
        await until_value(backend.late, "late")
        await until_generations(arbiter, Backend=[2, 2], Other=[1], Frontend=[2])


async def test_version_that_does_not_start_leaves_the_one_before_it(runs: Path, project: Project) -> None:
    """It says why, and the next change is the next try; nobody else is restarted for nothing."""
    async with project.running() as arbiter:
        backend = arbiter.client("Backend")
        project.write("HELPER", "VALUE = = 1")
        event = await project.died()
        assert (event.service, event.slot) == ("Backend", 0)
        assert "SyntaxError" in event.last_lines[-1]
        assert {await backend.value() for _ in range(8)} == {"one"}
        project.write("HELPER", 'VALUE = "three"')
        await until_value(backend.value, "three")
        await until_generations(arbiter, Backend=[3, 2], Other=[1], Frontend=[2])


async def test_module_that_was_missing_is_waited_for(runs: Path, project: Project) -> None:
    """Whether the file or what imports it comes first."""
    async with project.running() as arbiter:
        project.write("HELPER", "from MISSING import VALUE")
        assert "ModuleNotFoundError" in (await project.died()).last_lines[-1]
        project.write("MISSING", 'VALUE = "found"')
        await until_value(arbiter.client("Frontend").value, "found")


async def test_version_that_hangs_is_overtaken_by_the_next(runs: Path, project: Project) -> None:
    """Long before its start time is over."""
    async with project.running() as arbiter:
        hanging = project.path("HELPER").with_suffix(".hangs")
        project.write("HELPER", f"import time\nopen({str(hanging)!r}, 'x').close()\ntime.sleep(10_000)")
        await until(hanging.exists, "a worker of this version hangs")
        project.write("HELPER", 'VALUE = "next"')
        await until_value(arbiter.client("Frontend").value, "next")
        await until_generations(arbiter, Backend=[3, 2], Other=[1], Frontend=[2])


async def test_several_changes_are_one_restart(runs: Path, project: Project) -> None:
    """Such as those of a version control system."""
    async with project.running() as arbiter:
        for module, text in (("HELPER", 'VALUE = "two"'), ("OTHER", OTHER), ("BACKEND", BACKEND)):
            project.write(module, text)
        await until_generations(arbiter, Backend=[2, 2], Other=[2], Frontend=[2])
        assert await arbiter.client("Frontend").value() == "two"


async def test_file_that_goes_away_is_no_change(runs: Path, project: Project) -> None:
    """Until there is another one."""
    async with project.running() as arbiter:
        frontend = arbiter.client("Frontend")
        project.path("HELPER").unlink()
        project.write("OTHER", OTHER + "\n")
        await until_generations(arbiter, Backend=[1, 1], Other=[2], Frontend=[2])
        project.write("HELPER", 'VALUE = "back"')
        await until_value(frontend.value, "back")


async def test_run_without_reload_stays_as_it_is(runs: Path, project: Project) -> None:
    """Its workers tell of no files."""
    graph = load_graph(f"{project.path('FRONTEND')}:Frontend")
    async with run_graph(CircusDeploymentTarget(), graph) as arbiter:
        project.write("HELPER", 'VALUE = "two"')
        assert await arbiter.client("Frontend").value() == "one"
        assert await generations(arbiter) == {"Backend": [1, 1], "Other": [1], "Frontend": [1]}


def test_one_notification_may_name_several_files() -> None:
    """Any other key has its last value."""
    message = b"DYNAMO_WATCH=/a\nSTATUS=one\nDYNAMO_WATCH=/b=c\nSTATUS=two"
    assert parse(message) == {"DYNAMO_WATCH": "/a\n/b=c", "STATUS": "two"}
