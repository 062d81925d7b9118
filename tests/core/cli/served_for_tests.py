"""A live run whose supervisor and workers are threads of the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from dynamo_core.config import ServiceConfig
from dynamo_core.control import RunDirectory, ServiceState, write_state
from dynamo_core.control.server import ControlServer
from dynamo_core.endpoint_mark import endpoint
from dynamo_core.host import Host, current_call
from dynamo_core.inspection import define_service
from dynamo_core.service_mark import service
from dynamo_core.transport import ServiceServer

from ..control.control_for_tests import ObedientRun
from .runs_for_tests import make_state, worker


class Door:
    """What an endpoint waits at, seen from the test's thread.

    Attributes:
        reached: Set once the endpoint waits.
        left: Set once it no longer does, whether it was let through or cancelled.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.left = threading.Event()
        self._open: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        self._open, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self.reached.set()
        try:
            await self._open.wait()
        finally:
            self.left.set()

    def open(self) -> None:
        assert self._loop is not None
        assert self._open is not None
        self._loop.call_soon_threadsafe(self._open.set)


@service
class Words:
    """One endpoint for each way of answering."""

    door: Door

    @endpoint
    async def echo(self, text: str, times: int = 1) -> str:
        return text * times

    @endpoint
    async def words(self, text: str) -> AsyncIterator[str]:
        for word in text.split():
            yield word

    @endpoint
    async def held(self) -> AsyncIterator[int]:
        yield 1
        await self.door.wait()
        yield 2

    @endpoint
    async def raw(self, data: bytes) -> bytes:
        return data + b"\xff"

    @endpoint
    async def fail(self) -> None:
        raise ValueError("boom")

    @endpoint
    async def hang(self) -> None:
        await self.door.wait()

    @endpoint
    async def where(self) -> int:
        call = current_call()
        assert call is not None
        return call.slot


class ServedRun:
    """A run with two workers of ``Words``."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        self.run = ObedientRun()
        self.door = Door()
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        assert self._is_up.wait(30)

    def stop(self) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # it has been told to stop, and is over
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(ControlServer(self.run, self.directory))
            for slot in range(2):
                await self._serve_slot(slot, stack)
            self._write_state()
            self._is_up.set()
            ended = [asyncio.ensure_future(each.wait()) for each in (self._stop, self.run.has_stopped)]
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            for waiting in ended:
                waiting.cancel()
        if self.run.has_stopped.is_set():
            self.directory.remove()

    async def _serve_slot(self, slot: int, stack: contextlib.AsyncExitStack) -> None:
        host = Host(
            define_service(Words),
            slot=slot,
            config=ServiceConfig(),
            clients={"door": self.door},
            run_id=self.directory.run_id,
        )
        await host.start()
        stack.push_async_callback(host.stop)
        server = ServiceServer(host, run_id=self.directory.run_id)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.directory.socket_path(0, slot)))
        listener.listen()
        listener.setblocking(False)
        await server.start(listener)
        stack.push_async_callback(server.aclose)

    def _write_state(self) -> None:
        workers = tuple(worker(slot, path=str(self.directory.socket_path(0, slot))) for slot in range(2))
        services = (
            ServiceState(name="Words", state="ready", workers=workers),
            ServiceState(name="Elsewhere", state="ready", workers=(worker(0),)),
        )
        write_state(self.directory.fileno(), make_state(self.directory, *services))


@contextlib.contextmanager
def served_run(folder: Path) -> Iterator[ServedRun]:
    """A live run in *folder*."""
    with RunDirectory.create(folder) as directory:
        served = ServedRun(directory)
        served.start()
        try:
            yield served
        finally:
            served.stop()
