"""A graph for tests of runs: what workers import is this file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from dynamo_core import ServiceContext, api, async_on_start, depends, endpoint, on_shutdown, service


@service(workers=2)
class Backend:
    context: ServiceContext

    @endpoint(idempotent=True)
    async def echo(self, text: str) -> str:
        return f"Backend: {text}"

    @endpoint
    def shout(self, text: str) -> str:
        return text.upper()

    @endpoint
    async def count(self, last: int) -> AsyncIterator[int]:
        for number in range(last):
            yield number

    @endpoint
    def letters(self, text: str) -> Iterator[str]:
        yield from text

    @endpoint
    async def drip(self) -> AsyncIterator[int]:
        yield os.getpid()
        await asyncio.Event().wait()

    @endpoint
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")

    @endpoint
    async def environ(self, name: str) -> str | None:
        return os.environ.get(name)

    @endpoint
    async def start_child(self) -> int:
        code = "import signal; signal.pause()"
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL).pid


@service(http={"port": 0})
class Frontend:
    backend = depends(Backend)

    @async_on_start
    async def greet(self) -> None:
        self.greeting = await self.backend.echo("started")

    @on_shutdown
    def part(self) -> None:
        sys.stdout.write("Frontend says goodbye\n")

    @api
    async def generate(self, text: str) -> AsyncIterator[str]:
        yield f"Frontend: {self.greeting}"
        yield f"Frontend: {await self.backend.echo(text)}"
        async for number in self.backend.count(3):
            yield f"Frontend: {number}"

    @endpoint
    async def backend_pid(self) -> int:
        return await self.backend.pid()


@service(hardening=True, secrets=["SECRET_OF_TESTS"])
class Vault:
    context: ServiceContext
    backend = depends(Backend)

    @endpoint
    async def secret(self) -> str:
        return self.context.secret("SECRET_OF_TESTS")

    @endpoint
    async def is_hardened(self) -> bool:
        status = Path("/proc/self/status").read_text()
        return "NoNewPrivs:\t1" in status

    @endpoint
    async def pid(self) -> int:
        return os.getpid()
