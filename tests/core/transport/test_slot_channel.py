"""A channel to several slots: membership, routing, waiting, closing."""

from __future__ import annotations

import asyncio
import collections
import contextlib

import pytest

from dynamo_core.channel import CallOptions
from dynamo_core.client import with_options
from dynamo_core.errors import CallTimeoutError, OverloadedError, ServiceUnavailableError
from dynamo_core.transport import Member, SlotChannel, TransportLimits

from .raw_for_tests import FakeWorker, RawPeer, faking
from .serving_for_tests import RUN_ID, calling, endpoint_named, eventually, working

BRIEF = TransportLimits(unavailable_timeout_s=0.1)


@contextlib.asynccontextmanager
async def crew(make_socket, count: int):
    """Workers at so many slots."""
    sockets = [make_socket() for _ in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(working(each, slot=slot)) for slot, each in enumerate(sockets)
        ]
        yield workers, [each.member(slot) for slot, each in enumerate(sockets)]


# --- routing ---


async def test_calls_go_round(make_socket):
    """Each slot gets its share."""
    async with crew(make_socket, 3) as (_, members), calling(members) as (client, _):
        found = collections.Counter([await client.where() for _ in range(30)])
        assert found == {0: 10, 1: 10, 2: 10}


async def test_a_first_burst_is_spread(make_socket):
    """The slot that is connected first does not get all that waited."""
    async with crew(make_socket, 4) as (_, members), calling(members) as (client, _):
        found = collections.Counter(await asyncio.gather(*(client.where() for _ in range(200))))
        assert all(35 <= found[slot] <= 65 for slot in range(4)), found


async def test_random_routing_reaches_every_slot(make_socket):
    """Sooner or later."""
    async with crew(make_socket, 3) as (_, members), calling(members) as (client, _):
        some = with_options(client, routing="random")
        assert {await some.where() for _ in range(200)} == {0, 1, 2}


async def test_least_loaded_routing_avoids_busy_slots(make_socket):
    """New calls go where the fewest are open, and equals take turns."""
    async with crew(make_socket, 3) as (workers, members), calling(members) as (client, channel):
        await eventually(lambda: len(channel.usable_slots) == 3)
        held = [asyncio.create_task(with_options(client, routing=1).hold()) for _ in range(3)]
        await workers[1].backend.began.wait()
        idle = with_options(client, routing="least_loaded")
        assert collections.Counter([await idle.where() for _ in range(20)]) == {0: 10, 2: 10}
        workers[1].backend.released.set()
        await asyncio.gather(*held)


async def test_a_slot_can_be_addressed(make_socket):
    """One worker, by its number."""
    async with crew(make_socket, 3) as (_, members), calling(members) as (client, _):
        assert [await with_options(client, routing=slot).where() for slot in (2, 0, 1, 2)] == [2, 0, 1, 2]


async def test_an_unknown_slot_is_an_error_that_names_the_known_ones(make_socket):
    """At once."""
    async with crew(make_socket, 2) as (_, members), calling(members) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="no slot 7; there are: 0, 1"):
            await with_options(client, routing=7).where()


async def test_an_unknown_routing_is_an_error(make_socket):
    """It names those there are."""
    async with (
        crew(make_socket, 1) as (_, members),
        calling(members) as (client, _),
        calling(members) as (_, channel),
    ):
        assert await client.where() == 0
        with pytest.raises(ValueError, match="round_robin"):
            await channel.call(endpoint_named("where"), b"\x80", CallOptions(routing="fastest"))  # type: ignore[arg-type]


# --- membership ---


async def test_new_members_get_their_share(make_socket):
    """Scaling up reaches a running caller."""
    async with crew(make_socket, 3) as (_, members), calling(members[:1]) as (client, channel):
        assert await client.where() == 0
        channel.set_members(members)
        await eventually(lambda: channel.usable_slots == (0, 1, 2))
        assert {await client.where() for _ in range(6)} == {0, 1, 2}


async def test_former_members_finish_what_they_have(make_socket):
    """Scaling down takes no call away."""
    async with crew(make_socket, 2) as (workers, members), calling(members) as (client, channel):
        await eventually(lambda: channel.usable_slots == (0, 1))
        held = asyncio.create_task(with_options(client, routing=1).hold())
        await workers[1].backend.began.wait()
        channel.set_members(members[:1])
        assert channel.usable_slots == (0,)
        assert {await client.where() for _ in range(4)} == {0}
        workers[1].backend.released.set()
        assert await held == "released"
        await eventually(lambda: not workers[1].server._connections)


async def test_a_new_generation_is_connected_to_before_the_old_one_is_left(make_socket):
    """A slot whose socket was made anew is never without a connection."""
    old_socket, new_socket = make_socket(), make_socket()
    async with working(old_socket) as old, calling([old_socket.member(generation=1)]) as (client, channel):
        assert await client.where() == 0
        channel.set_members([new_socket.member(generation=2)])
        assert await client.where() == 0
        assert len(old.backend.ledger) == 2
        async with working(new_socket) as new:
            await eventually(lambda: not old.server._connections)
            assert await client.where() == 0
            assert len(new.backend.ledger) == 1


async def test_the_same_members_change_nothing(make_socket):
    """Connections are kept."""
    async with crew(make_socket, 2) as (workers, members), calling(members) as (client, channel):
        await eventually(lambda: len(channel.usable_slots) == 2)
        before = list(channel._usable)
        channel.set_members(tuple(reversed(members)))
        assert await client.where() in (0, 1)
        assert channel._usable == before
        assert all(len(each.server._connections) == 1 for each in workers)


async def test_calls_wait_until_somebody_is_known(make_socket):
    """A channel may be used before anybody serves."""
    async with crew(make_socket, 1) as (_, members), calling([]) as (client, channel):
        call = asyncio.create_task(client.where())
        await eventually(lambda: channel._waiting)
        channel.set_members(members)
        assert await call == 0


# --- waiting ---


async def test_waiting_calls_are_let_in_in_their_order(make_socket):
    """First come, first served."""
    slot_socket = make_socket()
    async with calling([slot_socket.member()]) as (client, channel):
        calls = []
        for number in range(10):
            calls.append(asyncio.create_task(client.echo(number)))
            await eventually(lambda: len(channel._waiting) == len(calls))
        order: list[int] = []
        for number, call in enumerate(calls):
            call.add_done_callback(lambda _, n=number: order.append(n))
        async with working(slot_socket):
            await asyncio.gather(*calls)
        assert order == sorted(order)


async def test_a_call_without_a_slot_fails_at_its_deadline(make_socket):
    """As a call that was made and got no answer."""
    async with calling([make_socket().member()]) as (client, channel):
        with pytest.raises(CallTimeoutError):
            await with_options(client, timeout_s=0.05).where()
        assert not channel._waiting


async def test_a_call_with_a_deadline_waits_until_it(make_socket):
    """However long a call without one would wait; it is told what was missing."""
    place = make_socket()
    async with calling([place.member()], limits=BRIEF) as (client, channel):
        patient = asyncio.create_task(with_options(client, timeout_s=30).where())
        with pytest.raises(ServiceUnavailableError):
            await client.where()  # it came later, and has given up
        assert channel._waiting
        with pytest.raises(CallTimeoutError, match=r"within 0\.2 s: no worker took it; slot 0: "):
            await with_options(client, timeout_s=0.2).where()
        async with working(place, slot=0):
            assert await patient == 0


async def test_a_call_without_a_deadline_fails_with_what_each_slot_said_last(make_socket, folder):
    """After the time that the limits give."""
    members = [Member(slot=0, path=str(folder / "none")), make_socket().member(1)]
    async with calling(members, limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError) as caught:
            await client.where()
    assert "slot 0: its socket cannot be connected to: No such file or directory" in caught.value.reason
    assert "slot 1: it is being connected to" in caught.value.reason


async def test_nobody_known_is_said(make_socket):
    """There is no slot to say anything."""
    async with calling([], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="no worker of it is known"):
            await client.where()


async def test_nobody_waits_for_a_service_that_is_given_up(make_socket):
    """Those that wait learn why at once, as do those that come; the next membership lets them in again."""
    async with crew(make_socket, 1) as (_, members), calling([]) as (client, channel):
        waits = asyncio.create_task(client.where())
        await eventually(lambda: channel._waiting)
        channel.set_members([], "it is given up")
        async with asyncio.timeout(5):
            for call in (waits, client.where()):
                with pytest.raises(ServiceUnavailableError, match="it is given up"):
                    await call
        channel.set_members(members)
        assert await client.where() == 0


async def test_a_path_that_no_socket_can_have_is_said(folder):
    """Too long for the kernel."""
    async with calling([Member(slot=0, path="/" + "x" * 200)], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="path too long"):
            await client.where()


async def test_a_slot_that_is_taken_away_while_a_call_waits_for_it(make_socket):
    """The call learns that there is none any more."""
    async with calling([make_socket().member(1)], limits=BRIEF) as (client, channel):
        call = asyncio.create_task(with_options(client, routing=1).where())
        await eventually(lambda: channel._waiting)
        channel.set_members([])
        with pytest.raises(ServiceUnavailableError, match="slot 1 is not known"):
            await call


async def test_payloads_beyond_the_kernels_buffer_flow(make_socket):
    """Many calls of some size at once wait for each other in the connection, not in the channel."""
    async with crew(make_socket, 1) as (_, members), calling(members) as (client, channel):
        assert await client.where() == 0
        sizes = [await call for call in [asyncio.create_task(client.size(bytes(20_000))) for _ in range(300)]]
        assert sizes == [20_000] * 300
        assert channel.usable_slots == (0,)


async def test_cancelling_a_call_that_waits_leaves_nothing(make_socket):
    """It was never made."""
    slot_socket = make_socket()
    async with calling([slot_socket.member()]) as (client, channel):
        call = asyncio.create_task(client.where())
        await eventually(lambda: channel._waiting)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not channel._waiting
        async with working(slot_socket) as worker:
            assert await client.where() == 0
            assert worker.backend.ledger == ["where"]


async def test_a_slot_that_does_not_read_gets_no_more_calls(make_socket):
    """Calls go to others, and wait when there is none; nothing piles up in the caller."""
    first, second = make_socket(), make_socket()
    go_on = asyncio.Event()

    async def stall(worker: FakeWorker, peer: RawPeer) -> None:
        await go_on.wait()

    async with (
        faking(first, stall),
        working(second, slot=1),
        calling([first.member(0), second.member(1)]) as (client, channel),
    ):
        await eventually(lambda: channel.usable_slots == (0, 1))
        stuck = asyncio.create_task(with_options(client, routing=0).size(bytes(3_000_000)))
        await eventually(lambda: channel.usable_slots == (1,))
        assert {await client.where() for _ in range(5)} == {1}
        stuck.cancel()
        go_on.set()


# --- limits and the end ---


async def test_too_many_open_calls_are_refused(make_socket):
    """One connection has 4096 places."""
    async with crew(make_socket, 1) as (workers, members), calling(members) as (client, channel):
        held = [asyncio.create_task(client.hold()) for _ in range(4096)]
        await eventually(lambda: len(workers[0].backend.ledger) == 4096)
        with pytest.raises(OverloadedError, match="4096"):
            await client.where()
        held[0].cancel()
        await eventually(lambda: channel._usable[0].open_calls == 4095)
        assert await client.where() == 0
        workers[0].backend.released.set()
        await asyncio.gather(*held[1:])


async def test_numbers_of_open_calls_are_passed_over(make_socket):
    """A call that lasts long does not get in the way of later ones, however many there are."""
    async with crew(make_socket, 1) as (workers, members), calling(members) as (client, channel):
        held = asyncio.create_task(client.hold())
        await workers[0].backend.began.wait()
        (number,) = channel._usable[0].calls
        for start in range(0, 10_000, 500):
            assert await asyncio.gather(*(client.echo(i) for i in range(start, start + 500)))
        assert channel._usable[0]._page.has_begun(number)
        workers[0].backend.released.set()
        assert await held == "released"


async def test_numbers_begin_anew_after_the_last(make_socket):
    """A connection outlives four thousand million calls."""
    async with crew(make_socket, 1) as (_, members), calling(members) as (client, channel):
        assert await client.echo(0) == 0
        (connection,) = channel._usable
        connection._lap = 2**20 - 2
        connection._numbers = iter(())
        assert await asyncio.gather(*(client.echo(i) for i in range(3000))) == list(range(3000))
        assert await asyncio.gather(*(client.echo(i) for i in range(3000))) == list(range(3000))
        assert connection._lap == 0


async def test_closing_ends_what_is_open_and_leaves_no_task(make_socket):
    """Calls, streams, calls that wait, and attempts to connect."""
    before = asyncio.all_tasks()
    async with crew(make_socket, 1) as (workers, members):
        channel = SlotChannel("Backend", run_id=RUN_ID)
        channel.set_members([*members, make_socket().member(1)])
        await eventually(lambda: channel.usable_slots == (0,))
        held = asyncio.create_task(channel.call(endpoint_named("hold"), b"\x80", CallOptions()))
        waiting = asyncio.create_task(channel.call(endpoint_named("where"), b"\x80", CallOptions(routing=1)))
        stream = channel.stream(endpoint_named("one_then_hold"), b"\x80", CallOptions())
        await anext(stream)
        await workers[0].backend.began.wait()
        await channel.aclose()
        await channel.aclose()
        for call in (held, waiting):
            with pytest.raises(ServiceUnavailableError, match="closed"):
                await call
        with pytest.raises(ServiceUnavailableError, match="closed"):
            async for _ in stream:
                pass
        with pytest.raises(ServiceUnavailableError, match="closed"):
            await channel.call(endpoint_named("where"), b"\x80", CallOptions())
        channel.set_members(members)
        await workers[0].backend.closed.wait()
    assert asyncio.all_tasks() == before


async def test_a_channel_that_was_never_used_can_be_closed():
    """Nothing was opened."""
    channel = SlotChannel("Backend", run_id=RUN_ID)
    assert channel.service == "Backend"
    await channel.aclose()
