"""What is asked of a run over its control socket."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_circus.supervisor import changes
from dynamo_circus.supervisor.commands import RunCommands
from dynamo_circus.supervisor.pulse import Pulse
from dynamo_core.errors import DynamoError, ServiceFailedError


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


async def test_outcome_of_a_change_is_told_to_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only to who asked for it."""
    supervisor: Any = _Supervisor()

    async def fail(*_: object) -> None:
        raise ServiceFailedError("Busy", "exited with status 4", slot=2)

    monkeypatch.setattr(changes, "scale", fail)
    with pytest.raises(ServiceFailedError):
        await RunCommands(supervisor).scale("Busy", 3, None)
    async with supervisor.watchers[0].changes:
        monkeypatch.undo()
        waiting = asyncio.create_task(RunCommands(supervisor).restart("Busy", None))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert supervisor.said == [
        "scaled to 3 workers",
        "not scaled: service Busy/2 failed: exited with status 4",
        "restarted, one worker after another",
        "not restarted to the end: whoever asked has gone",
    ]


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
