"""Calls as many bare servers as it is given sockets, one after the other: the floor of what scaling costs.

Says ``answered`` when all have answered, puts them under load, prints what that has shown, and stays until its input ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable
from typing import Any

import uvloop

from benchmarks.floor import FloorClient, connect_floor
from benchmarks.many.load import load
from benchmarks.work import ARGUMENT

PATIENCE_S = 30.0
POLL_S = 0.002


async def main(paths: list[str]) -> None:
    clients = [await _connect(path) for path in paths]
    for client in clients:
        if await client.call("echo", ARGUMENT) != ARGUMENT:
            raise ValueError("another value came back")
    print("answered", flush=True)
    turns = itertools.cycle(clients)

    def call() -> Awaitable[Any]:
        return next(turns).call("echo", ARGUMENT)

    print(json.dumps(await load(call)), flush=True)
    sys.stdin.read()


async def _connect(path: str) -> FloorClient:
    """Connect as soon as somebody listens."""
    end = time.perf_counter() + PATIENCE_S
    while True:
        try:
            return await connect_floor(path)
        except OSError:
            if time.perf_counter() > end:
                raise
            await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
