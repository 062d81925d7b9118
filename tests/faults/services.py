"""Services that the cases run; workers import this file by its path.

Every call carries an id.
What a worker does with it is written to the service ledger: a file opened ``O_APPEND``, one ``write`` per line.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dynamo_core import (
    ServiceContext,
    api,
    async_on_start,
    depends,
    endpoint,
    on_shutdown,
    readiness,
    service,
)

FOLDER = Path(os.environ.get("FAULTS_FOLDER", "/nonexistent"))
"""The private folder of the case; files in it switch faults on and off while services run."""

SUPERVISION = {"startup_timeout_s": 10, "stop_timeout_s": 3, "stable_time_s": 0.3}

_ledger: list[int] = []


def note(call_id: str, what: str, slot: int = -1) -> None:
    """Write one line to the service ledger."""
    if not _ledger:
        _ledger.append(os.open(FOLDER / "service.ledger", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600))
    os.write(_ledger[0], f"{call_id} {os.getpid()} {slot} {what} {time.monotonic():.6f}\n".encode())


@contextlib.contextmanager
def noted(call_id: str, context: ServiceContext) -> Iterator[None]:
    """Note that a call has begun, and how it ended."""
    note(call_id, "begin", context.slot)
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        note(call_id, "cancelled", context.slot)
        raise
    except BaseException:
        note(call_id, "raised", context.slot)
        raise
    note(call_id, "end", context.slot)


def is_on(switch: str) -> bool:
    """Whether a case has switched a fault on."""
    return (FOLDER / switch).exists()


if is_on("hanging import") and "--service=Slow" in sys.argv:
    time.sleep(60)


@dataclass
class Answer:
    """What a call gives: its own id, and who answered."""

    call_id: str
    slot: int
    pid: int


@service(workers=2, supervision=SUPERVISION)
class Work:
    """Answers after a while; ``work`` may be made once only, ``again`` as often as one likes."""

    context: ServiceContext

    @async_on_start
    async def begin(self) -> None:
        if is_on("broken work"):
            raise RuntimeError("this version cannot start")

    def answer(self, call_id: str) -> Answer:
        return Answer(call_id, self.context.slot, os.getpid())

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return self.answer(call_id)

    @endpoint(idempotent=True)
    async def again(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return self.answer(call_id)

    @on_shutdown
    def end(self) -> None:
        note("none", "shutdown", self.context.slot)

    @endpoint
    async def block(self, call_id: str) -> None:
        """Stop the event loop for a minute."""
        note(call_id, "begin", self.context.slot)
        time.sleep(60)

    @endpoint
    async def compute(self, call_id: str, seconds: float) -> Answer:
        """Use the processor, on the event loop; by the clock on the wall, as a busy machine must not change it."""
        with noted(call_id, self.context):
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                pass
        return self.answer(call_id)

    @endpoint
    async def leave(self, call_id: str) -> None:
        note(call_id, "begin", self.context.slot)
        os._exit(0)

    @endpoint
    async def crash(self, call_id: str) -> None:
        note(call_id, "begin", self.context.slot)
        for number in range(1, 21):
            print(f"line {number}", flush=True)
        ctypes.string_at(0)

    @endpoint
    async def start_children(self, call_id: str) -> list[int]:
        """Start a child in this worker's group, and one in a session of its own."""
        with noted(call_id, self.context):
            wait = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]
            return [subprocess.Popen(wait, start_new_session=is_free).pid for is_free in (False, True)]


@service(supervision=SUPERVISION)
class FailsInConstructor:
    def __init__(self) -> None:
        raise RuntimeError("the model is missing")

    @endpoint
    async def work(self, call_id: str) -> None: ...


@service(supervision=SUPERVISION)
class FailsInHook:
    @async_on_start
    async def begin(self) -> None:
        raise RuntimeError("no device")

    @endpoint
    async def work(self, call_id: str) -> None: ...


@service(supervision=SUPERVISION)
class Crashing:
    """Dies right after it was ready, as often as the file ``crashes`` says."""

    context: ServiceContext

    @readiness
    async def is_ready(self) -> bool:
        file = FOLDER / "crashes"
        left = int(file.read_text()) if file.exists() else 0
        if left:
            file.write_text(str(left - 1))
            print("crashing now", flush=True)
            asyncio.get_running_loop().call_later(0.02, os._exit, 3)
        return True

    @endpoint
    async def work(self, call_id: str) -> Answer:
        with noted(call_id, self.context):
            return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Pair:
    """Keeps a service that crashes and one that does not in one graph."""

    crashing = depends(Crashing)
    work = depends(Work)

    @endpoint
    async def nothing(self) -> None: ...


@service(workers=2, supervision={**SUPERVISION, "stop_timeout_s": 2})
class Stubborn:
    """Does not heed SIGTERM."""

    context: ServiceContext

    @async_on_start
    async def close_ears(self) -> None:
        ignore_stop_signals()

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision={**SUPERVISION, "stop_timeout_s": 2})
class StubbornPair:
    """Does not heed SIGTERM either, and stops before the one it depends on."""

    stubborn = depends(Stubborn)

    @async_on_start
    async def close_ears(self) -> None:
        ignore_stop_signals()

    @endpoint
    async def nothing(self) -> None: ...


def ignore_stop_signals() -> None:
    """Be deaf from now on."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


@service(workers=2, supervision=SUPERVISION)
class Slow:
    """Takes its time to start, and cannot start while the switch ``broken`` is on."""

    context: ServiceContext

    @async_on_start
    async def begin(self) -> None:
        if is_on("broken"):
            raise RuntimeError("this version cannot start")
        await asyncio.sleep(float((FOLDER / "boot_s").read_text()) if is_on("boot_s") else 0.5)
        if is_on("hanging"):
            await asyncio.Event().wait()

    @endpoint
    async def work(self, call_id: str, hold_s: float = 0.05) -> Answer:
        with noted(call_id, self.context):
            await asyncio.sleep(hold_s)
        return Answer(call_id, self.context.slot, os.getpid())


@service(supervision=SUPERVISION)
class Polite:
    """Says goodbye when it is stopped."""

    work = depends(Work)

    @on_shutdown
    def part(self) -> None:
        note("polite", "shutdown")

    @endpoint
    async def nothing(self) -> None: ...


@service(supervision=SUPERVISION)
class Trio:
    """Keeps three services in one graph that are changed at the same time."""

    stubborn = depends(Stubborn)
    slow = depends(Slow)
    work = depends(Work)

    @endpoint
    async def nothing(self) -> None: ...


@service(supervision=SUPERVISION, http={"port": 0})
class Web:
    """Reached by HTTP."""

    work = depends(Work)

    @api
    async def ask(self, call_id: str, hold_s: float = 0.05) -> Answer:
        return await self.work.work(call_id, hold_s)


@service(supervision=SUPERVISION)
class Above:
    """Waits for a service that never starts."""

    below = depends(FailsInHook)

    def __init__(self) -> None:
        note("none", "built")

    @endpoint
    async def nothing(self) -> None: ...
