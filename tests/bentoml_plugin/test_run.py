"""A run beside a program: what it does when things go wrong, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_bentoml import BentoMLDeploymentTarget, BentoMLRun
from dynamo_core import ServiceConfig, WorkerLostError, with_options
from dynamo_core.errors import AddressInUseError, ConfigError, ServiceFailedError, StartError
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

from .runs_for_tests import GRAPHS, Runs, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider import ServiceEvent


def graph_of(target: str, **configs: dict[str, Any]) -> ServiceGraph:
    """A graph of the tests', with some services configured otherwise."""
    graph = load_graph(f"{GRAPHS}/{target}")
    merged = {}
    for name, config in configs.items():
        data = graph.find_service(name).config.to_data()
        merged[name] = ServiceConfig.from_data(
            {**data, **ServiceConfig(config).to_data(), "http": data["http"]}
        )
    return graph.with_configs(merged)


@pytest.fixture
def running(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., contextlib.AbstractAsyncContextManager[BentoMLRun]]:
    """Runs a graph; nothing of it may be left when the test is over."""
    for name, value in runs.environ().items():
        monkeypatch.setenv(name, value)

    @contextlib.asynccontextmanager
    async def run(
        graph: ServiceGraph, *listeners: Callable[[ServiceEvent], None], **options: Any
    ) -> AsyncIterator[Any]:
        async with run_graph(
            BentoMLDeploymentTarget(), graph, options=options, listeners=listeners
        ) as services:
            yield services

    return run


async def wait_for_change(holds: Callable[[], Any]) -> Any:
    """Wait on the loop until *holds* gives something true."""
    async with asyncio.timeout(20):
        while not (found := await holds()):
            await asyncio.sleep(0.02)
    return found


async def worker_of(services: BentoMLRun, name: str, slot: int = 0) -> Any:
    """One worker's status."""
    service = (await services.status()).find_service(name)
    assert service is not None
    return next(worker for worker in service.workers if worker.slot == slot)


class TestDeath:
    """A worker that dies is replaced in its slot."""

    async def test_killed_worker_is_replaced_and_callers_notice_little(self, running: Any) -> None:
        """Its open calls fail typed, idempotent ones go elsewhere, and the slot gets another worker."""
        events: list[ServiceEvent] = []
        async with running(graph_of("chain.py:Backend"), events.append) as services:
            backend = services.client("Backend")
            pid = await with_options(backend, routing=0).pid()
            os.kill(pid, signal.SIGKILL)
            answers = await asyncio.gather(*(backend.echo(str(number)) for number in range(50)))
            assert answers == [f"Backend: {number}" for number in range(50)]

            async def replaced() -> Any:
                worker = await worker_of(services, "Backend")
                return worker if worker.generation == 2 and worker.state == "ready" else None

            worker = await wait_for_change(replaced)
            assert worker.pid not in {pid, None}
            assert "SIGKILL" in worker.last_cause
            assert await with_options(backend, routing=0).pid() == worker.pid
        kinds = [(event.kind, event.slot) for event in events]
        assert ("died", 0) in kinds
        assert ("restarting", 0) in kinds
        assert ("died", 1) not in kinds

    async def test_call_that_had_begun_fails_with_its_worker(self, running: Any, tmp_path: Path) -> None:
        """It is not made again, since its endpoint does not say that it may be."""
        async with running(graph_of("chain.py:Backend")) as services:
            slot = with_options(services.client("Backend"), routing=1)
            pid = await slot.pid()
            began = tmp_path / "began"
            call = asyncio.ensure_future(slot.hold(str(began)))

            async def has_begun() -> bool:
                return began.exists()

            await wait_for_change(has_begun)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(WorkerLostError) as caught:
                await call
            assert (caught.value.slot, caught.value.begun) == (1, True)

    async def test_killed_guardian_is_replaced(self, running: Any) -> None:
        """So that the run is guarded for as long as it lives."""
        async with running(graph_of("chain.py:Backend")) as services:

            async def guardian() -> int | None:
                for folder in Path("/proc").glob("[0-9]*"):
                    with contextlib.suppress(OSError):
                        words = (folder / "cmdline").read_bytes().split(b"\0")
                        if services.run_id.encode() in words and (folder / "environ").read_bytes() == b"":
                            return int(folder.name)
                return None

            first = await wait_for_change(guardian)
            os.kill(first, signal.SIGKILL)

            async def other() -> bool:
                return await guardian() not in {None, first}

            await wait_for_change(other)
            assert await services.client("Backend").echo("x") == "Backend: x"

    async def test_children_of_a_dead_worker_follow_it(self, running: Any) -> None:
        """Those in its group, and those that have left it."""
        async with running(graph_of("chain.py:Backend")) as services:
            slot = with_options(services.client("Backend"), routing=0)
            children = await slot.start_children()
            os.kill(await slot.pid(), signal.SIGKILL)

            async def gone() -> bool:
                return not any(Path(f"/proc/{child}").exists() for child in children)

            await wait_for_change(gone)

    async def test_death_is_noticed_while_the_program_blocks_its_loop(self, running: Any) -> None:
        """The supervisor has a thread of its own."""
        replaced = threading.Event()

        def hear(event: ServiceEvent) -> None:
            if (event.kind, event.slot) == ("ready", 0) and is_killed:
                replaced.set()

        is_killed: list[bool] = []
        async with running(graph_of("chain.py:Backend"), hear) as services:
            pid = await with_options(services.client("Backend"), routing=0).pid()
            is_killed.append(True)
            os.kill(pid, signal.SIGKILL)
            assert replaced.wait(20)  # on the loop, on purpose
            assert (await worker_of(services, "Backend")).generation == 2

    async def test_crash_loop_passes_its_limit_and_leaves_others_alone(self, running: Any) -> None:
        """The service is given up, with the cause; what depends on it goes on."""
        failed = threading.Event()
        details: list[str] = []

        def hear(event: ServiceEvent) -> None:
            if event.kind == "failed":
                details.append(event.detail)
                failed.set()

        async with running(graph_of("crashing.py:Steady"), hear) as services:
            crashing = services.client("Crashing")
            while not failed.is_set():
                with contextlib.suppress(Exception):
                    await with_options(crashing, timeout_s=2).end()
            assert "3 failures in a row" in details[0]
            assert "exited with status 7" in details[0]
            status = await services.status()
            assert [each.state for each in status.services] == ["failed", "ready"]
            assert status.state == "failed"
            assert await services.client("Steady").echo("still here") == "still here"
            with pytest.raises(ServiceFailedError, match="status 7"):
                await services.wait_ready(10)

    async def test_hanging_worker_is_replaced(self, running: Any) -> None:
        """With the stacks of its threads as its last words."""
        async with running(graph_of("crashing.py:Hanging")) as services:
            hanging = services.client("Hanging")
            first = await hanging.pid()
            with pytest.raises(WorkerLostError):
                await hanging.hang()
            assert await hanging.pid() != first
            assert "watchdog_s" in (await worker_of(services, "Hanging")).last_cause
            lines = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    async for line in services.logs("Hanging"):
                        lines.append(line.text)  # it has no end
            assert any("in hang" in line for line in lines)


class TestStart:
    """A run that cannot be started says why, and leaves nothing."""

    async def test_failing_start_hook_ends_the_start_with_its_words(self, running: Any) -> None:
        """And the whole run."""
        with pytest.raises(StartError) as caught:
            async with running(graph_of("crashing.py:Unstartable")):
                raise AssertionError("the run was given out")
        assert caught.value.service == "Unstartable"
        assert any("no licence for this" in line for line in caught.value.last_lines)

    async def test_taken_port_is_named_before_anything_starts(self, running: Any, runs: Runs) -> None:
        """The first run is unharmed."""
        async with running(graph_of("chain.py:Frontend")) as services:
            url = (await services.status()).find_service("Frontend").http_url
            port = int(url.rpartition(":")[2])
            graph = load_graph(f"{GRAPHS}/chain.py:Frontend")
            config = graph.find_service("Frontend").config
            data = config.to_data()
            taken = ServiceConfig.from_data({**data, "http": {**data["http"], "port": port}})
            workers = len(runs.workers())
            with pytest.raises(AddressInUseError, match=str(port)):
                async with running(graph.with_configs({"Frontend": taken})):
                    raise AssertionError("the run was given out")
            assert len(runs.workers()) == workers
            assert await services.client("Frontend").add(1) == 3

    async def test_missing_secret_is_named_before_anything_starts(self, running: Any) -> None:
        """With the service that wants it."""
        with pytest.raises(ConfigError, match=r"Backend.*NO_SUCH_SECRET"):
            async with running(graph_of("chain.py:Backend", Backend={"secrets": ["NO_SUCH_SECRET"]})):
                raise AssertionError("the run was given out")

    async def test_limit_of_the_whole_start(self, running: Any) -> None:
        """``startup_timeout_s`` of the run, however long the services' own are."""
        with pytest.raises(StartError, match=r"0\.05 s"):
            async with running(graph_of("chain.py:Backend"), startup_timeout_s=0.05):
                raise AssertionError("the run was given out")

    async def test_program_is_left_as_it_was(self, running: Any) -> None:
        """Signals, umask, loggers and its own children."""
        import logging

        def facts() -> tuple[Any, ...]:
            umask = os.umask(0)
            os.umask(umask)
            handlers = [
                signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
            ]
            return (*handlers, umask, tuple(logging.getLogger().handlers), Path.cwd(), tuple(sys.path))

        graph = graph_of("chain.py:Backend")
        before = facts()
        async with running(graph) as services:
            assert facts() == before
            for status in (0, 7):
                child = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
                assert await asyncio.to_thread(child.wait) == status
            assert await services.client("Backend").echo("x") == "Backend: x"
        assert facts() == before
        assert "circus" not in sys.modules


class TestChanges:
    """Changes that fail leave what was there."""

    async def test_restart_to_workers_that_cannot_start_keeps_the_old_ones(
        self, running: Any, tmp_path: Path
    ) -> None:
        """And says why."""
        forbidden = tmp_path / "forbidden"
        graph = graph_of("crashing.py:Picky", Picky={"settings": {"forbidden": str(forbidden)}})
        async with running(graph) as services:
            pid = await services.client("Picky").pid()
            forbidden.touch()
            with pytest.raises(ServiceFailedError) as caught:
                await services.restart("Picky", reason="test")
            assert any("forbidden" in line for line in caught.value.last_lines)
            with pytest.raises(ServiceFailedError):
                await services.scale("Picky", 2)
            assert await services.client("Picky").pid() == pid
            status = (await services.status()).find_service("Picky")
            assert [(worker.slot, worker.state) for worker in status.workers] == [(0, "ready")]

    async def test_worker_is_killed_after_its_grace_whoever_waits_for_it(
        self, running: Any, runs: Runs
    ) -> None:
        """Giving up on the command that takes it away changes nothing, and what follows works."""
        async with running(graph_of("crashing.py:Deaf")) as services:
            leaving = (await services.status()).find_service("Deaf").workers[1].pid
            scaling = asyncio.create_task(services.scale("Deaf", 1))
            async with asyncio.timeout(30):
                while len((await services.status()).find_service("Deaf").workers) == 2:
                    await asyncio.sleep(0.005)
                scaling.cancel()
                while leaving in runs.workers():
                    await asyncio.sleep(0.01)
            await services.scale("Deaf", 2)
            assert len((await services.status()).find_service("Deaf").workers) == 2


class TestSecrets:
    """What is for one service reaches that service only."""

    async def test_secret_reaches_its_service_only_and_no_file_or_argument(
        self, running: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither a sibling's environment, nor argv, nor the state file, nor the status."""
        monkeypatch.setenv("BACKEND_SECRET", "canary-for-the-backend")
        graph = graph_of("chain.py:Frontend", Backend={"secrets": ["BACKEND_SECRET"], "workers": 1})
        async with running(graph) as services:
            assert await services.client("Backend").canary() == "canary-for-the-backend"
            assert await services.client("Frontend").canary() == "none"
            frontend = (await worker_of(services, "Frontend")).pid
            canary = b"canary-for-the-backend"
            for pid in runs.workers():
                assert canary not in Path(f"/proc/{pid}/cmdline").read_bytes()
                assert canary not in Path(f"/proc/{pid}/environ").read_bytes()
            assert frontend in runs.workers()
            for path in runs.run_directories.rglob("*"):
                if path.is_file():
                    assert canary not in path.read_bytes()
            assert "canary" not in repr(await services.status())

    async def test_variables_arrive_byte_for_byte(self, running: Any) -> None:
        """Whatever they look like."""
        odd = "$(circus.env.HOME) ((circus.wid)) $WID %(x)s 'quotes' \"more\" two\nlines ünïcode"
        graph = graph_of("chain.py:Backend", Backend={"envs": {"ODD": odd}, "workers": 1})
        async with running(graph, env_vars={"ABOVE": odd}) as services:
            environ = await services.client("Backend").environ()
        assert (environ["ODD"], environ["ABOVE"]) == (odd, odd)
        assert environ["BENTOML_DO_NOT_TRACK"] == "True"


class TestEnd:
    """Whatever ends the run, nothing is left of it."""

    def test_killed_program_leaves_no_worker(self, runs: Runs) -> None:
        """Nor their children, nor a directory."""
        code = f"""
import sys, time
sys.path.insert(0, {str(GRAPHS)!r})
import chain
from dynamo_bentoml import BentoMLDeploymentTarget
target = BentoMLDeploymentTarget()
target.create_service(chain.Backend)
with target.run_services() as run:
    print("children", run.client(chain.Backend).start_children(), flush=True)
    time.sleep(600)
"""
        with runs.serving([sys.executable, "-c", code]) as program:
            program.wait_for("children")
            assert len(runs.workers()) == 2
            program.process.kill()
            eventually(lambda: not runs.leftovers(), runs.leftovers)

    async def test_ctrl_c_in_the_block_leaves_it_unchanged(self, running: Any) -> None:
        """As every exception does."""
        with pytest.raises(ZeroDivisionError):
            async with running(graph_of("chain.py:Backend")) as services:
                await services.client("Backend").start_children()
                raise ZeroDivisionError

    async def test_removed_socket_does_not_keep_the_run_from_ending(self, running: Any) -> None:
        """Somebody has cleaned up where they should not."""
        async with running(graph_of("chain.py:Backend")) as services:
            backend = services.client("Backend")
            assert await backend.echo("x") == "Backend: x"
            Path((await worker_of(services, "Backend")).path).unlink()
            assert await with_options(backend, routing=0).echo("x") == "Backend: x"


class TestLogs:
    """Lines of workers can be kept in files."""

    async def test_files_hold_what_workers_wrote(self, running: Any, tmp_path: Path) -> None:
        """One for each service, for its user's eyes only."""
        folder = tmp_path / "logs"
        async with running(graph_of("chain.py:Backend"), log_dir=folder) as services:
            await services.client("Backend").say("from the backend")
        (file,) = folder.glob("*.log")
        assert file.name == "Backend.log"
        assert "| from the backend" in file.read_text("utf-8")
        assert file.stat().st_mode & 0o777 == 0o600
