"""A run for tests of watchers: real arbiter, real processes, and a record of what was told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dynamo_circus.gpu.leases import DevicePool
from dynamo_circus.supervisor.arbiter import Arbiter
from dynamo_circus.supervisor.process import Launch, Process
from dynamo_circus.supervisor.reaper import Reaper
from dynamo_circus.supervisor.sockets import SlotSocket
from dynamo_circus.supervisor.watcher import Watcher
from dynamo_core import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from dynamo_circus.supervisor.slots import Slot
    from dynamo_core.provider import LogLine

PATIENCE_S = 30.0

SLEEP = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); signal.pause()"
IGNORE_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\nwhile True: signal.pause()"


async def until(claim: Callable[[], object], what: str) -> None:
    """Wait for *claim* to hold; fail loudly after a while."""
    async with asyncio.timeout(PATIENCE_S):
        while not claim():
            await asyncio.sleep(0.005)
    assert claim(), what


def is_alive(pid: int) -> bool:
    """Whether a process runs, zombies not counted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def make_service(name: str, **supervision: object) -> Any:  # a stand-in for ServicePlan
    """A service of which only what watchers look at is there."""
    settings: dict[str, object] = {
        "stop_timeout_s": 10.0,
        "stable_time_s": 1.0,
        "max_failures": 8,
        "max_restarts": 120,
        "restart_window_s": 300.0,
        "startup_timeout_s": 30.0,
        "on_failure": "restart",
        "watchdog_s": None,
    }
    settings.update(supervision)
    config = SimpleNamespace(supervision=SimpleNamespace(**settings))
    return SimpleNamespace(name=name, argv=(sys.executable,), config=config, is_custom=False)


class RecordingCrew:
    """Spawns ``python -c SCRIPT`` workers and notes what watchers tell."""

    def __init__(self, folder: Path, arbiter: Arbiter, tasks: asyncio.TaskGroup) -> None:
        self.folder = folder
        self.arbiter = arbiter
        self.tasks = tasks
        self.is_starting = False
        self.is_stopping = False
        self.ready_on_spawn = True
        self.may_begin = True
        self.scripts: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.told: list[tuple[str, str, int, object]] = []
        self.lines: list[str] = []
        self.abandoned: list[Launch] = []
        self.devices: DevicePool | None = None

    @property
    def reaper(self) -> Reaper:
        return self.arbiter.reaper

    def count(self, kind: str, service: str | None = None) -> int:
        return sum(1 for told in self.told if told[0] == kind and service in {None, told[1]})

    def add(self, name: str, script: str, *, slots: int = 1, **supervision: object) -> Watcher:
        self.scripts[name] = script
        service = make_service(name, **supervision)
        sockets = [self.open_slot(service, index) for index in range(slots)]
        watcher = Watcher(service, sockets, self, self.arbiter.tornado_loop)
        self.arbiter.add(watcher)
        return watcher

    def wake(self) -> None:
        self.arbiter.wake()

    def may_spawn(self) -> bool:
        return self.may_begin

    def paused(self, watcher: Watcher, slot: Slot, *, is_paused: bool) -> None:
        self.told.append(("paused", watcher.name, slot.index, is_paused))

    def prepare(self, service: Any, slot: Slot) -> Launch:
        env: Mapping[str, str] = {
            **os.environ,
            **self.env,
            environment.WORKER_ID: f"run/{service.name}/{slot.index}.{slot.generation}",
        }
        argv = (sys.executable, "-c", self.scripts[service.name])
        return Launch(argv=argv, env=env, cwd=Path.cwd(), inherited=(slot.socket.fileno(),))

    def abandon(self, launch: Launch) -> None:
        self.abandoned.append(launch)

    def take_devices(self, service: Any, slot: int) -> None:
        if self.devices is not None:
            self.devices.lease((service.name, slot), 1)

    def give_back_devices(self, service: Any, slot: int) -> None:
        if self.devices is not None:
            self.devices.give_back((service.name, slot))

    def open_slot(self, service: Any, slot: int) -> SlotSocket:
        name = f"{service.name}.{slot}"
        found = SlotSocket(name, service=service.name, slot=slot, path=self.folder / name)
        found.bind_and_listen()
        self.arbiter.sockets[name] = found
        return found

    def close_slot(self, found: SlotSocket) -> None:
        self.arbiter.sockets.pop(found.name)
        found.close()

    def members_changed(self, watcher: Watcher) -> None:
        self.told.append(("members", watcher.name, len(watcher.slots), None))

    def write_lines(self, lines: Sequence[LogLine]) -> None:
        self.lines += [f"{line.service}/{line.slot} | {line.text}" for line in lines]

    def dependencies_ready_at(self, service: Any) -> float | None:
        return 0.0

    def spawned(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        self.told.append(("spawned", watcher.name, slot.index, process.pid))
        if self.ready_on_spawn:
            watcher.notified(process, {"READY": "1"})

    def became_ready(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        self.told.append(("ready", watcher.name, slot.index, process.pid))

    def group_killed(self, pid: int) -> None:
        self.told.append(("killed", "", 0, pid))

    def ended(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        self.told.append(("ended", watcher.name, slot.index, process.exit_status))

    def start_failed(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        self.told.append(("start_failed", watcher.name, slot.index, cause))

    def limit_reached(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        self.told.append(("limit", watcher.name, slot.index, cause))

    def recovered(self, watcher: Watcher, slot: Slot) -> None:
        self.told.append(("recovered", watcher.name, slot.index, None))

    def restarting(self, watcher: Watcher, slot: Slot, delay_s: float, cause: str) -> None:
        self.told.append(("restarting", watcher.name, slot.index, delay_s))


@contextlib.asynccontextmanager
async def running_crew() -> AsyncIterator[RecordingCrew]:
    """An initialised arbiter without watchers; everything it spawned is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        async with asyncio.TaskGroup() as tasks:
            arbiter = Arbiter([], check_delay_s=1.0)
            arbiter.initialize()
            crew = RecordingCrew(Path(name), arbiter, tasks)
            try:
                yield crew
            finally:
                crew.is_stopping = True
                for watcher in arbiter.watchers:
                    watcher.hurry(0.0)
                await arbiter.stop()
                arbiter.close()
