"""What the supervisor tells its workers."""

from __future__ import annotations

import asyncio
import os
import socket

from dynamo_core.supervision.channel import WorkerChannel

LARGE = 4 * 1024 * 1024


async def test_a_descriptor_comes_with_the_frame_that_it_was_written_with():
    """Also when the worker has not read what was written before."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    channel = WorkerChannel(ours)
    reader, writer = os.pipe()
    channel.send(bytes(LARGE))
    channel.send(b"with", descriptor=writer)
    os.close(writer)  # it has a copy
    channel.send(b"after")
    received, descriptors = b"", []
    theirs.setblocking(False)
    async with asyncio.timeout(10):
        while len(received) < LARGE + 9:
            try:
                data, found, _, _ = socket.recv_fds(theirs, 65536, 4)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            received += data
            descriptors += [(descriptor, data) for descriptor in found]
    assert received[LARGE:] == b"withafter"
    ((descriptor, data),) = descriptors
    assert data.endswith(b"with")
    os.write(descriptor, b"x")
    assert os.read(reader, 1) == b"x"
    os.close(descriptor)
    os.close(reader)
    channel.close()
    theirs.close()


async def test_descriptors_that_were_not_sent_are_closed():
    """The worker has ended, or does not read."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    channel = WorkerChannel(ours)
    reader, writer = os.pipe()
    channel.send(bytes(LARGE))
    channel.send(b"with", descriptor=writer)
    os.close(writer)
    channel.close()
    assert os.read(reader, 1) == b"", "a copy is still open"
    os.close(reader)
    theirs.close()


async def test_channel_sends_more_than_a_socket_holds() -> None:
    """Without ever waiting, and in order."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    channel = WorkerChannel(ours)
    data = os.urandom(4 * 1024 * 1024)
    channel.send(data[:100])
    channel.send(data[100:])
    received = b""
    loop = asyncio.get_running_loop()
    while len(received) < len(data):
        received += await loop.sock_recv(theirs, 65536)
    assert received == data
    channel.close()
    channel.close()
    assert await loop.sock_recv(theirs, 1) == b""
    theirs.close()
    channel.send(b"nobody is there")


async def test_channel_to_a_worker_that_has_gone_is_no_error() -> None:
    """Its process tells of that."""
    ours, theirs = socket.socketpair()
    channel = WorkerChannel(ours)
    theirs.close()
    channel.send(b"hello")
    channel.close()
