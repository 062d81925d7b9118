"""Calls to a service that the run does not start, at the address that ``depends(url=...)`` gives."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, ClassVar

import attrs
import pytest

from dynamo_core import RemoteCallError, ServiceUnavailableError, to_async, to_async_stream
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, Provider, on_loop, on_own_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.remote import Near
from dynamo_core.testing.conformance.services.web import Prompt, Web

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.testing.conformance.ledger import Ledger

CALLS = 64


def led_to(url: str) -> ServiceGraph:
    """A graph of ``Near`` alone, as if its edge were declared with that address."""
    entry = collect(Near).entry
    edge = attrs.evolve(entry.dependencies["far"], service_name=None, url=url)
    alone = attrs.evolve(entry, dependencies={"far": edge})
    return attrs.evolve(collect(Near), entry=alone, services=(alone,))


@needs("addresses")
class RemoteConformance(Conformance):
    """An edge that leads out of the run carries calls as others do, as far as HTTP can.

    What is called runs in the process of the tests and is served by core.
    """

    entry: ClassVar[type] = Near

    @pytest.fixture
    def run(
        self, provider: Provider, keep_open: Callable[[object, Callable[[], OpenRun]], OpenRun]
    ) -> OpenRun:
        """``Near``, which calls a run of ``Web`` over HTTP."""
        far = keep_open("far", lambda: OpenRun(Provider("inprocess", {"http": True}), collect(Web)))
        return keep_open("near", lambda: OpenRun(provider, led_to(far.http_url("Web"))))

    @on_loop
    async def test_values_arrive(self, run: OpenRun) -> None:
        """Parameters by name, models, bytes, and what goes into a query."""
        near = run.client(Near)
        assert await near.add(1) == [3, 6]
        assert await near.repeat("ab", 2) == Prompt(text="abab")
        assert await near.reverse(b"abc\x00\xff") == b"\xff\x00cba"
        assert await near.search("a b&c=d", 3) == ["a b&c=d"] * 3

    @needs("streams")
    @on_loop
    async def test_streams_arrive(self, run: OpenRun) -> None:
        """Item by item, and an empty one as nothing."""
        near = run.client(Near)
        assert [word async for word in near.words("one two three")] == ["one", "two", "three"]
        assert [word async for word in near.words("")] == []

    @needs("sync_endpoints")
    @on_loop
    async def test_blocking_calls_work(self, run: OpenRun) -> None:
        """From a thread, and through ``to_async``."""
        near = run.client(Near)
        assert await to_async(near.shout)("a") == "A"
        assert await near.shout_from_loop("b") == "B"
        assert [letter async for letter in to_async_stream(near.letters)("abc")] == ["a", "b", "c"]

    @on_loop
    async def test_many_calls_at_once(self, run: OpenRun) -> None:
        """Each gets its own answer."""
        near = run.client(Near)
        answers = await asyncio.gather(*(near.add(number) for number in range(CALLS)))
        assert answers == [[number + 2, number + 5] for number in range(CALLS)]

    @pytest.mark.parametrize(
        ("what", "error"),
        [
            ("raises", "RemoteCallError"),
            ("bad arguments", "InvalidRequestError"),
            ("limit of its own", "CallTimeoutError"),
            ("limit of the caller", "CallTimeoutError"),
            ("not reached by HTTP", "ServiceUnavailableError"),
        ],
    )
    @on_loop
    async def test_errors_keep_their_classes(self, run: OpenRun, what: str, error: str) -> None:
        """And tell nothing of the far side's inside."""
        name, text = await run.client(Near).failure(what)
        assert name == error
        assert "swordfish" not in text

    @needs("streams")
    @on_loop
    async def test_failure_within_a_stream_comes_after_its_items(self, run: OpenRun) -> None:
        """A stream that broke never looks complete."""
        items = aiter(run.client(Near).breaking(2))
        assert [await anext(items), await anext(items)] == [0, 1]
        with pytest.raises(RemoteCallError):
            await anext(items)

    @needs("cancellation")
    @on_loop
    async def test_cancelled_call_ends_on_the_far_side(self, run: OpenRun, ledger: Ledger) -> None:
        """The caller of the caller leaves."""
        call = asyncio.ensure_future(run.client(Near).wait(str(ledger)))
        await ledger.wait_for("began")
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await ledger.wait_for("ended")

    @on_own_loop
    async def test_address_where_nobody_is_fails_calls_only(self, provider: Provider) -> None:
        """The run starts all the same, and the error names the address."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with provider.run(led_to(url)) as services:
            with pytest.raises((RemoteCallError, ServiceUnavailableError), match=url):
                await services.client(Near).add(1)
