"""What the supervisor tells its workers."""

from __future__ import annotations

import asyncio
import os
import socket

from dynamo_circus.supervisor.channels import WorkerChannel

LARGE = 4 * 1024 * 1024


async def test_a_descriptor_comes_with_the_frame_that_it_was_written_with():
    """Also when the worker has not read what was written before."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    channel = WorkerChannel(ours)
    reader, writer = os.pipe()
    channel.write(bytes(LARGE))
    channel.write(b"with", descriptor=writer)
    os.close(writer)  # it has a copy
    channel.write(b"after")
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
    channel.write(bytes(LARGE))
    channel.write(b"with", descriptor=writer)
    os.close(writer)
    channel.close()
    assert os.read(reader, 1) == b"", "a copy is still open"
    os.close(reader)
    theirs.close()
