"""What a run leaves behind: nothing, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dynamo_core.errors import StartError
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop, with_settings
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.processes import (
    open_descriptors,
    wait_until_gone,
    wait_until_none_is_marked,
)
from dynamo_core.testing.conformance.services.frail import Frail, Stillborn
from dynamo_core.testing.conformance.services.life import Gated, House

if TYPE_CHECKING:
    from dynamo_core.testing.conformance.ledger import Ledger

UNUSUAL_UMASK: int = 0o035
SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP)
PROGRAM: str = """
import asyncio, sys
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Provider
from dynamo_core.testing.conformance.services.frail import Observer

async def main():
    async with Provider(sys.argv[1]).run(collect(Observer)) as services:
        observer = services.client(Observer)
        print(await observer.pid(), await observer.frail_pid(), flush=True)
        await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


class LeftoverConformance(Conformance):
    """What is there after a run that was not there before it."""

    entry: ClassVar[type] = House

    @pytest.fixture
    def mark(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """A text in the environment of this process, which whatever is started inherits."""
        mark = f"kit-{uuid.uuid4().hex}"
        monkeypatch.setenv("KIT_MARK", mark)
        return mark

    @pytest.fixture
    def runs_folder(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A folder of this test's own for whatever a run keeps in files; its path is short enough for sockets."""
        with tempfile.TemporaryDirectory(prefix="kit-", dir=_short_folder()) as folder:
            monkeypatch.setenv("DYNAMO_RUNTIME_DIR", os.path.realpath(folder))
            yield Path(folder)

    @on_own_loop
    async def test_no_process_is_left(self, provider: Provider, mark: str) -> None:
        """Workers, and whatever looked after them."""
        async with provider.run(collect(House)) as services:
            await services.wait_ready(10)
        await asyncio.to_thread(wait_until_none_is_marked, mark)

    @needs("isolation")
    @on_own_loop
    async def test_children_of_workers_are_not_left(self, provider: Provider, mark: str) -> None:
        """A process that a service has started, and forgotten, ends with the run."""
        async with provider.run(collect(Frail)) as services:
            child = await services.client(Frail).start_child()
            worker = await services.client(Frail).pid()
        await asyncio.to_thread(wait_until_gone, child, worker)
        await asyncio.to_thread(wait_until_none_is_marked, mark)

    @needs("isolation")
    @on_own_loop
    async def test_failed_start_leaves_no_process(self, provider: Provider, mark: str) -> None:
        """Neither those that were ready, nor what the failing one had started."""
        with pytest.raises(StartError):
            async with provider.run(collect(Stillborn)):
                raise AssertionError("the run was given out")
        await asyncio.to_thread(wait_until_none_is_marked, mark)

    @on_own_loop
    async def test_start_that_is_cancelled_leaves_nothing(
        self, provider: Provider, mark: str, ledger: Ledger, runs_folder: Path
    ) -> None:
        """Whoever gives up waiting for a run gets a clean machine."""
        graph = with_settings(collect(Gated), ledger=ledger, gate=runs_folder / "absent")

        async def enter() -> None:
            async with provider.run(graph):
                raise AssertionError("the run was given out")

        entering = asyncio.ensure_future(enter())
        await ledger.wait_for("Gated looked")
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await asyncio.to_thread(wait_until_none_is_marked, mark)
        assert _content(runs_folder) == []

    @on_own_loop
    async def test_no_file_is_left(self, provider: Provider, runs_folder: Path) -> None:
        """In the folder for runs, and none of the sockets that the status named."""
        async with provider.run(collect(House)) as services:
            workers = [w for each in (await services.status()).services for w in each.workers]
            paths = [worker.path for worker in workers if worker.path]
        assert _content(runs_folder) == []
        assert not any(map(os.path.exists, paths))

    @on_own_loop
    async def test_nothing_stays_open(self, provider: Provider) -> None:
        """Descriptors and threads of the caller's process do not become more with each run."""
        descriptors: list[int] = []
        threads: list[int] = []
        for _ in range(4):
            async with provider.run(collect(House)) as services:
                await services.wait_ready(10)
            descriptors.append(open_descriptors())
            threads.append(threading.active_count())
        assert not _always_more(descriptors), descriptors
        assert not _always_more(threads), threads

    @pytest.fixture
    def unusual_traits(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        """Gives this process what no run would give it, so that any change shows."""
        monkeypatch.chdir(tmp_path)
        handler = logging.NullHandler()
        logging.getLogger().addHandler(handler)
        umask = os.umask(UNUSUAL_UMASK)
        handlers = {number: signal.signal(number, _hear) for number in SIGNALS}
        yield
        for number, before in handlers.items():
            signal.signal(number, before)
        os.umask(umask)
        logging.getLogger().removeHandler(handler)

    @pytest.mark.usefixtures("unusual_traits")
    def test_process_of_the_caller_is_as_it_was(self, provider: Provider) -> None:
        """During a run and after it: signals, folder, umask, environment, import path, logging."""
        traits = _traits()

        async def run() -> None:
            async with provider.run(collect(House)) as services:
                await services.wait_ready(10)
                assert _traits() == traits

        with asyncio.Runner() as runner:
            runner.get_loop().run_until_complete(run())  # Runner.run() would take SIGINT itself
        assert _traits() == traits

    @needs("isolation")
    @on_own_loop
    async def test_killed_caller_leaves_no_process(
        self, provider: Provider, mark: str, tmp_path: Path
    ) -> None:
        """``kill -9`` of the program that runs a graph ends its workers too."""
        script = tmp_path / "caller.py"
        script.write_text(PROGRAM, "utf-8")
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        caller = subprocess.Popen(  # noqa: ASYNC220  # starting it is quick
            [sys.executable, script, provider.name], env=environ, stdout=subprocess.PIPE
        )
        try:
            assert caller.stdout is not None
            line = await asyncio.to_thread(caller.stdout.readline)
            pids = [int(word) for word in line.split()]
            assert len(pids) == 2, line
        finally:
            caller.send_signal(signal.SIGKILL)
            caller.wait()  # it is dead
            with contextlib.suppress(AttributeError):
                caller.stdout.close()  # type: ignore[union-attr]  # it has one
        await asyncio.to_thread(wait_until_gone, *pids)
        await asyncio.to_thread(wait_until_none_is_marked, mark)


def _always_more(counts: list[int]) -> bool:
    """Whether every count is larger than the one before; a pool may still grow once or twice."""
    return all(before < after for before, after in itertools.pairwise(counts))


def _content(folder: Path) -> list[str]:
    """What lies in a folder for runs; locks of the folder itself are no leftovers."""
    return sorted(path.name for path in folder.iterdir())


def _short_folder() -> str | None:
    return "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108  # sockets have short paths


def _hear(number: int, frame: object) -> None:
    """Take a signal, and do nothing."""


def _traits() -> Mapping[str, Any]:
    umask = os.umask(UNUSUAL_UMASK)
    os.umask(umask)
    return {
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "folder": str(Path.cwd()),
        "umask": umask,
        "environment": dict(os.environ),
        "import path": list(sys.path),
        "logging": (logging.getLogger().level, list(logging.getLogger().handlers)),
    }
