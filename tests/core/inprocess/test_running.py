"""Runs in one process: what goes wrong at the start, at the end, and in between."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from dynamo_core import (
    ServiceUnavailableError,
    api,
    async_on_start,
    depends,
    endpoint,
    on_shutdown,
    service,
)
from dynamo_core.errors import (
    DynamoError,
    ServiceFailedError,
    ServiceNotFoundError,
    StartError,
    UnsupportedOperationError,
)
from dynamo_core.graph import collect
from dynamo_core.http import MissingExtraError
from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.inprocess.options import InProcessOptions
from dynamo_core.inprocess.provider import InProcessHooks
from dynamo_core.inprocess.running import InProcessServices
from dynamo_core.provider import ServiceInterface, hookimpl
from dynamo_core.provider.binding import bind_graph
from dynamo_core.provider.manager import Extension, HookManager
from dynamo_core.provider.run_context import RunContext

from .running_for_tests import Told, running


@service
class Ground:
    stopped: ClassVar[int] = 0

    @endpoint
    async def answer(self) -> str:
        return "ground"

    @on_shutdown
    def count(self) -> None:
        type(self).stopped += 1


@service
class Tower:
    ground = depends(Ground)

    @endpoint
    async def answer(self) -> str:
        return f"tower on {await self.ground.answer()}"


@pytest.fixture(autouse=True)
def _reset() -> None:
    Ground.stopped = 0
    Fickle.starts_left = 1


@service
class Fickle:
    """Starts as often as it is allowed to."""

    starts_left: ClassVar[int] = 1
    stopping: ClassVar[asyncio.Event | None] = None

    @async_on_start
    async def start(self) -> None:
        if self.starts_left < 1:
            raise OSError("not again")
        type(self).starts_left -= 1

    @endpoint
    async def identity(self) -> int:
        return id(self)


async def test_events_come_in_order():
    told = Told()
    async with running(Tower, told) as services:
        assert await services.client(Tower).answer() == "tower on ground"
    assert told.kinds == [
        ("starting", "Ground"),
        ("starting", "Tower"),
        ("stopping", "Tower"),
        ("stopped", "Tower"),
        ("stopping", "Ground"),
        ("stopped", "Ground"),
    ]
    of_workers = [event for event in told.events if event.slot is not None]
    assert [event.kind for event in of_workers[:2]] == ["ready", "ready"]
    assert all(event.seconds is not None and event.pid for event in of_workers[:2])


async def test_failed_restart_keeps_the_worker():
    async with running(Fickle) as services:
        before = await services.client(Fickle).identity()
        with pytest.raises(ServiceFailedError, match="not again") as caught:
            await services.restart("Fickle")
        assert "start" in "\n".join(caught.value.last_lines)
        assert await services.client(Fickle).identity() == before
        (status,) = (await services.status()).services
        assert [(each.slot, each.generation, each.state) for each in status.workers] == [(0, 1, "ready")]


async def test_failed_scale_keeps_the_workers():
    async with running(Fickle) as services:
        with pytest.raises(ServiceFailedError, match="not again"):
            await services.scale("Fickle", 2)
        (status,) = (await services.status()).services
        assert [each.slot for each in status.workers] == [0]


async def test_restart_counts_generations():
    async with running(Ground) as services:
        await services.restart("Ground")
        await services.restart("Ground")
        (status,) = (await services.status()).services
        assert [each.generation for each in status.workers] == [3]
        assert Ground.stopped == 2


async def test_failed_start_shows_the_users_code_only():
    Fickle.starts_left = 0
    told = Told()
    with pytest.raises(StartError) as caught:
        async with running(Fickle, told):
            raise AssertionError("the run was given out")
    assert caught.value.cause == "OSError: not again"
    assert caught.value.last_lines[0].startswith("Traceback")
    assert "test_running.py" in caught.value.last_lines[1]
    assert caught.value.last_lines[-1] == "OSError: not again"
    assert [event.kind for event in told.events] == ["starting", "failed", "stopping", "stopped"]


async def test_cancelled_start_leaves_nothing_running():
    began = asyncio.Event()

    @service
    class Slow:
        ground = depends(Ground)

        @async_on_start
        async def start(self) -> None:
            began.set()
            await asyncio.Event().wait()

        @endpoint
        async def never(self) -> None: ...

    async def enter() -> None:
        async with running(Slow):
            raise AssertionError("the run was given out")

    entering = asyncio.ensure_future(enter())
    await began.wait()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert Ground.stopped == 1


async def test_interrupted_stop_can_be_finished():
    release = asyncio.Event()
    begun = asyncio.Event()

    @service
    class Slow:
        @endpoint
        async def wait(self) -> str:
            begun.set()
            await release.wait()
            return "done"

    async with running(Slow) as services:
        call = asyncio.ensure_future(services.client(Slow).wait())
        await begun.wait()
        stop = asyncio.ensure_future(services.stop())
        await asyncio.sleep(0)
        stop.cancel()
        await asyncio.gather(stop, return_exceptions=True)
        assert not call.done()
        release.set()
        await services.stop()
        assert await call == "done"
        assert (await services.status()).state == "stopped"


async def test_stop_does_not_wait_for_a_change_that_hangs():
    began = asyncio.Event()

    @service
    class Hanging:
        starts: ClassVar[int] = 0

        @async_on_start
        async def start(self) -> None:
            type(self).starts += 1
            if self.starts > 1:
                began.set()
                await asyncio.Event().wait()

        @endpoint
        async def never(self) -> None: ...

    async with running(Hanging) as services:
        restart = asyncio.ensure_future(services.restart("Hanging"))
        await began.wait()
        await services.stop()
        with pytest.raises(ServiceUnavailableError, match="being stopped"):
            await restart


async def test_hurry_cancels_calls():
    begun = asyncio.Event()

    @service
    class Slow:
        @endpoint
        async def wait(self) -> None:
            begun.set()
            await asyncio.Event().wait()

    async with running(Slow) as services:
        call = asyncio.ensure_future(services.client(Slow).wait())
        await begun.wait()
        stop = asyncio.ensure_future(services.stop())
        await asyncio.sleep(0)
        assert not stop.done()
        services.hurry()
        await stop
        assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], DynamoError)


async def test_service_cannot_run_twice_at_once():
    target = InProcessDeploymentTarget()
    target.create_service(Ground)
    async with target.run_services(http=False):
        with pytest.raises(DynamoError, match="Ground"):
            async with target.run_services(http=False):
                raise AssertionError("the run was given out")
        assert Ground.stopped == 0
    assert Ground.stopped == 1
    async with target.run_services(http=False) as services:
        assert await services.client(Ground).answer() == "ground"


async def test_readiness_can_be_waited_for_while_the_run_starts():
    go_on = asyncio.Event()

    @service
    class Slow:
        @async_on_start
        async def start(self) -> None:
            await go_on.wait()

        @endpoint
        async def never(self) -> None: ...

    options = InProcessOptions(http=False)
    manager = HookManager("inprocess", InProcessHooks())
    services = InProcessServices(bind_graph(manager, collect(Slow), options), with_http=False)
    starting = asyncio.ensure_future(services.start())
    with pytest.raises(TimeoutError):
        await services.wait_ready(0.01)
    waiting = asyncio.ensure_future(services.wait_ready(10))
    go_on.set()
    await asyncio.gather(starting, waiting)
    assert (await services.status()).state == "ready"
    await services.stop()
    with pytest.raises(ServiceUnavailableError):
        await services.wait_ready()


async def test_variables_that_are_not_set_are_told():
    @service(envs={"SHOP_MODE": "fast"})
    class Shop:
        @endpoint
        async def mode(self) -> str | None:
            return os.environ.get("SHOP_MODE")

    told = Told()
    async with running(Shop, told) as services:
        assert await services.client(Shop).mode() is None
    (message,) = [event for event in told.events if event.kind == "message"]
    assert "SHOP_MODE" in message.detail
    assert "fast" not in message.detail


async def test_logs_are_refused():
    async with running(Ground) as services:
        with pytest.raises(UnsupportedOperationError, match="logs"):
            services.logs()


async def test_unknown_service_has_no_client():
    async with running(Ground) as services:
        with pytest.raises(ServiceNotFoundError, match="Ground"):
            services.client("Attic")


async def test_ended_run_changes_nothing():
    async with running(Ground) as services:
        await services.stop()
        with pytest.raises(ServiceUnavailableError):
            await services.scale("Ground", 2)
        with pytest.raises(ServiceUnavailableError):
            services.client(Ground)


@service(http={"port": 0})
class Far:
    @api
    async def echo(self, text: str) -> str:
        return text

    @api
    async def letters(self, text: str) -> AsyncIterator[str]:
        for letter in text:
            yield letter


async def test_edge_that_leads_to_an_address_is_called_over_http():
    async with running(Far) as far:
        [served] = (await far.status()).services
        url = served.http_url

        @service
        class Near:
            far = depends(Far, url=url)

            @endpoint
            async def ask(self, text: str) -> list[str]:
                return [await self.far.echo(text), *[letter async for letter in self.far.letters(text)]]

        async with running(Near) as near:
            assert await near.client(Near).ask("ab") == ["ab", "a", "b"]
            await near.scale("Near", 2)
            assert await near.client(Near).ask("c") == ["c", "c"]


async def test_address_of_http_without_its_libraries_is_an_error_before_the_start(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    @service
    class Near:
        far = depends(Far, url="http://127.0.0.1:1")

    with pytest.raises(MissingExtraError, match="httpx"):
        async with running(Near):
            raise AssertionError("the run was given out")


async def test_program_gets_a_client_from_a_dependency():
    target = InProcessDeploymentTarget()
    dependency = target.create_dependency(target.create_service(Ground))
    with pytest.raises(ServiceUnavailableError):
        dependency.get()
    async with target.run_services(http=False):
        assert dependency.get() is dependency.get()
        assert await dependency.get().answer() == "ground"
    with pytest.raises(ServiceUnavailableError):
        dependency.get()


class Wrapper(ServiceInterface):
    """What an extension may put around a bound service."""


class WrappingExtension:
    @hookimpl(wrapper=True)
    def create_service(self) -> Any:
        bound = yield
        return Wrapper(bound.definition, bound.config)


async def test_services_that_an_extension_has_wrapped_still_run():
    options = InProcessOptions(http=False)
    manager = HookManager("inprocess", InProcessHooks(), [Extension("wrapping", WrappingExtension())])
    async with RunContext(manager, lambda: bind_graph(manager, collect(Tower), options), options) as services:
        assert await services.client(Tower).answer() == "tower on ground"
