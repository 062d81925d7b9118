"""What both ends say before the first call, and what becomes of those who say something else."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dynamo_core.channel import CallOptions
from dynamo_core.client import with_options
from dynamo_core.errors import CallTimeoutError, InvalidRequestError, ServiceUnavailableError
from dynamo_core.transport import TransportLimits
from dynamo_core.transport.frames import CALL, ERROR, HELLO, REFUSE, RESULT, encode_frame
from dynamo_core.transport.handshake import send_hello
from dynamo_core.transport.messages import Refusal, decode_greeting, encode, encode_call_head

from .raw_for_tests import RawPeer, faking, hello
from .serving_for_tests import calling, endpoint_named, eventually, working

BRIEF = TransportLimits(handshake_timeout_s=0.1, unavailable_timeout_s=0.4)


class Canary:
    """Unpickling one creates a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


# --- callers that a worker refuses ---


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"run_id": "run-2"}, "another run"),
        ({"service_name": "Other"}, "serves 'Backend', the caller wants 'Other'"),
    ],
)
async def test_a_caller_of_something_else_is_refused_at_once(make_socket, options, reason):
    """Its calls fail with the reason, and do not wait."""
    slot_socket = make_socket()
    async with working(slot_socket), calling([slot_socket.member()], **options) as (client, _):
        with pytest.raises(ServiceUnavailableError, match=reason):
            await client.echo(1)


async def test_a_caller_of_another_slot_is_refused(make_socket):
    """A path that leads to another slot than the membership says is not used."""
    slot_socket = make_socket()
    async with working(slot_socket, slot=1), calling([slot_socket.member(0)]) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="slot 0: it refused: the worker has slot 1"):
            await client.echo(1)


async def test_a_caller_that_has_gone_meanwhile_is_no_trouble(make_socket, caplog):
    """It waited in the queue of a slot without a worker, and made another connection then: nobody needs to know."""
    slot_socket = make_socket()
    peer = await RawPeer.connect(slot_socket.path)
    send_hello(peer.sock, hello(), None)
    peer.close()
    caplog.set_level("INFO", "dynamo_core.transport")
    async with working(slot_socket), calling([slot_socket.member()]) as (client, _):
        assert await client.echo(1) == 1
    assert not caplog.records


async def test_another_version_is_refused_by_name(make_socket):
    """The answer tells a caller of any version what to do."""
    slot_socket = make_socket()
    async with working(slot_socket):
        peer = await RawPeer.connect(slot_socket.path)
        await peer.send(encode_frame(HELLO, body=encode(hello(version=2))))
        ((kind, _, _, body),) = await peer.read_to_end()
        assert kind == REFUSE
        refusal = decode_greeting(Refusal, body)
        assert refusal.code == "version"
        assert "version 2" in refusal.message
        peer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 64,
        encode_frame(CALL, 1, b"\0" * 20),
        encode_frame(HELLO, 1, encode(hello())),
        encode_frame(HELLO, body=b"\xc1"),
        encode_frame(HELLO, body=encode({"protocol": "dynamo", "version": 1})),
        encode_frame(HELLO, body=encode(hello(run_id="x" * 5000))),
        encode_frame(HELLO, body=encode(hello())) + encode_frame(CALL, 1),
    ],
)
async def test_what_is_no_handshake_ends_the_connection(make_socket, data):
    """And no other one."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker, calling([slot_socket.member()]) as (client, _):
        peer = await RawPeer.connect(slot_socket.path)
        await peer.send(data)
        assert all(kind == REFUSE for kind, *_ in await peer.read_to_end())
        peer.close()
        assert await client.echo(1) == 1
        assert worker.backend.ledger == ["echo"]


async def test_a_pickle_is_never_read(make_socket, folder):
    """Not as a handshake, not as a frame, not as arguments."""
    slot_socket = make_socket()
    canary = pickle.dumps(Canary(str(folder / "canary")))
    async with working(slot_socket), calling([slot_socket.member()]) as (client, channel):
        first = await RawPeer.connect(slot_socket.path)
        await first.send(canary)
        assert {kind for kind, *_ in await first.read_to_end()} <= {REFUSE}
        first.close()
        second = await RawPeer.open(slot_socket.path)
        await second.send(canary)
        assert await second.read_to_end() == []
        second.close()
        third = await RawPeer.open(slot_socket.path)
        await third.send(encode_call_head(1, 0, b"echo", 0, b"", len(canary)) + canary)
        kind, _, number, body = await third.read()
        assert (kind, number) == (ERROR, 1)
        assert b"InvalidRequestError" in body
        third.close()
        with pytest.raises(InvalidRequestError):
            await channel.call(endpoint_named("echo"), canary, CallOptions())
        assert await client.echo(1) == 1
    assert not (folder / "canary").exists()


@pytest.mark.parametrize(
    "data",
    [
        encode_frame(99, 1),
        encode_frame(RESULT, 1),
        encode_frame(CALL, 1, b"\0"),
        encode_frame(CALL, 0, bytes(20)),
        (2**31).to_bytes(4, "big") + bytes(100),
        encode_frame(12, 1, b"short"),
    ],
)
async def test_a_frame_that_callers_may_not_send_ends_the_connection(make_socket, data):
    """And no other one."""
    slot_socket = make_socket()
    async with working(slot_socket), calling([slot_socket.member()]) as (client, _):
        peer = await RawPeer.open(slot_socket.path)
        await peer.send(data)
        assert await peer.read_to_end() == []
        peer.close()
        assert await client.echo(1) == 1


async def test_a_call_number_that_is_open_cannot_be_used_again(make_socket):
    """The peer has lost count, so nothing it says can be trusted."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.open(slot_socket.path)
        call = encode_call_head(1, 0, b"hold", 0, b"", 1) + b"\x80"
        await peer.send(call + call)
        kinds = [kind for kind, *_ in await peer.read_to_end()]
        assert RESULT not in kinds
        peer.close()
        await eventually(lambda: not worker.server._connections)


async def test_a_caller_that_says_nothing_is_cut(make_socket):
    """The handshake has a time limit of its own."""
    slot_socket = make_socket()
    async with working(slot_socket, limits=TransportLimits(handshake_timeout_s=0.05)) as worker:
        silent = await RawPeer.connect(slot_socket.path)
        halting = await RawPeer.connect(slot_socket.path)
        await halting.send(encode_frame(HELLO, body=encode(hello()))[:20])
        assert await silent.read_to_end() == []
        assert await halting.read_to_end() == []
        silent.close()
        halting.close()
        await eventually(lambda: not worker.server._handshakes)


async def test_descriptors_that_come_unasked_are_closed(make_socket):
    """A caller cannot fill the worker's table of descriptors."""
    slot_socket = make_socket()
    async with working(slot_socket) as worker:
        peer = await RawPeer.connect(slot_socket.path)
        readers = []
        with socket.socket(socket.AF_UNIX) as _:
            for _ in range(3):
                reader, writer = os.pipe()
                readers.append(reader)
                rights = array.array("i", [writer])
                data = encode_frame(HELLO, body=encode(hello()))
                part = data[len(readers) - 1 : len(readers)] if len(readers) < 3 else data[2:]
                peer.sock.sendmsg([part], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                os.close(writer)
        assert (await peer.read())[0] == 2
        for reader in readers:
            assert os.read(reader, 1) == b""  # nobody holds the other end
            os.close(reader)
        assert worker.server._connections
        peer.close()


# --- workers that a caller does not believe ---


async def test_nobody_behind_a_socket_is_no_hang(make_socket):
    """A connection that is never taken proves nothing; the error says so."""
    slot_socket = make_socket()
    async with calling([slot_socket.member()], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="slot 0: no worker has taken the connection"):
            await client.echo(1)
        with pytest.raises(CallTimeoutError):
            await with_options(client, timeout_s=0.05).echo(1)


async def test_a_worker_that_never_answers_is_no_hang(make_socket):
    """One that takes connections and says nothing, such as another program on the socket."""
    slot_socket = make_socket()
    slot_socket.listener.setblocking(True)
    taken: list[RawPeer] = []

    async def take() -> None:
        loop = asyncio.get_running_loop()
        slot_socket.listener.setblocking(False)
        while True:
            sock, _ = await loop.sock_accept(slot_socket.listener)
            taken.append(RawPeer(sock))
            await taken[-1].read()

    taking = asyncio.create_task(take())
    async with calling([slot_socket.member()], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="did not answer the handshake within"):
            await client.echo(1)
    taking.cancel()
    for peer in taken:
        peer.close()


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 40, encode_frame(2, body=b"\xc1"), encode_frame(RESULT, 1)],
)
async def test_what_is_no_worker_is_not_used(make_socket, data):
    """Whatever answers in another way than a worker does."""
    slot_socket = make_socket()
    slot_socket.listener.setblocking(False)

    async def answer() -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(slot_socket.listener)
            peer = RawPeer(sock)
            try:
                with contextlib.suppress(ConnectionError):  # the caller may have left
                    await peer.send(data)
            finally:
                peer.close()

    answering = asyncio.create_task(answer())
    async with calling([slot_socket.member()], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="slot 0: "):
            await client.echo(1)
    answering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await answering


@pytest.mark.parametrize("changes", [{"run_id": "run-2"}, {"service": "Other"}, {"slot": 5}])
async def test_a_worker_of_something_else_is_not_used(make_socket, changes):
    """Even when it would take the connection."""
    slot_socket = make_socket()

    async def read(worker, peer) -> None:
        await worker.read_call(peer)

    async with faking(slot_socket, read, **changes) as worker, calling([slot_socket.member()]) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="refused"):
            await client.echo(1)
        assert worker.calls == 0


async def test_a_queue_that_is_full_is_no_error_of_the_caller(make_socket):
    """EAGAIN, ENOTCONN and EINVAL stay inside; calls wait and fail as they do when nobody is there."""
    slot_socket = make_socket(backlog=2)
    channels = [calling([slot_socket.member()], limits=BRIEF) for _ in range(12)]
    opened = [await each.__aenter__() for each in channels]
    outcomes = await asyncio.gather(*(client.echo(1) for client, _ in opened), return_exceptions=True)
    assert {type(each) for each in outcomes} == {ServiceUnavailableError}
    assert any("queue of its socket is full" in str(each) for each in outcomes)
    async with working(slot_socket):
        assert await asyncio.gather(*(client.echo(i) for i, (client, _) in enumerate(opened))) == list(
            range(12)
        )
    for each in channels:
        await each.__aexit__(None, None, None)


async def test_calls_wait_for_a_worker_that_comes_later(make_socket):
    """The supervisor holds the socket: the connection waits in its queue for the next worker."""
    slot_socket = make_socket()
    async with calling([slot_socket.member()]) as (client, channel):
        calls = [asyncio.create_task(client.echo(i)) for i in range(3)]
        await eventually(lambda: len(channel._waiting) == 3)
        async with working(slot_socket) as worker:
            assert await asyncio.gather(*calls) == [0, 1, 2]
            assert len(worker.server._connections) == 1


# --- other users ---

AS_OTHER = """
import socket, sys
found = socket.socket(socket.AF_UNIX)
found.connect(sys.argv[1])
try:
    found.sendall(bytes.fromhex(sys.argv[2]))
    print(found.recv(100))
except ConnectionError:
    print(b"")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_is_refused_before_it_is_read(make_socket, folder):
    """Even with a socket that is open to everybody."""
    slot_socket = make_socket()
    folder.chmod(0o755)
    Path(slot_socket.path).chmod(0o777)
    async with working(slot_socket) as worker:
        data = encode_frame(HELLO, body=encode(hello())).hex()
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/env",
            "python3",
            "-c",
            AS_OTHER,
            slot_socket.path,
            data,
            stdout=subprocess.PIPE,
            user=65534,
        )
        output, _ = await process.communicate()
        assert output.strip() == b"b''"
        assert not worker.server._connections


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can be another user")
async def test_a_socket_of_another_user_gets_no_call(folder):
    """A path that somebody else took over is not believed."""
    from dynamo_core.transport import Member

    folder.chmod(0o777)
    path = str(folder / "theirs")
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); "
        "print('ready', flush=True); sys.stdin.read()"
    )
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env",
        "python3",
        "-c",
        script,
        path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=65534,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with calling([Member(slot=0, path=path)], limits=BRIEF) as (client, _):
        with pytest.raises(ServiceUnavailableError, match="belongs to another user"):
            await client.echo(1)
    await process.communicate(b"")
