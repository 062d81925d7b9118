"""Workers that die: what had begun is told from what had not, to the call."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from dynamo_core.client import with_options
from dynamo_core.errors import CallTimeoutError, WorkerLostError
from dynamo_core.transport import slot_link
from dynamo_core.transport.frames import BEGIN, ITEMS, RESULT, encode_frame
from dynamo_core.transport.messages import encode_call_head

from .raw_for_tests import FakeWorker, RawPeer, faking
from .serving_for_tests import SlotSocket, calling, eventually, working

WORKER = Path(__file__).with_name("worker_for_tests.py")


@attrs.frozen
class Process:
    """A worker in a process of its own, and what it prints."""

    process: asyncio.subprocess.Process

    async def wait_for(self, line: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            assert (await self.process.stdout.readline()).decode().strip() == line

    async def kill(self) -> list[str]:
        """Kill it; gives what else it printed."""
        self.process.kill()
        output, _ = await self.process.communicate()
        return output.decode().split()


@contextlib.asynccontextmanager
async def processing(slot_socket: SlotSocket, slot: int = 0) -> AsyncIterator[Process]:
    with slot_socket.copy() as listener:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(WORKER),
            str(listener.fileno()),
            str(slot),
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
        )
    found = Process(process)
    try:
        await found.wait_for("ready")
        yield found
    finally:
        if process.returncode is None:
            await found.kill()


async def test_what_had_begun_fails_and_the_rest_moves(make_socket):
    """The worker is killed while one call runs and five wait behind it."""
    first, second = make_socket(), make_socket()
    async with processing(first) as process, calling([first.member(0)]) as (client, channel):
        begun = asyncio.create_task(client.hold())
        await process.wait_for("hold")
        waiting = [asyncio.create_task(client.where()) for _ in range(5)]
        await eventually(lambda: channel._usable[0].open_calls == 6)
        async with working(second, slot=1) as worker:
            channel.set_members([first.member(0), second.member(1)])
            await eventually(lambda: channel.usable_slots == (0, 1))
            assert await process.kill() == []
            assert await asyncio.gather(*waiting) == [1] * 5
            with pytest.raises(WorkerLostError) as caught:
                await begun
            assert (caught.value.service, caught.value.slot, caught.value.endpoint) == ("Backend", 0, "hold")
            assert caught.value.begun
            assert worker.backend.ledger == ["where"] * 5


async def test_a_begun_call_of_an_idempotent_endpoint_is_made_again(make_socket):
    """On another worker, and its caller sees no failure."""
    first, second = make_socket(), make_socket()
    async with processing(first) as process, calling([first.member(0)]) as (client, channel):
        call = asyncio.create_task(client.hold_again())
        await process.wait_for("hold_again")
        async with working(second, slot=1) as worker:
            channel.set_members([first.member(0), second.member(1)])
            await eventually(lambda: channel.usable_slots == (0, 1))
            await process.kill()
            await worker.backend.began.wait()
            worker.backend.released.set()
            assert await call == "released"


async def test_the_next_worker_of_the_slot_takes_over(make_socket):
    """Calls for which there is no other slot wait for it, and refuse nobody meanwhile."""
    slot_socket = make_socket()
    async with processing(slot_socket) as process, calling([slot_socket.member()]) as (client, _):
        assert await client.echo(1) == 1
        await process.wait_for("echo")
        begun = asyncio.create_task(client.hold())
        await process.wait_for("hold")
        waiting = [asyncio.create_task(client.echo(i)) for i in range(3)]
        await process.kill()
        with pytest.raises(WorkerLostError, match="worker Backend/0 was lost during hold"):
            await begun
        async with working(slot_socket):
            assert await asyncio.gather(*waiting) == [0, 1, 2]


async def test_a_call_to_one_slot_waits_for_that_slot(make_socket):
    """It is not moved to another one: its caller asked for this one."""
    first, second = make_socket(), make_socket()
    async with (
        processing(first) as process,
        working(second, slot=1),
        calling([first.member(0), second.member(1)]) as (client, channel),
    ):
        await eventually(lambda: channel.usable_slots == (0, 1))
        begun = asyncio.create_task(with_options(client, routing=0).hold())
        await process.wait_for("hold")
        pinned = asyncio.create_task(with_options(client, routing=0).where())
        await eventually(lambda: channel._usable[0].open_calls == 2)
        await process.kill()
        with pytest.raises(WorkerLostError):
            await begun
        assert await client.where() == 1
        assert not pinned.done()
        async with working(first, slot=0):
            assert await pinned == 0


async def test_a_stream_that_is_cut_names_the_worker(make_socket):
    """What came is delivered first; the end is an error, never a silent one."""
    slot_socket = make_socket()

    async def cut(worker: FakeWorker, peer: RawPeer) -> None:
        number = await worker.read_call(peer)
        worker.mark(number)
        await peer.send(encode_frame(ITEMS, number, b"\x92\x01\x02"))

    async with faking(slot_socket, cut), calling([slot_socket.member()]) as (client, _):
        found = []
        with pytest.raises(WorkerLostError, match="worker Backend/0 was lost during count"):
            async for item in client.count(3):
                found.append(item)
        assert found == [1, 2]


async def test_an_idempotent_stream_is_made_again_only_before_its_first_item(make_socket):
    """Items are never delivered twice."""
    slot_socket = make_socket()

    async def cut(worker: FakeWorker, peer: RawPeer) -> None:
        number = await worker.read_call(peer)
        worker.mark(number)
        if worker.connections == 2:
            await peer.send(encode_frame(ITEMS, number, b"\x91\x07"))

    async with faking(slot_socket, cut) as worker, calling([slot_socket.member()]) as (client, _):
        found = []
        with pytest.raises(WorkerLostError):
            async for item in client.hold_then_one():
                found.append(item)
        assert found == [7]
        assert worker.calls == 2


async def test_retries_stay_within_their_budget(make_socket, monkeypatch):
    """A worker that always loses its connection is not asked for ever."""
    monkeypatch.setattr(slot_link, "LONGEST_PAUSE_S", 0.0)
    slot_socket = make_socket()

    async def lose(worker: FakeWorker, peer: RawPeer) -> None:
        worker.mark(await worker.read_call(peer))

    async with faking(slot_socket, lose) as worker, calling([slot_socket.member()]) as (client, _):
        outcomes = [
            outcome
            for _ in range(200)
            for outcome in await asyncio.gather(client.hold_again(), return_exceptions=True)
        ]
        assert {type(each) for each in outcomes} == {WorkerLostError}
        assert 200 < worker.calls <= 1.2 * 200 + 3


async def test_a_call_that_no_worker_begins_ends(make_socket, monkeypatch):
    """A slot that takes calls and dies before it begins them does not keep them for ever."""
    monkeypatch.setattr(slot_link, "LONGEST_PAUSE_S", 0.02)
    slot_socket = make_socket()

    async def drop(worker: FakeWorker, peer: RawPeer) -> None:
        await worker.read_call(peer)

    async with faking(slot_socket, drop) as worker, calling([slot_socket.member()]) as (client, _):
        with pytest.raises(CallTimeoutError):
            await with_options(client, timeout_s=0.3).hold()
        before = worker.calls
        with pytest.raises(WorkerLostError, match="had not begun") as caught:
            await client.hold()
        assert not caught.value.begun
        assert worker.calls - before <= 20


@pytest.mark.parametrize("has_begun", [True, False])
async def test_without_a_page_frames_tell_what_has_begun(make_socket, has_begun):
    """Where memory cannot be shared."""
    slot_socket = make_socket()

    async def begin(worker: FakeWorker, peer: RawPeer) -> None:
        number = await worker.read_call(peer)
        if worker.connections > 1:
            await peer.send(encode_frame(RESULT, number, b"\xa4done"))
            await worker.read_call(peer)
        elif has_begun:
            await peer.send(encode_frame(BEGIN, number))

    async with faking(slot_socket, begin, takes_page=False), calling([slot_socket.member()]) as (client, _):
        if has_begun:
            with pytest.raises(WorkerLostError) as caught:
                await client.hold()
            assert caught.value.begun
        else:
            assert await client.hold() == "done"


async def test_a_worker_without_a_page_tells_of_each_call_before_it_runs(make_socket):
    """The frame is with the kernel before the method is called."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path)
        await peer.send(encode_call_head(5, 0, b"hold", 0, b"", 1) + b"\x80")
        assert await peer.read() == (BEGIN, 0, 5, b"")
        await worker.backend.began.wait()
        peer.close()
        await worker.backend.cancelled.wait()
