"""Workers of modules that a test wrote; the test is their supervisor."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dynamo_core import environment
from dynamo_core.worker_kit.bootstrap import Bootstrap

SERVICE = """
import time
from dynamo_core import async_on_start, service

@service
class Users:
    @async_on_start
    async def start(self) -> None:
        print("started", flush=True)
        {start}
"""
IMPORTING = "import time\nprint('imports', flush=True)\n{blocks}\n"
SPINS = "while True: pass"
SLEEPS = "time.sleep(1000)"


class Worker:
    """One worker.

    Attributes:
        channel: The supervisor's end.
        inode: Of the worker's end.
        process: The worker.
    """

    def __init__(self, folder: Path, source: str, said: bytes, *, is_shut: bool, leads: bool) -> None:
        (folder / "users.py").write_text(source)
        self.channel, theirs = socket.socketpair()
        if is_shut:  # as a supervisor does that wants to hear nothing
            theirs.shutdown(socket.SHUT_WR)
        self.inode = os.fstat(theirs.fileno()).st_ino
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "slot"))
            listener.listen()
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "dynamo_core.worker_kit"],
                env={**os.environ, environment.WORKER_FD: str(theirs.fileno())},
                pass_fds=(theirs.fileno(), listener.fileno()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=leads,
            )
            bootstrap = Bootstrap(
                run_id="0" * 16,
                graph="Users",
                service="Users",
                slot=0,
                target={"module": None, "path": str(folder / "users.py"), "qualname": "Users"},
                config={},
                listen_fd=listener.fileno(),
                sys_path=tuple(sys.path),
            )
        self.channel.sendall(bootstrap.encode() + said)

    def line(self) -> str:
        """What it writes next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it read a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """End it, whatever it does."""
        self.channel.close()
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def worker_of(
    source: str, *, said: bytes = b"", is_shut: bool = False, leads_group: bool = True
) -> Iterator[Worker]:
    """A worker of *source*.

    Args:
        source: The user's module.
        said: What the supervisor says after the bootstrap.
        is_shut: Whether the worker can only read from its supervisor.
        leads_group: Whether it leads a process group.
    """
    with tempfile.TemporaryDirectory(prefix="wk-", dir="/tmp") as folder:
        worker = Worker(Path(folder), source, said, is_shut=is_shut, leads=leads_group)
        try:
            yield worker
        finally:
            worker.close()
