"""Large payloads beside a bare socket copy: the same bytes in one run, interleaved, with the peak memory of both.

Every measurement starts a serving and a driving process anew.
The bare side is two blocking sockets: a payload is sent whole and received into memory of its own, as an endpoint
or its caller gets it.
*Peak* is what both processes together had at most in memory beyond what they had before, in payloads
(``VmHWM``); the one that the sender holds itself is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from dynamo_core import endpoint, service

RUN_ID = "benchmark"
MIB = 1 << 20
ITEMS = 64
PLACES = {"apart": ({0}, {1}), "one core": ({0}, {0})}
SIDES = ("bare", "transport")
WORK: dict[str, tuple[str, int, int]] = {
    "argument of 64 MiB": ("up", 64 * MIB, 8),
    "result of 64 MiB": ("down", 64 * MIB, 8),
    "argument of 1 MiB": ("up", MIB, 200),
    "result of 1 MiB": ("down", MIB, 200),
    f"stream of {ITEMS} items of 1 MiB": ("stream", MIB, 4),
}
"""Direction, size of a payload, and how often."""


@service
class Backend:
    """What is called."""

    payload = b""

    @endpoint
    async def prepare(self, size: int) -> None:
        self.payload = b"x" * size

    @endpoint
    async def up(self, data: bytes) -> int:
        return len(data)

    @endpoint
    async def down(self) -> bytes:
        return self.payload

    @endpoint
    async def stream(self) -> AsyncIterator[bytes]:
        for _ in range(ITEMS):
            yield self.payload


# --- serving ---


def serve_bare(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    sock, _ = listener.accept()
    payload = b""
    while request := sock.recv(16):
        verb, size = request[:1], int.from_bytes(request[1:], "big")
        if verb == b"p":
            payload = b"x" * size
            sock.sendall(b".")
        elif verb == b"u":
            received = receive(sock, size)
            sock.sendall(b".")
            del received
        elif verb == b"d":
            sock.sendall(payload)
        else:
            for _ in range(ITEMS):
                sock.sendall(payload)


def receive(sock: socket.socket, size: int) -> bytes:
    """Receive *size* bytes into memory of their own."""
    whole = io.BytesIO(bytes(size))
    with whole.getbuffer() as view:
        done = 0
        while done < size:
            done += sock.recv_into(view[done:])
    return whole.getvalue()


async def serve_transport(path: str) -> None:
    from dynamo_core.config import ServiceConfig
    from dynamo_core.host import Host
    from dynamo_core.inspection import define_service
    from dynamo_core.transport import ServiceServer

    host = Host(define_service(Backend), slot=0, config=ServiceConfig(), clients={}, run_id=RUN_ID)
    await host.start()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    await ServiceServer(host, run_id=RUN_ID).start(listener)
    print("ready", flush=True)
    await asyncio.Event().wait()


# --- driving ---


def drive_bare(path: str, verb: str, size: int, times: int, server: int) -> dict[str, float]:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)

    def once() -> None:
        sock.sendall(verb[:1].encode() + size.to_bytes(15, "big"))
        if verb == "up":
            sock.sendall(payload)
            sock.recv(1)
            return
        for _ in range(ITEMS if verb == "stream" else 1):
            receive(sock, size)

    before = memory("VmRSS", server)
    payload = b"x" * size if verb == "up" else b""
    if verb != "up":
        sock.sendall(b"p" + size.to_bytes(15, "big"))
        sock.recv(1)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        once()
        taken.append(time.perf_counter() - began)
    return summary(taken, verb, size, memory("VmHWM", server) - before)


async def drive_transport(path: str, verb: str, size: int, times: int, server: int) -> dict[str, float]:
    from dynamo_core.client import make_client
    from dynamo_core.inspection import define_service
    from dynamo_core.transport import Member, SlotChannel

    channel = SlotChannel("Backend", run_id=RUN_ID)
    channel.set_members([Member(slot=0, path=path)])
    client = make_client(Backend, define_service(Backend), channel, asyncio.get_running_loop())

    async def once() -> None:
        if verb == "up":
            found = await client.up(payload)
        elif verb == "down":
            found = len(await client.down())
        else:
            found = 0
            async for item in client.stream():
                found += len(item)
        if found != size * (ITEMS if verb == "stream" else 1):
            raise RuntimeError(f"{found} bytes came through")

    await client.up(b"")
    before = memory("VmRSS", server)
    payload = b"x" * size if verb == "up" else b""
    if verb != "up":
        await client.prepare(size)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await once()
        taken.append(time.perf_counter() - began)
    found = summary(taken, verb, size, memory("VmHWM", server) - before)
    await channel.aclose()
    return found


def summary(taken: list[float], verb: str, size: int, grown: int) -> dict[str, float]:
    moved = size * (ITEMS if verb == "stream" else 1)
    return {"mib_per_s": moved / statistics.median(taken) / MIB, "peak": grown / size}


def memory(what: str, server: int) -> int:
    """What this process and the server have, in bytes."""
    return sum(_memory_of(what, process) for process in ("self", str(server)))


def _memory_of(what: str, process: str) -> int:
    text = Path(f"/proc/{process}/status").read_text("ascii")
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith(what + ":"))


# --- the run ---


@contextlib.contextmanager
def _process(command: list[str], cores: set[int]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, __file__, *command],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def measure(place: str, side: str, work: str) -> dict[str, float]:
    here, there = PLACES[place]
    with (
        tempfile.TemporaryDirectory() as folder,
        _process(["--serve", side, "--path", f"{folder}/s"], there) as server,
    ):
        assert server.stdout is not None
        server.stdout.readline()
        given = ["--drive", side, "--path", f"{folder}/s", "--work", work, "--server", str(server.pid)]
        with _process(given, here) as driver:
            out, _ = driver.communicate()
            found: dict[str, float] = json.loads(out)
            return found


def main() -> None:
    """The command line of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--serve", "--drive", "--path", "--work", "--server"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve: Callable[[str], Any] = serve_bare
        if given.serve == "transport":
            serve = lambda path: uvloop.run(serve_transport(path))  # noqa: E731
        serve(given.path)
        return
    details = (given.path, *WORK[given.work], int(given.server))
    found = drive_bare(*details) if given.drive == "bare" else uvloop.run(drive_transport(*details))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
