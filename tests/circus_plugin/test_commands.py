"""What is asked of a run over its control socket."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_circus.supervisor.commands import RunCommands
from dynamo_circus.supervisor.pulse import Pulse
from dynamo_core.errors import DynamoError


class _BusyWatcher:
    """Is being changed already, and will be for ever."""

    name = "Busy"
    is_ready = False
    stop_reason = ""
    slots = ()

    def __init__(self) -> None:
        self.changes = asyncio.Lock()


class _Supervisor:
    def __init__(self) -> None:
        self.watchers = [_BusyWatcher()]
        self.stop_requested = asyncio.Event()
        self.changed = Pulse()
        self.devices = SimpleNamespace()
        self.said: list[str] = []

    def say(self, service: str, what: str, reason: str | None) -> None:
        self.said.append(what)


@pytest.mark.parametrize("verb", ["scale", "restart"])
async def test_nothing_is_changed_any_more_once_the_run_is_being_stopped(verb: str) -> None:
    """Not even begun: a service that was stopped must stay so."""
    supervisor: Any = _Supervisor()
    supervisor.stop_requested.set()
    arguments: dict[str, tuple[Any, ...]] = {"scale": ("Busy", 3, None), "restart": ("Busy", None)}
    with pytest.raises(DynamoError, match="is being stopped"):
        await getattr(RunCommands(supervisor), verb)(*arguments[verb])
    assert not supervisor.said


@pytest.mark.parametrize("verb", ["scale", "restart", "wait_ready"])
async def test_command_that_waits_ends_when_the_run_is_stopped(verb: str) -> None:
    """It says so, instead of holding up the end of the run."""
    supervisor: Any = _Supervisor()  # as much of one as commands look at
    arguments: dict[str, tuple[Any, ...]] = {
        "scale": ("Busy", 3, None),
        "restart": ("Busy", None),
        "wait_ready": (None,),
    }
    async with supervisor.watchers[0].changes:
        waiting = asyncio.create_task(getattr(RunCommands(supervisor), verb)(*arguments[verb]))
        await asyncio.sleep(0)
        supervisor.stop_requested.set()
        async with asyncio.timeout(30):
            with pytest.raises(DynamoError, match="is being stopped"):
                await waiting
