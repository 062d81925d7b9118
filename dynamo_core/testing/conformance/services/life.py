"""Services that note every step of their lives, and some whose lives go wrong."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dynamo_core import (
    ServiceContext,
    async_on_start,
    depends,
    endpoint,
    on_shutdown,
    on_start,
    readiness,
    service,
)
from dynamo_core.testing.conformance.ledger import note


class _Noting:
    """Notes what happens to an instance; the ledger's path is the setting ``ledger``."""

    context: ServiceContext

    def note(self, what: str) -> None:
        """Add a line with the service's name."""
        note(str(self.context.settings.get("ledger", "")), f"{self.context.service} {what}")


@service
class Cellar(_Noting):
    """The service everything stands on."""

    def __init__(self) -> None:
        self.note("init")

    @on_start
    def start_in_thread(self) -> None:
        """Runs first."""
        self.note("on_start")

    @async_on_start
    async def start_on_loop(self) -> None:
        """Runs second."""
        self.note("async_on_start")

    @on_shutdown
    def stop_last(self) -> None:
        """Declared first, so that it runs last."""
        self.note("on_shutdown 1")

    @on_shutdown
    async def stop_first(self) -> None:
        """Declared last, so that it runs first."""
        self.note("on_shutdown 2")

    @endpoint
    async def store(self, what: str) -> str:
        """Answer."""
        return f"stored {what}"

    @endpoint
    async def identity(self) -> list[int]:
        """Which worker answers: process and object."""
        return [os.getpid(), id(self)]

    @endpoint
    async def say(self, line: str) -> None:
        """Write a line to standard output."""
        print(line, flush=True)  # noqa: T201  # what is tested

    @endpoint
    async def variable(self, name: str) -> str | None:
        """A variable of the worker's environment."""
        return os.environ.get(name)

    @endpoint
    async def setting(self, name: str) -> list[str]:
        """A setting: as text, and as what it means by itself."""
        settings = self.context.settings
        return [settings.text(name), repr(settings[name])]

    @endpoint
    async def finish_slowly(self, ledger: str) -> str:
        """Answer once the ledger says so; a stop must wait for it."""
        note(ledger, "slow began")
        path = Path(ledger)
        while "go on" not in path.read_text("utf-8").splitlines():  # noqa: ASYNC240  # a few bytes
            await asyncio.sleep(0.01)
        return "finished"


@service
class House(_Noting):
    """Depends on ``Cellar``; calls it while it starts and while it stops."""

    cellar = depends(Cellar)

    def __init__(self) -> None:
        self.note("init")

    @async_on_start
    async def start(self) -> None:
        """What it depends on is ready by now."""
        self.note(f"async_on_start {await self.cellar.store('coal')}")

    @on_shutdown
    async def stop(self) -> None:
        """What it depends on is still there."""
        self.note(f"on_shutdown {await self.cellar.store('ashes')}")

    @endpoint
    async def describe(self) -> list[str]:
        """What the injected context says."""
        context = self.context
        return [context.service, str(context.slot), context.run_id, context.graph]

    @endpoint
    async def store(self, what: str) -> str:
        """Pass on."""
        return await self.cellar.store(what)

    @endpoint
    async def cellar_identity(self) -> list[int]:
        """Which worker of the cellar answers."""
        return await self.cellar.identity()


@service
class Broken:
    """Fails to start."""

    cellar = depends(Cellar)

    @on_start
    def fail(self) -> None:
        """Raise."""
        raise OSError("the stove is broken")

    @endpoint
    async def never(self) -> None:
        """Never reached."""


@service
class Unbuildable:
    """Its constructor raises."""

    def __init__(self) -> None:
        raise RuntimeError("no building permission")

    @endpoint
    async def never(self) -> None:
        """Never reached."""


@service(supervision={"startup_timeout_s": 0.5})
class NeverReady:
    """Its start hook does not return in time."""

    @async_on_start
    async def start(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    @endpoint
    async def never(self) -> None:
        """Never reached."""


@service
class Gated(_Noting):
    """Ready once the file named by the setting ``gate`` exists."""

    @readiness
    def is_open(self) -> bool:
        """Look for the file, and note the look."""
        self.note("looked")
        return Path(str(self.context.settings["gate"])).exists()

    @endpoint
    async def enter(self) -> str:
        """Answer."""
        return "inside"
