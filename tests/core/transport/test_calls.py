"""Calls with one result, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from dynamo_core.channel import CallOptions
from dynamo_core.client import with_options
from dynamo_core.errors import (
    CallTimeoutError,
    EndpointNotFoundError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
    UnsupportedValueError,
)
from dynamo_core.transport import TransportLimits

from .serving_for_tests import calling, endpoint_named, eventually, served, working


async def test_a_value_comes_back(folder):
    """Arguments reach the endpoint, and its result the caller."""
    async with served(folder) as (client, _):
        value = {"text": "grüße", "number": -(2**63), "none": None, "data": b"\0\xff", "list": [1, 2.5, True]}
        assert await client.echo(value) == value


async def test_many_calls_share_one_connection(folder):
    """Answers find their calls, whatever the order in which they come."""
    async with served(folder) as (client, worker):
        assert await asyncio.gather(*(client.echo(i) for i in range(500))) == list(range(500))
        assert len(worker.server._connections) == 1


async def test_calls_are_begun_in_the_order_they_were_made(folder):
    """On one connection, nothing overtakes."""
    async with served(folder) as (client, worker):
        tasks = [asyncio.create_task(client.hold() if i % 2 else client.echo(i)) for i in range(8)]
        await eventually(lambda: len(worker.backend.ledger) == 8)
        assert worker.backend.ledger == ["echo", "hold"] * 4
        worker.backend.released.set()
        await asyncio.gather(*tasks)


async def test_a_slow_call_holds_up_no_other(folder):
    """Answers need not come in the order of the calls."""
    async with served(folder) as (client, worker):
        slow = asyncio.create_task(client.hold())
        await worker.backend.began.wait()
        assert await client.echo(1) == 1
        assert not slow.done()
        worker.backend.released.set()
        assert await slow == "released"


async def test_a_blocking_endpoint_is_called_from_a_thread(folder):
    """``def`` endpoints work from a thread of the caller."""
    async with served(folder) as (client, _):
        assert await asyncio.to_thread(client.double, 21) == 42


async def test_an_exception_comes_back_as_data(folder):
    """Its name, text, traceback and place."""
    async with served(folder) as (client, _):
        with pytest.raises(RemoteCallError) as caught:
            await client.fail()
    error = caught.value
    assert (error.type_name, error.message) == ("LookupError", "nothing is here")
    assert (error.service, error.slot, error.endpoint) == ("Backend", 0, "fail")
    assert "raise LookupError" in error.traceback_text


async def test_bad_arguments_never_run_the_method(folder):
    """They are found before a task is made, by the worker too."""
    async with served(folder) as (_, _worker), calling([]) as (_, channel):
        channel.set_members([worker_member(folder)])
        with pytest.raises(InvalidRequestError) as caught:
            await channel.call(endpoint_named("size"), b"\x82\xa4data\x01\xa5other\x02", CallOptions())
        assert caught.value.problems.keys() == {"data", "other"}


async def test_an_unknown_endpoint_is_an_error_that_names_the_known_ones(folder):
    """A caller with another version of the class learns what there is."""
    import attrs

    async with served(folder) as (_, _), calling([worker_member(folder)]) as (_, channel):
        with pytest.raises(EndpointNotFoundError) as caught:
            await channel.call(attrs.evolve(endpoint_named("echo"), name="gone"), b"\x80", CallOptions())
    assert "echo" in caught.value.known


async def test_a_caller_with_another_idea_of_the_result_is_refused(folder):
    """A stream that is called for one result, and the other way round."""
    async with served(folder) as (_, worker), calling([worker_member(folder)]) as (_, channel):
        with pytest.raises(InvalidRequestError, match="expects one result, the endpoint gives a stream"):
            await channel.call(endpoint_named("count"), b"\x81\xa2to\x03", CallOptions())
        with pytest.raises(InvalidRequestError, match="expects a stream, the endpoint gives one result"):
            async for _ in channel.stream(endpoint_named("where"), b"\x80", CallOptions()):
                pass
        assert worker.backend.ledger == []


async def test_metadata_and_the_deadline_travel(folder):
    """The endpoint finds both in its context."""
    async with served(folder) as (client, _):
        found = await with_options(client, timeout_s=30, metadata={"trace": "abc"}).about()
        assert found["metadata"] == {"trace": "abc"}
        assert 0 < found["remaining_s"] <= 30
        assert (await client.about()) == {"metadata": {}, "remaining_s": None}


async def test_a_deadline_ends_the_call_on_both_sides(folder):
    """The caller gets an error, the endpoint is cancelled."""
    async with served(folder) as (client, worker):
        with pytest.raises(CallTimeoutError) as caught:
            await with_options(client, timeout_s=0.05).hold()
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.service, caught.value.endpoint) == ("Backend", "hold")
        await asyncio.wait_for(worker.backend.cancelled.wait(), 10)


async def test_a_late_answer_reaches_no_other_call(folder):
    """Calls that have expired are forgotten, and their numbers not used again soon."""
    async with served(folder) as (client, worker):
        for _ in range(20):
            with pytest.raises(CallTimeoutError):
                await with_options(client, timeout_s=0.001).hold()
        worker.backend.released.set()
        assert await asyncio.gather(*(client.echo(i) for i in range(50))) == list(range(50))


async def test_cancelling_a_call_cancels_the_endpoint(folder):
    """Nobody waits for the result, so nobody works for it."""
    async with served(folder) as (client, worker):
        call = asyncio.create_task(client.hold())
        await worker.backend.began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(worker.backend.cancelled.wait(), 10)
        assert await client.echo(1) == 1


async def test_losing_the_caller_cancels_its_calls(folder, make_socket):
    """A caller that has died waits for nothing either."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        async with calling([slot_socket.member()]) as (client, _):
            call = asyncio.create_task(client.hold())
            await worker.backend.began.wait()
        await asyncio.wait_for(worker.backend.cancelled.wait(), 10)
        await eventually(lambda: not worker.server._connections)
        with pytest.raises(Exception, match="channel was closed"):
            await call


async def test_large_values_go_both_ways(folder):
    """64 MiB pass by default."""
    async with served(folder) as (client, _):
        size = 64 * 1024 * 1024
        assert await client.size(bytes(size)) == size
        assert len(await client.make(size)) == size


async def test_arguments_above_the_workers_limit_are_refused_before_sending(folder):
    """The worker told its limit in the handshake."""
    async with served(folder, server_limits=TransportLimits(max_frame_bytes=200_000)) as (client, worker):
        with pytest.raises(UnsupportedValueError, match="200000 bytes"):
            await client.size(bytes(200_001))
        assert await client.size(bytes(190_000)) == 190_000
        assert len(worker.server._connections) == 1


async def test_a_result_above_the_callers_limit_is_an_error_of_that_call(folder):
    """Other calls on the connection go on."""
    async with served(folder, limits=TransportLimits(max_frame_bytes=5000)) as (client, _):
        other = asyncio.create_task(client.hold())
        with pytest.raises(UnsupportedValueError, match="above the caller's limit of 5000 bytes"):
            await client.make(5000)
        assert len(await client.make(4900)) == 4900
        other.cancel()


async def test_an_error_above_the_callers_limit_is_cut(folder):
    """The traceback goes first, then the middle of the message."""
    async with served(folder, limits=TransportLimits(max_frame_bytes=4096)) as (client, _):
        with pytest.raises(RemoteCallError) as caught:
            await client.fail_at_length(100_000)
        assert caught.value.service == "Backend"
        assert "characters were cut" in caught.value.message


async def test_a_full_worker_sends_calls_away(folder):
    """What the host refuses reaches the caller as it is."""
    async with served(folder, traffic={"max_concurrency": 1, "max_queue": 1}) as (client, worker):
        held = [asyncio.create_task(client.hold()) for _ in range(2)]
        await worker.backend.began.wait()
        await eventually(lambda: worker.host.waiting_calls == 1)
        with pytest.raises(OverloadedError):
            await client.echo(1)
        worker.backend.released.set()
        assert await asyncio.gather(*held) == ["released"] * 2


def worker_member(folder):
    from dynamo_core.transport import Member

    return Member(slot=0, path=str(folder / "0"))
