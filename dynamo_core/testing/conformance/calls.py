"""Calls with one result, between services and from outside."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from dynamo_core import BlockingCallError, RemoteCallError, endpoint_of, to_async, with_options
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.chain import Front, Leaf


class CallConformance(Conformance):
    """What a caller of a unary or ``def`` endpoint can rely on."""

    entry: ClassVar[type] = Front

    @on_loop
    async def test_unary_endpoint_is_awaited(self, run: OpenRun) -> None:
        """An ``async def`` endpoint is called as an awaitable."""
        assert await run.client(Leaf).echo("hello") == "hello"

    @on_loop
    async def test_call_goes_through_a_dependency(self, run: OpenRun) -> None:
        """A client that was injected calls as one from outside does."""
        assert await run.client(Front).unary("hello") == "hello"

    @on_loop
    async def test_calls_go_along_a_chain(self, run: OpenRun) -> None:
        """Three services in a row each do their part."""
        assert await run.client(Front).through_both("a") == "a>front>middle"

    @needs("sync_endpoints")
    @on_loop
    async def test_def_endpoint_is_awaited_from_a_loop(self, run: OpenRun) -> None:
        """``to_async`` makes a blocking endpoint an awaitable."""
        assert await to_async(run.client(Leaf).shout)("hello") == "HELLO"

    @needs("sync_endpoints")
    @on_loop
    async def test_def_endpoint_blocks_in_a_thread(self, run: OpenRun) -> None:
        """A thread calls a ``def`` endpoint as a function."""
        assert await asyncio.to_thread(run.client(Leaf).shout, "hello") == "HELLO"

    @needs("sync_endpoints")
    @on_loop
    async def test_def_endpoint_calls_a_def_endpoint(self, run: OpenRun) -> None:
        """A ``def`` endpoint is in a thread, so it may block on another service."""
        assert await to_async(run.client(Front).sync)("hello") == "HELLO"

    @needs("sync_endpoints")
    @on_loop
    async def test_async_endpoint_calls_a_def_endpoint(self, run: OpenRun) -> None:
        """An ``async def`` endpoint awaits the blocking one of another service."""
        assert await run.client(Front).sync_from_loop("hello") == "HELLO"

    @needs("sync_endpoints")
    @on_loop
    async def test_def_endpoint_calls_an_async_endpoint(self, run: OpenRun) -> None:
        """``to_sync`` makes an awaitable endpoint a function for a thread."""
        assert await to_async(run.client(Front).unary_from_thread)("hello") == "hello"

    @needs("sync_endpoints")
    @on_loop
    async def test_blocking_call_on_the_loop_is_refused(self, run: OpenRun) -> None:
        """A blocking call that would stop the loop is an error that names ``to_async``."""
        with pytest.raises(BlockingCallError, match="to_async"):
            run.client(Leaf).shout("hello")

    @needs("sync_endpoints")
    @on_loop
    async def test_blocking_call_on_a_workers_loop_is_refused(self, run: OpenRun) -> None:
        """The same holds for a service that blocks its own loop."""
        with pytest.raises(RemoteCallError) as caught:
            await run.client(Front).blocks_the_loop("hello")
        assert caught.value.type_name == "BlockingCallError"
        assert "to_async" in caught.value.message

    @on_loop
    async def test_defaults_may_be_left_out(self, run: OpenRun) -> None:
        """Defaults are the far side's; keyword-only and reordered arguments arrive as named."""
        leaf = run.client(Leaf)
        assert await leaf.add(1) == 3
        assert await leaf.add(1, 5) == 6
        assert await leaf.add(b=5, a=2, scale=10) == 70
        assert await run.client(Front).add(1) == [3, 4, 10]

    @on_loop
    async def test_call_without_arguments_and_result(self, run: OpenRun) -> None:
        """An endpoint may take nothing and give nothing."""
        await run.client(Leaf).nothing()

    @on_loop
    async def test_endpoint_with_another_name(self, run: OpenRun) -> None:
        """Python code uses the method's name, the wire the endpoint's."""
        assert await run.client(Leaf).original() == "renamed"
        assert await run.client(Front).renamed() == "renamed"
        assert await endpoint_of(run.client(Leaf), "renamed")() == "renamed"

    @on_loop
    async def test_client_has_no_public_names_but_its_endpoints(self, run: OpenRun) -> None:
        """No name of a client can clash with an endpoint's, and what is no endpoint is not there."""
        names = await run.client(Front).client_names()
        assert "echo" in names
        assert "original" in names
        assert "hidden" not in names
        assert not hasattr(run.client(Leaf), "hidden")

    @on_loop
    async def test_client_by_name_and_by_class(self, run: OpenRun) -> None:
        """A run gives clients by the service's class and by its name."""
        assert await run.services.client("Leaf").echo("hello") == "hello"

    @on_loop
    async def test_context_tells_service_endpoint_and_slot(self, run: OpenRun) -> None:
        """An endpoint can ask which call it answers, in a thread and in a stream too."""
        leaf = run.client(Leaf)
        facts = [await leaf.call_facts(), await to_async(leaf.call_facts_in_thread)()]
        facts += [item async for item in leaf.stream_facts()]
        assert [(each["service"], each["slot"]) for each in facts] == [("Leaf", 0)] * 3
        assert [each["endpoint"] for each in facts] == ["call_facts", "call_facts_in_thread", "stream_facts"]
        assert [each["is_cancelled"] for each in facts] == [False] * 3

    @on_loop
    async def test_context_is_each_services_own(self, run: OpenRun) -> None:
        """Along a chain every endpoint sees its own call."""
        facts = await run.client(Front).call_facts()
        assert [each["service"] for each in facts] == ["Front", "Middle", "Leaf"]

    @on_loop
    async def test_metadata_travels_along_the_chain(self, run: OpenRun) -> None:
        """What a caller puts beside a call reaches every service behind it."""
        traced = with_options(run.client(Front), metadata={"traceparent": "00-1-2-00", "tenant": "blue"})
        for facts in await traced.call_facts():
            assert facts["metadata"]["tenant"] == "blue"
            assert facts["metadata"]["traceparent"] == "00-1-2-00"

    @on_loop
    async def test_metadata_of_one_call_is_not_anothers(self, run: OpenRun) -> None:
        """Metadata belongs to the call it was given for."""
        front = run.client(Front)
        await with_options(front, metadata={"tenant": "blue"}).call_facts()
        assert all("tenant" not in facts["metadata"] for facts in await front.call_facts())

    @on_loop
    async def test_a_service_adds_metadata(self, run: OpenRun) -> None:
        """A service may add to what came with its own call."""
        front = with_options(run.client(Front), metadata={"tenant": "blue"})
        facts = await front.more_metadata({"stage": "second"})
        assert facts["metadata"] == {"tenant": "blue", "stage": "second"}
