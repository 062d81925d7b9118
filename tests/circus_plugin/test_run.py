"""Runs beside a program: started, called, disturbed and stopped, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_circus.supervisor_process import SupervisorError
from dynamo_core import with_options
from dynamo_core.errors import (
    DynamoError,
    NotImportableError,
    ServiceUnavailableError,
    StartError,
    WorkerLostError,
)
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

from .crew_for_tests import is_alive, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@contextlib.asynccontextmanager
async def running(target: str, **options: Any) -> AsyncIterator[ArbiterHandle]:
    async with run_graph(CircusDeploymentTarget(), load_graph(target), options=options) as arbiter:
        assert isinstance(arbiter, ArbiterHandle)
        yield arbiter


async def worker_pids(arbiter: ArbiterHandle) -> dict[str, list[int]]:
    status = await arbiter.status()
    return {each.name: [worker.pid or 0 for worker in each.workers] for each in status.services}


async def test_every_kind_of_call_crosses_processes(runs: Path, graphs: Path) -> None:
    """Unary, stream, sync and sync stream, from the program and from service to service."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        backend, frontend = arbiter.client("Backend"), arbiter.client("Frontend")
        assert await backend.echo("hello") == "Backend: hello"
        assert [item async for item in backend.count(3)] == [0, 1, 2]
        assert await asyncio.to_thread(backend.shout, "hello") == "HELLO"
        assert await asyncio.to_thread(lambda: list(backend.letters("abc"))) == ["a", "b", "c"]
        assert [item async for item in frontend.generate("x")] == [
            "Frontend: Backend: started",
            "Frontend: Backend: x",
            "Frontend: 0",
            "Frontend: 1",
            "Frontend: 2",
        ]
        assert await backend.pid() != os.getpid()
        pids = await worker_pids(arbiter)
    assert [len(found) for found in pids.values()] == [2, 1]
    assert not any(is_alive(pid) for found in pids.values() for pid in found)


async def test_arbiter_speaks_circus(runs: Path, graphs: Path) -> None:
    """Watchers, processes, sockets and stats are what Circus calls them."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        assert await arbiter.watchers() == ["Backend", "Frontend"]
        assert await arbiter.numprocesses("Backend") == 2
        sockets = await arbiter.sockets()
        assert [len(paths) for paths in sockets.values()] == [2, 1]
        assert (await arbiter.stats("Frontend")).ready_workers == 1


async def test_stream_of_a_killed_worker_ends_with_its_name(runs: Path, graphs: Path) -> None:
    """The caller learns which worker was lost; the next calls succeed, and the worker is back."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        backend = arbiter.client("Backend")
        stream = backend.drip()
        pid = await anext(stream)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerLostError) as caught:
            await anext(stream)
        slot = caught.value.slot
        assert caught.value.service == "Backend"
        assert f"Backend/{slot}" in str(caught.value)
        assert [await backend.echo(str(number)) for number in range(4)] == [f"Backend: {n}" for n in range(4)]
        async with asyncio.timeout(30):
            while (worker := (await arbiter.stats("Backend")).workers[slot]).pid in {pid, None}:
                await asyncio.sleep(0.01)
        assert worker.generation == 2
        assert "signal 9" in worker.last_cause


async def test_workers_and_their_children_die_with_the_supervisor(runs: Path, graphs: Path) -> None:
    """kill -9 of the supervisor leaves neither a worker nor what a worker has started."""
    run = running(f"{graphs}/chain.py:Frontend")
    arbiter = await run.__aenter__()
    pids = [pid for found in (await worker_pids(arbiter)).values() for pid in found]
    pids.append(await arbiter.client("Backend").start_child())
    assert all(is_alive(pid) for pid in pids)
    os.kill(arbiter.pid, signal.SIGKILL)
    await until(lambda: not any(is_alive(pid) for pid in pids), "all are gone")
    with pytest.raises(SupervisorError, match="ended unexpectedly"):
        await run.__aexit__(None, None, None)
    await until(lambda: not list(runs.iterdir()), "the guardian has cleared up")


async def test_worker_that_cannot_be_built_fails_the_start(runs: Path, graphs: Path) -> None:
    """The error names the service and carries the traceback it wrote."""
    with pytest.raises(StartError) as caught:
        async with running(f"{graphs}/broken.py:RaisesInConstructor"):
            pass
    assert caught.value.service == "RaisesInConstructor"
    assert "exited with status 1" in caught.value.cause
    assert caught.value.last_lines[-1] == "RuntimeError: the model is missing"
    assert any("broken.py" in line for line in caught.value.last_lines)


async def test_worker_that_exits_early_fails_the_start(runs: Path, graphs: Path) -> None:
    """Its exit status is told."""
    with pytest.raises(StartError, match="exited with status 7"):
        async with running(f"{graphs}/broken.py:ExitsInHook"):
            pass


async def test_worker_that_is_never_ready_fails_the_start(runs: Path, graphs: Path) -> None:
    """What it waits for is told."""
    with pytest.raises(StartError, match=r"not ready within 2 s .*start hooks"):
        async with running(f"{graphs}/broken.py:NeverReady"):
            pass


async def test_class_of_a_function_is_refused_before_anything_starts(runs: Path) -> None:
    """A worker could not import it."""
    from dynamo_core import endpoint, service

    @service
    class Local:
        @endpoint
        async def echo(self, text: str) -> str:
            return text

    target = CircusDeploymentTarget()
    target.create_service(Local)
    with pytest.raises(NotImportableError, match="Local"):
        async with target.run_services():
            pass


async def test_service_is_scaled_while_it_is_called(runs: Path, graphs: Path) -> None:
    """More and fewer workers, and no call fails."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        backend = arbiter.client("Backend")
        async with asyncio.TaskGroup() as tasks:
            is_done = asyncio.Event()

            async def call() -> set[int]:
                seen = set()
                while not is_done.is_set():
                    seen.add(await backend.pid())
                return seen

            calling = tasks.create_task(call())
            await arbiter.scale("Backend", 3)
            assert len((await arbiter.stats("Backend")).workers) == 3
            await until_called(backend, 3)
            await arbiter.scale("Backend", 1)
            is_done.set()
        assert len(calling.result()) >= 1
        assert len((await arbiter.stats("Backend")).workers) == 1
        assert len({await backend.pid() for _ in range(4)}) == 1


async def until_called(backend: Any, workers: int) -> None:
    async with asyncio.timeout(30):
        while len({await backend.pid() for _ in range(2 * workers)}) != workers:
            pass


async def test_service_is_restarted_one_worker_after_another(runs: Path, graphs: Path) -> None:
    """Every worker is a new one, and calls go on meanwhile."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        before = (await worker_pids(arbiter))["Backend"]
        await arbiter.restart("Backend", reason="a test")
        after = (await worker_pids(arbiter))["Backend"]
        assert not set(before) & set(after)
        assert await arbiter.client("Frontend").backend_pid() in after


async def test_lines_of_workers_can_be_read(runs: Path, graphs: Path) -> None:
    """Lines written before and after the question, with who wrote them."""
    async with running(f"{graphs}/chain.py:Frontend") as arbiter:
        backend = arbiter.client("Backend")
        await backend.say("early")
        async with contextlib.aclosing(arbiter.logs("Backend")) as lines:  # type: ignore[type-var]
            first = await anext(lines)
            await backend.say("late")
            second = await anext(lines)
    assert (first.service, first.text, second.text) == ("Backend", "early", "late")


async def test_environment_is_the_callers_less_ours(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers inherit what the caller has, and nothing that is about the run."""
    monkeypatch.setenv("CHAIN_OF_TESTS", "$(circus.env.HOME) ((circus.wid)) $WID %(x)s 'quoted'\n")
    async with running(f"{graphs}/chain.py:Frontend", env_vars={"EXTRA": "1"}) as arbiter:
        environ = arbiter.client("Backend").environ
        assert await environ("CHAIN_OF_TESTS") == "$(circus.env.HOME) ((circus.wid)) $WID %(x)s 'quoted'\n"
        assert await environ("DYNAMO_RUNTIME_DIR") is None
        assert await environ("NOTIFY_SOCKET") is not None


def test_blocking_form_needs_no_loop(runs: Path, graphs: Path) -> None:
    """A plain ``with`` gives the same members, blocking."""
    graph = load_graph(f"{graphs}/chain.py:Frontend")
    with run_graph(CircusDeploymentTarget(), graph) as arbiter:
        backend: Any = arbiter.client("Backend")
        assert backend.echo("hello") == "Backend: hello"
        assert backend.shout("hello") == "HELLO"
        assert list(backend.count(3)) == [0, 1, 2]
        assert list(backend.letters("ab")) == ["a", "b"]
        assert arbiter.watchers() == ["Backend", "Frontend"]


def test_program_keeps_its_process(runs: Path, graphs: Path) -> None:
    """A run changes neither signal handlers nor umask nor the working directory of who asked for it."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]
    umask = os.umask(0o022)
    os.umask(umask)
    graph = load_graph(f"{graphs}/chain.py:Backend")
    with run_graph(CircusDeploymentTarget(), graph):
        assert [signal.getsignal(number) for number in numbers] == before
    assert [signal.getsignal(number) for number in numbers] == before
    after = os.umask(umask)
    assert after == umask


async def test_dependency_of_the_program_works_while_the_run_lasts(runs: Path, graphs: Path) -> None:
    """Before and after, it says so."""
    target = CircusDeploymentTarget()
    service = target.create_service(load_graph(f"{graphs}/chain.py:Backend").entry.inner)
    backend = target.create_dependency(service)
    with pytest.raises(ServiceUnavailableError, match="not been started"):
        backend.get()
    async with target.run_services():
        assert await backend.get().echo("hello") == "Backend: hello"
        assert await backend.get_endpoint("echo")("again") == "Backend: again"
    with pytest.raises(ServiceUnavailableError, match="has ended"):
        backend.get()


async def test_workers_get_devices_of_their_own(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside the mask that the user has set, one set for each slot, and back again when a slot goes."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    async with running(f"{graphs}/devices.py:Trainer") as arbiter:
        trainer = arbiter.client("Trainer")
        seen = {slot: await with_options(trainer, routing=slot).mask() for slot in (0, 1)}
        assert seen == {0: "3", 1: "5"}
        await arbiter.scale("Trainer", 3)
        assert await with_options(trainer, routing=2).mask() == "7"
        with pytest.raises(DynamoError, match=r"Trainer/3 asks for 1 GPU .*0 of 3 visible devices are free"):
            await arbiter.scale("Trainer", 4)
        await arbiter.scale("Trainer", 1)
        await arbiter.scale("Trainer", 2)


async def test_too_few_devices_are_told_before_anything_starts(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With who holds what."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(DynamoError, match=r"asks for 1 GPU .*\n  3: Trainer/0"):
        async with running(f"{graphs}/devices.py:Trainer"):
            pass


async def test_mask_that_a_service_sets_itself_is_kept(runs: Path, graphs: Path) -> None:
    """It is never overwritten, and needs no devices."""
    async with running(f"{graphs}/devices.py:Trainer", env_vars={"CUDA_VISIBLE_DEVICES": "9"}) as arbiter:
        assert await arbiter.client("Trainer").mask() == "9"
