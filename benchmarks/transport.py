"""The transport beside the floor: the same work in one run, interleaved.

    python benchmarks/transport.py [--rounds 5] [--json]

Every round starts a server process for each side anew; figures are medians over the rounds, with their spread.
*apart* pins caller and callee to different cores, *one core* to the same one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent))

from floor import FloorClient, connect_floor, serve_floor

from dynamo_core import endpoint, service

RUN_ID = "benchmark"
ARGUMENT = {"prompt": "The quick brown fox jumps over the lazy dog", "max_tokens": 128, "stop": ["\n"]}
ITEMS = 10_000
STREAMS = 32
IN_FLIGHT = 64
PLACES = {"apart": ({0}, {1}), "one core": ({0}, {0})}


@service
class Backend:
    """What is called, on both sides."""

    @endpoint
    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value

    @endpoint
    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield "token"

    @endpoint
    async def suspending(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield "token"

    @endpoint
    async def slow(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield "token"
            await asyncio.sleep(0.005)


# --- the two sides ---


async def serve(side: str, path: str) -> None:
    backend = Backend()
    if side == "floor":
        server = await serve_floor(
            path,
            {"echo": backend.echo},
            {"ready": backend.ready, "suspending": backend.suspending, "slow": backend.slow},
        )
        async with server:
            print("ready", flush=True)
            await server.serve_forever()
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


@contextlib.asynccontextmanager
async def open_client(side: str, path: str) -> AsyncIterator[Any]:
    if side == "floor":
        client = await connect_floor(path)
        yield _FloorBackend(client)
        client.transport.close()
        return
    from dynamo_core.client import make_client
    from dynamo_core.inspection import define_service
    from dynamo_core.transport import Member, SlotChannel

    channel = SlotChannel("Backend", run_id=RUN_ID)
    channel.set_members([Member(slot=0, path=path)])
    yield make_client(Backend, define_service(Backend), channel, asyncio.get_running_loop())
    await channel.aclose()


class _FloorBackend:
    def __init__(self, client: FloorClient) -> None:
        self._client = client

    def echo(self, value: Any) -> Awaitable[Any]:
        return self._client.call("echo", value)

    def ready(self, count: int) -> AsyncIterator[Any]:
        return self._client.stream("ready", count)

    def suspending(self, count: int) -> AsyncIterator[Any]:
        return self._client.stream("suspending", count)

    def slow(self, count: int) -> AsyncIterator[Any]:
        return self._client.stream("slow", count)


# --- the work ---


async def unary_us(client: Any, count: int = 4000) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await client.echo(ARGUMENT)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


async def calls_per_s(client: Any, count: int = 40_000) -> float:
    async def one() -> None:
        for _ in range(count // IN_FLIGHT):
            await client.echo(ARGUMENT)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


async def _read(stream: AsyncIterator[Any], expected: int) -> None:
    count = 0
    async for _ in stream:
        count += 1
    if count != expected:
        raise RuntimeError(f"wanted {expected} items, got {count}")


def items_per_s(kind: str, streams: int, items: int = ITEMS) -> Callable[[Any], Awaitable[float]]:
    async def measure(client: Any) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(_read(getattr(client, kind)(items), items) for _ in range(streams)))
        return streams * items / (time.perf_counter() - began)

    return measure


async def first_item_us(client: Any, count: int = 200) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        async with contextlib.aclosing(client.slow(2)) as items:
            await anext(items)
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


WORK: dict[str, tuple[str, bool, Callable[[Any], Awaitable[float]]]] = {
    "unary, one at a time, p50": ("us", False, unary_us),
    f"{IN_FLIGHT} in flight": ("calls/s", True, calls_per_s),
    "one stream, ready items": ("items/s", True, items_per_s("ready", 1, 10 * ITEMS)),
    "one stream, suspending source": ("items/s", True, items_per_s("suspending", 1)),
    f"{STREAMS} streams, ready items": ("items/s", True, items_per_s("ready", STREAMS)),
    "first item of a stream, p50": ("us", False, first_item_us),
}


# --- the run ---


@contextlib.contextmanager
def _server(side: str, cores: set[int]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        command = [sys.executable, __file__, "--serve", side, "--path", path]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, preexec_fn=lambda: os.sched_setaffinity(0, cores)
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield path
            finally:
                process.kill()


async def _measure(side: str, path: str) -> dict[str, float]:
    async with open_client(side, path) as client:
        await calls_per_s(client, 6400)  # warm
        return {name: await work(client) for name, (_, _, work) in WORK.items()}


def measure(place: str, side: str) -> dict[str, float]:
    here, there = PLACES[place]
    os.sched_setaffinity(0, here)
    with _server(side, there) as path:
        return uvloop.run(_measure(side, path))


def run(rounds: int, places: list[str]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(rounds):
        for place in places:
            for side in ("floor", "transport"):
                for name, value in measure(place, side).items():
                    found.setdefault((place, name, side), []).append(value)
    rows = []
    for place in places:
        for name, (unit, more_is_better, _) in WORK.items():
            floor, ours = found[place, name, "floor"], found[place, name, "transport"]
            rows.append(
                {
                    "place": place,
                    "work": name,
                    "unit": unit,
                    "more_is_better": more_is_better,
                    "floor": statistics.median(floor),
                    "transport": statistics.median(ours),
                    "ratio": statistics.median(ours) / statistics.median(floor),
                    "floor_spread": [min(floor), max(floor)],
                    "transport_spread": [min(ours), max(ours)],
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", choices=list(PLACES), action="append")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=["floor", "transport"], help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        uvloop.run(serve(given.serve, given.path))
        return
    rows = run(given.rounds, given.place or list(PLACES))
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print("| place | work | unit | floor | transport | ratio | spread of transport |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        low, high = row["transport_spread"]
        print(
            f"| {row['place']} | {row['work']} | {row['unit']} | {row['floor']:,.0f} | {row['transport']:,.0f} "
            f"| {row['ratio']:.2f} | {low:,.0f} to {high:,.0f} |"
        )


if __name__ == "__main__":
    main()
