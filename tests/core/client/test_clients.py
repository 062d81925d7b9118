"""What a client is besides its calls: names, errors of use, options, and what travels along a chain."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dynamo_core import current_call, depends, endpoint, endpoint_of, service, to_async, with_options
from dynamo_core.channel import CallOptions
from dynamo_core.client import make_client, missing_client
from dynamo_core.definition import DependencyDefinition
from dynamo_core.errors import (
    CallTimeoutError,
    EndpointNotFoundError,
    Location,
    RemoteCallError,
    ServiceUnavailableError,
)
from dynamo_core.inspection import define_service

from .clients_for_tests import HostChannel, calling, eventually, in_thread


@service(name="Backend")
class Service:
    @endpoint
    async def look(self) -> dict[str, Any]:
        call = current_call()
        assert call is not None
        return {"left_s": call.remaining_s(), "metadata": dict(call.metadata)}

    @endpoint(name="renamed", timeout_s=5)
    async def original(self) -> float | None:
        call = current_call()
        assert call is not None
        return call.remaining_s()

    @endpoint
    async def channel(self) -> str:
        return "an endpoint of that name clashes with nothing"

    @endpoint
    async def _private(self) -> str:
        return "private"

    def plain(self) -> str:
        return "not for others"

    limit = 3


async def test_a_client_has_the_names_of_its_endpoints_and_no_others() -> None:
    async with calling(Service) as it:
        assert dir(it.client) == ["_private", "channel", "look", "original"]
        assert [name for name in dir(type(it.client)) if not name.startswith("_")] == [
            "channel",
            "look",
            "original",
        ]
        assert "clashes with nothing" in await it.client.channel()
        assert await it.client._private() == "private"


async def test_a_client_says_what_it_is() -> None:
    async with calling(Service) as it:
        assert repr(it.client) == (
            "<client of service 'Backend'; endpoints: _private, channel, look, original>"
        )
        given = with_options(it.client, timeout_s=2, routing=1)
        assert "with timeout_s=2.0, routing=1;" in repr(given)


async def test_an_unknown_name_lists_those_there_are() -> None:
    async with calling(Service) as it:
        with pytest.raises(AttributeError, match="no endpoint 'generate'; it has: _private, channel"):
            it.client.generate()
        with pytest.raises(AttributeError, match=r"plain is a plain method.*@endpoint"):
            it.client.plain()
        with pytest.raises(AttributeError, match="limit is no endpoint"):
            it.client.limit  # noqa: B018
        with pytest.raises(AttributeError, match="cannot be set"):
            it.client.look = 1
        assert not hasattr(it.client, "__len__")


async def test_a_client_cannot_be_pickled_or_copied() -> None:
    async with calling(Service) as it:
        with pytest.raises(TypeError, match="belongs to one run"):
            pickle.dumps(it.client)
        with pytest.raises(TypeError, match="belongs to one run"):
            copy.copy(it.client)


async def test_the_class_is_made_once_and_does_not_keep_its_service() -> None:
    definition = define_service(Service)
    async with calling(Service) as it:
        channel = HostChannel(it.host)
        loop = asyncio.get_running_loop()
        first, second = (make_client(Service, definition, channel, loop) for _ in range(2))
        assert type(first) is type(second)
    seen = weakref.ref(definition)
    del first, second, definition
    gc.collect()
    assert seen() is None


async def test_an_edge_that_leads_nowhere_raises_when_it_is_used() -> None:
    edge = DependencyDefinition(attribute="backend", on=Service, location=Location(__file__, 1))
    client = missing_client(edge, "the graph leaves it out")
    assert repr(client) == "<no client of service 'Service': the graph leaves it out>"
    for use in (lambda: client.look, lambda: endpoint_of(client, "look"), lambda: with_options(client).look):
        with pytest.raises(ServiceUnavailableError, match="the graph leaves it out"):
            use()
    assert not hasattr(client, "__len__")


# --- options ---


async def test_without_options_nothing_travels() -> None:
    async with calling(Service) as it:
        await it.client.look()
        assert it.channel.options == [CallOptions()]


async def test_options_travel_and_leave_the_client_as_it_is() -> None:
    async with calling(Service) as it:
        given = with_options(it.client, timeout_s=3, routing="least_loaded", metadata={"a": "1"})
        assert type(given) is type(it.client)
        answer = await given.look()
        assert 2 < answer["left_s"] <= 3
        assert answer["metadata"] == {"a": "1"}
        assert it.channel.options[-1].routing == "least_loaded"
        await it.client.look()
        assert it.channel.options[-1] == CallOptions()


async def test_options_nest_and_the_inner_ones_win() -> None:
    async with calling(Service) as it:
        outer = with_options(it.client, timeout_s=3, routing=2, metadata={"a": "1", "b": "1"})
        inner = with_options(outer, timeout_s=50, metadata={"b": "2"})
        answer = await inner.look()
        assert 40 < answer["left_s"] <= 50
        assert answer["metadata"] == {"a": "1", "b": "2"}
        assert it.channel.options[-1].routing == 2


async def test_an_option_takes_the_place_of_the_endpoints_limit() -> None:
    async with calling(Service, traffic={"timeout_s": 70}) as it:
        assert 4 < await it.client.original() <= 5
        assert 50 < await with_options(it.client, timeout_s=60).original() <= 60
        assert 60 < (await it.client.look())["left_s"] <= 70


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"timeout_s": 0}, ValueError),
        ({"timeout_s": -1}, ValueError),
        ({"timeout_s": float("inf")}, ValueError),
        ({"timeout_s": float("nan")}, ValueError),
        ({"timeout_s": True}, ValueError),
        ({"timeout_s": "2"}, ValueError),
        ({"routing": "fastest"}, ValueError),
        ({"routing": -1}, ValueError),
        ({"routing": True}, ValueError),
        ({"metadata": {"a": 1}}, TypeError),
        ({"metadata": "a"}, TypeError),
    ],
    ids=str,
)
async def test_options_out_of_range_are_refused(option: dict[str, Any], error: type[Exception]) -> None:
    async with calling(Service) as it:
        with pytest.raises(error, match=next(iter(option))):
            with_options(it.client, **option)


async def test_an_endpoint_is_found_by_its_name_on_the_wire() -> None:
    async with calling(Service) as it:
        assert await endpoint_of(it.client, "renamed")() is not None
        with pytest.raises(EndpointNotFoundError) as caught:
            endpoint_of(it.client, "original")
        assert "renamed" in caught.value.known


# --- along a chain ---


@service(name="Middle")
class Middle:
    backend = depends(Service)

    @endpoint
    async def look(self) -> dict[str, Any]:
        return await self.backend.look()

    @endpoint
    def look_in_thread(self) -> dict[str, Any]:
        from dynamo_core import to_sync

        return to_sync(self.backend.look)()

    @endpoint
    async def look_with_more_time(self) -> dict[str, Any]:
        return await with_options(self.backend, timeout_s=1000, metadata={"b": "2"}).look()


@pytest.mark.parametrize("name", ["look", "look_in_thread", "look_with_more_time"])
async def test_time_shrinks_and_metadata_pass_along_a_chain(name: str) -> None:
    """A nested call gets what is left of the outer one, less a little, whatever it asks for."""
    async with calling(Service) as backend, calling(Middle, clients={"backend": backend.client}) as middle:
        given = with_options(middle.client, timeout_s=10, metadata={"a": "1", "b": "1"})
        answer = await to_async(getattr(given, name))()
        (sent,) = backend.channel.options
        assert sent.timeout_s is not None
        assert 9 < answer["left_s"] < sent.timeout_s < 10
        assert answer["metadata"] == {"a": "1", "b": "2" if name == "look_with_more_time" else "1"}


@service(name="Slow")
class Slow:
    def __init__(self) -> None:
        self.ended = threading.Event()

    @endpoint
    async def sleep(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@service(name="Second")
class Second:
    slow = depends(Slow)

    @endpoint
    async def pass_on(self) -> None:
        await self.slow.sleep()

    @endpoint
    def pass_on_in_thread(self) -> None:
        from dynamo_core import to_sync

        to_sync(self.slow.sleep)()


@service(name="First")
class First:
    second = depends(Second)

    @endpoint
    async def ask(self, name: str) -> None:
        await to_async(endpoint_of(self.second, name))()


@pytest.mark.parametrize("name", ["pass_on", "pass_on_in_thread"])
async def test_a_timeout_names_the_slow_service_at_the_end_of_a_chain(name: str) -> None:
    async with (
        calling(Slow) as slow,
        calling(Second, clients={"slow": slow.client}) as second,
        calling(First, clients={"second": second.client}) as first,
    ):
        with pytest.raises(CallTimeoutError) as caught:
            await with_options(first.client, timeout_s=0.5).ask(name)
        assert (caught.value.service, caught.value.endpoint) == ("Slow", "sleep")
        await eventually(slow.host.instance.ended.is_set)


async def test_a_timeout_that_overtakes_the_slow_service_names_whom_it_was_waiting_for() -> None:
    """Even when all deadlines are seen at once, as on a machine that had stopped for a while."""

    class Deaf(HostChannel):
        async def call(self, *args: Any) -> Any:
            await asyncio.Event().wait()

    async with calling(Slow) as slow:
        deaf = make_client(Slow, slow.host.definition, Deaf(slow.host), asyncio.get_running_loop())
        async with calling(Second, clients={"slow": deaf}) as second:
            for name in ("pass_on", "pass_on_in_thread"):
                with pytest.raises(CallTimeoutError) as caught:
                    await to_async(endpoint_of(with_options(second.client, timeout_s=0.3), name))()
                assert (caught.value.service, caught.value.endpoint) == ("Slow", "sleep")


async def test_a_call_without_time_left_makes_no_other() -> None:
    @service(name="Late")
    class Late:
        backend = depends(Service)

        @endpoint
        def spend(self) -> None:
            from dynamo_core import to_sync

            call = current_call()
            assert call is not None
            while call.remaining_s():
                pass
            to_sync(self.backend.look)()

    async with calling(Service) as backend, calling(Late, clients={"backend": backend.client}) as late:
        with pytest.raises(CallTimeoutError):
            await to_async(with_options(late.client, timeout_s=0.02).spend)()
        assert await late.host.drain(10)
        assert backend.channel.options == []


async def test_a_cancelled_call_sets_the_blocking_calls_of_its_thread_free() -> None:
    """The thread cannot be interrupted, but what it waits for is cancelled, and so it comes back."""
    async with calling(Slow) as slow, calling(Second, clients={"slow": slow.client}) as second:
        running = asyncio.create_task(to_async(second.client.pass_on_in_thread)())
        await eventually(lambda: slow.host.running_calls)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await second.host.drain(10)
        assert slow.host.instance.ended.is_set()


async def test_an_error_names_where_it_was_raised_and_whom_it_passed() -> None:
    @service(name="Store")
    class Store:
        @endpoint
        async def get(self) -> int:
            raise KeyError("x")

    @service(name="Reader")
    class Reader:
        store = depends(Store)

        @endpoint
        async def read(self) -> AsyncIterator[int]:
            yield await self.store.get()

    async with calling(Store) as store, calling(Reader, clients={"store": store.client}) as reader:
        with pytest.raises(RemoteCallError) as caught:
            await anext(reader.client.read())
    assert (caught.value.service, caught.value.endpoint, caught.value.type_name) == (
        "Store",
        "get",
        "KeyError",
    )
    assert "let through by Reader.read" in caught.value.traceback_text


async def test_an_interrupted_thread_cancels_its_call() -> None:
    """As Ctrl-C does in a program's main thread: the wait ends, and so does the call."""
    from dynamo_core.client.bridge import Bridge

    async with calling(Slow) as slow:
        bridge = Bridge(asyncio.get_running_loop(), "Slow")
        submitted: list[Any] = []
        submit = bridge.submit

        class Interrupted(Bridge):
            __slots__ = ()

            def submit(self, coroutine: Any) -> Any:
                future = submit(coroutine)
                submitted.append(future)

                def result(timeout: float | None = None) -> Any:
                    raise KeyboardInterrupt

                future.result = result  # type: ignore[method-assign]
                return future

        def wait() -> None:
            with pytest.raises(KeyboardInterrupt):
                Interrupted(bridge._loop, "Slow").wait(slow.client.sleep())

        await in_thread(wait)
        await eventually(submitted[0].cancelled)


async def test_a_task_that_outlives_its_call_is_not_bound_to_its_time() -> None:
    """An endpoint may start something that goes on after the answer."""

    @service(name="Starter")
    class Starter:
        backend = depends(Service)

        def __init__(self) -> None:
            self.task: asyncio.Task[Any] | None = None
            self.go_on = asyncio.Event()

        @endpoint
        async def begin(self) -> None:
            self.task = asyncio.create_task(self._later())
            self.call = current_call()

        async def _later(self) -> dict[str, Any]:
            await self.go_on.wait()
            return await self.backend.look()

    async with calling(Service) as backend, calling(Starter, clients={"backend": backend.client}) as starter:
        await with_options(starter.client, timeout_s=20, metadata={"trace": "1"}).begin()
        starter.host.instance.call.deadline = 0.0
        starter.host.instance.go_on.set()
        assert await starter.host.instance.task == {"left_s": None, "metadata": {"trace": "1"}}
