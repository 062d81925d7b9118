"""A stream is dropped half-way: by its caller, over HTTP, and because its caller dies."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from harness import Run, Trial, case
from harness.kills import kill_worker
from harness.raw_http import RawHttp

from dynamo_core import to_async_stream

GRAPH = "load_services.py:Relay"
FINALLY_S = 0.5
ITEMS = 5


@case("O31", "the generator's finally runs <= 0.5 s, slot free, ledger cancelled")
async def drop_streams(trial: Trial) -> None:
    async with trial.start(GRAPH) as run:
        for name, drop in (
            ("async", drop_async),
            ("sync", drop_sync),
            ("HTTP", drop_http),
            ("caller killed", drop_by_death),
        ):
            call_id = f"stream-{name.replace(' ', '-')}"
            dropped = await drop(run, call_id)
            has_ended = functools.partial(ended, trial, call_id)
            await trial.until(has_ended, f"{name}: the generator's end", 5.0)
            trial.within(f"finally ({name})", ended(trial, call_id) - dropped, FINALLY_S)
            record = await trial.ledger.record(run.client("Source").work, service="Source", deadline_s=5)
            trial.expect(record.outcome == "ok", f"{name}: the place is not free: {record.error}")
    begun = [line.what for line in trial.service_ledger if line.call_id.startswith("stream-")]
    trial.expect(begun == ["begin", "cancelled"] * 4, f"ledger: {begun}")


def ended(trial: Trial, call_id: str) -> float:
    """When a stream was cancelled; 0 before."""
    lines = trial.service_ledger
    return next((line.when for line in lines if line.call_id == call_id and line.what == "cancelled"), 0.0)


async def drop_async(run: Run, call_id: str) -> float:
    return await take_some(run.client("Source").items(call_id))


async def drop_sync(run: Run, call_id: str) -> float:
    return await take_some(to_async_stream(run.client("Source").lines)(call_id))


async def take_some(items: Any) -> float:
    """Take a few items, and close the stream."""
    async with contextlib.aclosing(items):
        async for item in items:
            if item == ITEMS:
                break
        return time.monotonic()


async def drop_http(run: Run, call_id: str) -> float:
    """Close the connection in the middle of an answer."""
    async with await RawHttp.connect(run.http_port("Source")) as http:
        body = json.dumps({"call_id": call_id}).encode()
        head = f"POST /items HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        await http.send(f"{head}\r\n\r\n".encode() + body)
        received = b""
        while b"\n5\n" not in received.replace(b"\r\n", b"\n"):
            received += await http.read_some()
    return time.monotonic()


async def drop_by_death(run: Run, call_id: str) -> float:
    """Kill the worker that passes the stream on."""
    items = run.client("Relay").items(call_id)
    first: Callable[[], Awaitable[int]] = items.__anext__
    for _ in range(ITEMS):
        await first()
    kill = await kill_worker(run, "Relay", 0)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(first(), 5)
    await run.events.wait("ready", "Relay", after=kill.when)
    return kill.when
