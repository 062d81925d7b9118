"""A run of worker processes, whatever starts them."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import attrs
import pytest

from dynamo_core import WorkerLostError
from dynamo_core.config import Settings
from dynamo_core.control.client import ControlClient
from dynamo_core.errors import (
    ConfigError,
    NotImportableError,
    ServiceFailedError,
    ServiceUnavailableError,
    StartError,
    UnsupportedOperationError,
)
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.provider import ServiceEvent
from dynamo_core.worker_run.launcher import Launch, Launcher
from dynamo_core.worker_run.run import WorkerRun, run_workers

from .engine_for_tests import Backend, Frontend, SubprocessEngine, bind

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def engine() -> SubprocessEngine:
    return SubprocessEngine()


@pytest.fixture
def heard() -> list[ServiceEvent]:
    return []


def gated(gate: Path, **supervision: object) -> ServiceGraph:
    """``Backend`` alone, which starts as long as *gate* exists."""
    graph = collect(Backend)
    config = graph.entry.config
    changed = attrs.evolve(
        config,
        settings=Settings({"fails_if_missing": str(gate)}),
        supervision=attrs.evolve(config.supervision, **supervision),
    )
    return graph.with_configs({"Backend": changed})


async def until(heard: list[ServiceEvent], kind: str, *, times: int = 1) -> None:
    """Wait until an event of that kind was heard so often."""
    async with asyncio.timeout(20):
        while [event.kind for event in heard].count(kind) < times:
            await asyncio.sleep(0.01)


async def stopped_answering(run: WorkerRun, folder: Path) -> asyncio.Future[None]:
    """Have the only worker block its loop; gives the call that does it."""
    sign = folder / "blocked"
    call = asyncio.ensure_future(run.client(Backend).stop_answering(str(sign)))
    async with asyncio.timeout(20):
        while not sign.exists():
            await asyncio.sleep(0.01)
    return call


async def test_order_names_whose_worker_it_is(engine: SubprocessEngine, heard: list[ServiceEvent]) -> None:
    """And holds nothing secret in its command."""
    async with run_workers(bind(collect(Frontend), heard), engine, provider="test") as run:
        assert await run.client(Frontend).echo("hello") == "hello"
        assert [(each.service, each.slot, each.generation) for each in engine.orders] == [
            ("Backend", 0, 1),
            ("Frontend", 0, 1),
        ]
        assert engine.orders[0].argv[-2:] == ("-m", "dynamo_core.worker_kit")
        status = await run.status()
        assert (status.provider, status.state) == ("test", "ready")


async def test_worker_that_cannot_be_started_fails_the_start(
    engine: SubprocessEngine, heard: list[ServiceEvent], folder: Path
) -> None:
    """With the system's own words, and without leaving anything."""
    engine.refuse = PermissionError(13, "Permission denied")
    with pytest.raises(StartError, match="it cannot be started: Permission denied") as caught:
        async with run_workers(bind(collect(Frontend), heard), engine, provider="test"):
            raise AssertionError("the run was given out")
    assert caught.value.service == "Backend"
    assert list(folder.iterdir()) == []


async def test_lines_of_a_failed_start_are_told(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """All that the worker wrote before its end is there."""
    with pytest.raises(StartError) as caught:
        async with run_workers(bind(gated(tmp_path / "absent"), heard), engine, provider="test"):
            raise AssertionError("the run was given out")
    assert caught.value.cause == "exited with status 1 before it was ready"
    assert caught.value.last_lines[-1] == "RuntimeError: the gate is closed"
    assert "failed" in [event.kind for event in heard]


async def test_worker_that_does_not_stop_in_time_is_killed(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """Its caller learns that it is lost."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        call = await stopped_answering(run, tmp_path)
    with pytest.raises((WorkerLostError, ServiceUnavailableError)):
        await call


async def test_worker_is_killed_after_its_grace_whoever_waits_for_it(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """Giving up on the command that takes it away changes nothing, and what follows works."""
    graph = collect(Backend)
    brief = attrs.evolve(graph.entry.config.supervision, stop_timeout_s=0.3)
    graph = graph.with_configs({"Backend": attrs.evolve(graph.entry.config, supervision=brief)})
    async with run_workers(bind(graph, heard), engine, provider="test") as run:
        call = await stopped_answering(run, tmp_path)
        scaling = asyncio.ensure_future(run.scale("Backend", 0))
        await until(heard, "stopping")
        scaling.cancel()
        with pytest.raises((WorkerLostError, ServiceUnavailableError)):
            await call
        await run.scale("Backend", 1)
        assert await run.client(Backend).echo("x") == "x"


async def test_scale_up_that_is_given_up_leaves_the_service_as_it_was(
    engine: SubprocessEngine, heard: list[ServiceEvent]
) -> None:
    """What was being started is gone."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        scaling = asyncio.ensure_future(run.scale("Backend", 3))
        await until(heard, "spawned", times=2)
        scaling.cancel()
        await asyncio.wait({scaling})
        assert len((await run.status()).services[0].workers) == 1
        await run.scale("Backend", 2)
        assert len((await run.status()).services[0].workers) == 2


async def test_deaths_past_the_limit_are_told_as_degraded(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """A slot that cannot be filled keeps trying, and its service says so."""
    gate = tmp_path / "gate"
    gate.touch()
    graph = gated(gate, max_failures=2, stable_time_s=60)
    async with run_workers(bind(graph, heard), engine, provider="test") as run:
        gate.unlink()
        with pytest.raises(WorkerLostError):
            await run.client(Backend).die()
        await until(heard, "degraded")
        assert (await run.status()).state == "degraded"
        (death,) = [event for event in heard if event.kind == "died"][:1]
        assert death.detail == "was killed by signal 9 (SIGKILL) while it served"


async def test_replacement_that_does_not_start_leaves_its_predecessor(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """A restart or a larger scale that fails changes nothing."""
    gate = tmp_path / "gate"
    gate.touch()
    async with run_workers(bind(gated(gate), heard), engine, provider="test") as run:
        before = await run.client(Backend).pid()
        gate.unlink()
        with pytest.raises(ServiceFailedError):
            await run.restart("Backend")
        with pytest.raises(ServiceFailedError):
            await run.scale("Backend", 2)
        assert await run.client(Backend).pid() == before
        (backend,) = (await run.status()).services
        assert [worker.slot for worker in backend.workers] == [0]


async def test_run_can_be_told_what_to_do_over_its_control_socket(
    engine: SubprocessEngine, heard: list[ServiceEvent], folder: Path
) -> None:
    """Status, lines that were kept, scaling, and the end."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        await run.client(Backend).echo("hello")
        control = ControlClient(folder / run.run_id / "control.sock", run.run_id)
        assert (await control.status()).run_id == run.run_id
        await control.scale("Backend", 2)
        assert len((await control.status()).services[0].workers) == 2
        lines = [line.text async for line in control.logs("Backend", follow=False)]
        assert "echo hello" in lines
        await control.stop()
        await until(heard, "stopped")
        await control.aclose()


async def test_hurry_ends_a_run_without_waiting(
    engine: SubprocessEngine, heard: list[ServiceEvent], tmp_path: Path
) -> None:
    """Workers are killed, whatever they do."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        assert isinstance(run, WorkerRun)
        call = await stopped_answering(run, tmp_path)
        stopping = asyncio.ensure_future(run.stop())
        await until(heard, "stopping")
        run.hurry()
        await stopping
        with pytest.raises((WorkerLostError, ServiceUnavailableError)):
            await call


async def test_secret_that_is_not_there_is_a_wrong_configuration(
    engine: SubprocessEngine, heard: list[ServiceEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found before anything is started."""
    monkeypatch.delenv("ABSENT_SECRET", raising=False)
    graph = collect(Backend)
    config = attrs.evolve(graph.entry.config, secrets=("ABSENT_SECRET",))
    with pytest.raises(ConfigError, match="names 'ABSENT_SECRET', which is not in the environment"):
        async with run_workers(bind(graph.with_configs({"Backend": config}), heard), engine, provider="test"):
            raise AssertionError("the run was given out")
    assert engine.orders == []


async def test_class_that_workers_cannot_import_is_refused(
    engine: SubprocessEngine, heard: list[ServiceEvent]
) -> None:
    """Before anything is made for it."""

    class Local(Backend):
        pass

    with pytest.raises(NotImportableError):
        async with run_workers(bind(collect(Local), heard), engine, provider="test"):
            raise AssertionError("the run was given out")


async def test_edge_to_a_worker_of_another_run_is_refused(
    engine: SubprocessEngine, heard: list[ServiceEvent]
) -> None:
    """It says which."""
    graph = collect(Frontend)
    frontend = graph.find_service("Frontend")
    edge = attrs.evolve(frontend.dependencies["backend"], service_name=None, url="unix:/w.sock")
    apart = attrs.evolve(frontend, dependencies={"backend": edge})
    bound = bind(attrs.evolve(graph, services=(apart,), entry=apart), heard)
    with pytest.raises(UnsupportedOperationError, match=r"call unix:/w\.sock for Frontend\.backend"):
        async with run_workers(bound, engine, provider="test"):
            raise AssertionError("the run was given out")


async def test_stop_gives_up_a_worker_that_is_being_started(
    engine: SubprocessEngine, heard: list[ServiceEvent], folder: Path
) -> None:
    """A restart that is under way does not outlive its run."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        restarting = asyncio.ensure_future(run.restart("Backend"))
        await until(heard, "spawned", times=2)
        await run.stop()
        with pytest.raises(ServiceFailedError):
            await restarting
    assert list(folder.iterdir()) == []


async def test_engine_that_fails_for_a_while_is_tried_again(
    engine: SubprocessEngine, heard: list[ServiceEvent]
) -> None:
    """One death is told once, however often its replacement cannot be started."""
    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        before = await run.client(Backend).pid()
        engine.refuse = OSError(12, "Cannot allocate memory")
        with pytest.raises(WorkerLostError):
            await run.client(Backend).die()
        await until(heard, "restarting", times=3)
        engine.refuse = None
        await run.wait_ready(20)
        assert await run.client(Backend).pid() != before
    assert [event.kind for event in heard].count("died") == 1


async def test_launch_that_cannot_be_prepared_for_a_while_is_tried_again(
    engine: SubprocessEngine, heard: list[ServiceEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Descriptors may run out, and there may be some again later."""
    prepare, refused = Launcher.prepare, [0]

    def prepare_later(*arguments: Any) -> Launch:
        if refused[0] < 2:
            refused[0] += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return prepare(*arguments)

    async with run_workers(bind(collect(Backend), heard), engine, provider="test") as run:
        before = await run.client(Backend).pid()
        monkeypatch.setattr(Launcher, "prepare", prepare_later)
        with pytest.raises(WorkerLostError):
            await run.client(Backend).die()
        await until(heard, "restarting", times=3)
        await run.wait_ready(20)
        assert await run.client(Backend).pid() != before
        (backend,) = (await run.status()).services
        assert backend.workers[0].last_cause == "it cannot be started: Too many open files"
    assert [event.seconds for event in heard if event.kind == "restarting"] == [0.0, 0.1, 0.2]


async def test_launch_that_cannot_be_prepared_fails_the_start(
    engine: SubprocessEngine, heard: list[ServiceEvent], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the service's failure, and nothing is left."""

    def refuse(*_: Any) -> Launch:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Launcher, "prepare", refuse)
    with pytest.raises(StartError, match="it cannot be started: Too many open files"):
        async with run_workers(bind(collect(Backend), heard), engine, provider="test"):
            raise AssertionError("the run was given out")
    assert list(folder.iterdir()) == []
