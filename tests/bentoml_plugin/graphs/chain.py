"""A graph for tests of runs: what workers import is this file."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from dynamo_core import ServiceContext, api, depends, endpoint, service


@service(workers=2)
class Backend:
    """Two workers."""

    context: ServiceContext

    @endpoint(idempotent=True)
    async def echo(self, text: str) -> str:
        return f"Backend: {text}"

    @endpoint
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def environ(self) -> dict[str, str]:
        return dict(os.environ)

    @endpoint
    async def say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")

    @endpoint
    async def hold(self, path: str) -> str:
        Path(path).touch()
        await asyncio.sleep(3600)
        return "never"

    @endpoint
    async def start_children(self) -> list[int]:
        """One in the worker's group, and one that has left it."""
        code = "import signal; signal.pause()"
        children = [
            subprocess.Popen([sys.executable, "-c", code], start_new_session=leaves)
            for leaves in (False, True)
        ]
        return [child.pid for child in children]

    @endpoint
    async def exit(self, status: int) -> None:
        os._exit(status)

    @endpoint
    async def canary(self) -> str:
        return os.environ.get("BACKEND_SECRET", "none")


@dataclasses.dataclass
class Greeting:
    """The body of a request."""

    name: str
    times: int = 1


@service(http={"port": 0})
class Frontend:
    """What HTTP reaches."""

    backend = depends(Backend)

    @api
    async def greet(self, greeting: Greeting) -> list[str]:
        """Greets through the backend."""
        return [await self.backend.echo(greeting.name) for _ in range(greeting.times)]

    @api
    async def add(self, a: int, b: int = 2) -> int:
        """Parameters by name."""
        return a + b

    @api
    async def words(self, text: str) -> AsyncIterator[str]:
        """A stream."""
        for word in text.split():
            yield word

    @api
    async def fail(self) -> None:
        """Fails."""
        raise ValueError("only the log says this")

    @api
    async def call(self, text: str) -> str:
        """Has a name that BentoML's clients have taken."""
        return text.upper()

    @endpoint
    async def hidden(self, path: str) -> None:
        """No route of its own."""
        Path(path).touch()

    @endpoint
    async def canary(self) -> str:
        return os.environ.get("FRONTEND_SECRET", "none")
