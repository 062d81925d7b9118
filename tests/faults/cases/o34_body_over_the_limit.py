"""A body that is one byte longer than the limit: announced, and in chunks."""

from __future__ import annotations

import asyncio
import contextlib

from harness import Trial, case
from harness.processes import usage
from harness.raw_http import HttpAnswer, RawHttp

GRAPH = "web_services.py:Door"
MIB = 1024 * 1024
ON_ITS_WAY = 12 * MIB  # what both sockets may hold of it


@case("O34", "413 without reading it; 413 at the limit; RSS growth <= 2 x limit")
async def send_too_much(trial: Trial) -> None:
    limit = trial.pick(32, 8) * MIB
    async with trial.start(GRAPH, f"--Door.ServiceArgs.http.max_body_bytes={limit}") as run:
        port = run.http_port("Door")
        pid = (await run.pids("Door"))[0]
        async with await RawHttp.connect(port) as http:
            answer = await http.request("/upload", b"x" * 10)
            trial.expect((answer.status, answer.data) == (200, 10), f"{answer}")
        before = usage(pid).rss_bytes
        announced = await announce(port, limit + 1)
        trial.expect(announced is not None and announced.status == 413, f"announced: {announced}")
        for _ in range(trial.pick(5, 1)):
            sent, chunked = await send_chunks(port)
            trial.expect(chunked is not None and chunked.status == 413, f"in chunks: {chunked}")
            trial.expect(limit < sent <= limit + ON_ITS_WAY, f"refused after {sent} of {limit} bytes")
        async with await RawHttp.connect(port) as http:
            answer = await http.request("/upload", bytes(limit))
            trial.expect((answer.status, answer.data) == (200, limit), f"at the limit: {answer}")
        grown = usage(pid).rss_bytes - before
    begun = sum(line.call_id == "upload" for line in trial.service_ledger)
    trial.expect(begun == 2, f"the method ran {begun} times instead of 2")
    trial.see(
        f"refused after {sent / MIB:.1f} MiB of {limit / MIB:g}; the worker grew by {grown / MIB:.1f} MiB"
    )
    trial.expect(grown <= 2 * limit, f"the worker grew by {grown / MIB:.1f} MiB")


async def announce(port: int, length: int) -> HttpAnswer | None:
    """Say how long a body will be, and send none of it."""
    async with await RawHttp.connect(port) as http:
        await http.send(head(f"content-length: {length}"))
        return await http.read_answer()


async def send_chunks(port: int) -> tuple[int, HttpAnswer | None]:
    """Send chunks until there is an answer; bytes that were sent by then, and the answer."""
    async with await RawHttp.connect(port) as http:
        await http.send(head("transfer-encoding: chunked"))
        reading = asyncio.create_task(http.read_answer())
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not reading.done():
                await http.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                sent += 0x10000
                await asyncio.sleep(0)
        return sent, await reading


def head(field: str) -> bytes:
    return (
        "POST /upload HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n"
        f"{field}\r\n\r\n"
    ).encode()
