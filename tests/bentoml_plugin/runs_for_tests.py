"""Commands whose runs are nobody else's, and proof that nothing of them is left."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import httpx

from ..folders_for_tests import everything_in

T = TypeVar("T")

GRAPHS = Path(__file__).with_name("graphs")
PATIENCE_S = 45.0
MARK = "RUNS_FOR_TESTS"
"""A variable that every process of a test's runs inherits."""
DYNAMO = (sys.executable, "-m", "dynamo_core")
BENTOML = (sys.executable, "-W", "ignore", "-m", "bentoml")


@attrs.define
class Runs:
    """Where a test's runs are, and how their commands are started.

    Attributes:
        folder: Everything of theirs: run directories, BentoML's home, and the folder that commands run in.
    """

    folder: Path

    @property
    def home(self) -> Path:
        """BentoML's home."""
        return self.folder / "home"

    @property
    def cwd(self) -> Path:
        """Where commands run."""
        return self.folder / "cwd"

    @property
    def run_directories(self) -> Path:
        """Where run directories are."""
        return self.folder / "runs"

    def environ(self, **variables: str) -> dict[str, str]:
        """The environment of a command; what the user may have set is left out."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DYNAMO_", "PYTHON", "BENTOML_"))
        }
        own = {
            "DYNAMO_RUNTIME_DIR": str(self.run_directories),
            "BENTOML_HOME": str(self.home),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            MARK: str(self.folder),
        }
        return {**kept, **own, **variables}

    def do(
        self, words: Sequence[str], *, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            words,
            cwd=self.cwd,
            env=self.environ(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def dynamo(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``dynamo`` to its end."""
        return self.do([*DYNAMO, *words], check=check)

    @contextlib.contextmanager
    def serving(self, words: Sequence[str], **variables: str) -> Iterator[Serving]:
        """A command that serves until the block is left; it is killed if it does not end by itself."""
        process = subprocess.Popen(
            words,
            cwd=self.cwd,
            env=self.environ(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        served = Serving(process)
        try:
            yield served
        finally:
            served.close()

    def leftovers(self) -> list[str]:
        """Processes and run directories that are still there."""
        found = [*map(str, everything_in(self.run_directories))]
        return found + [f"process {pid}: {line}" for pid, line in self.processes()]

    def processes(self) -> list[tuple[int, str]]:
        """Pids and command lines of everything that runs for this test."""
        mark = f"{MARK}={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(process.name), line))
        return found

    def workers(self) -> list[int]:
        """Pids of the workers."""
        return [pid for pid, line in self.processes() if "dynamo_bentoml.worker" in line]


class Serving:
    """A command that serves.

    Attributes:
        process: The command.
        lines: What it has written.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._written = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._written:
                self.lines.append(line.rstrip())
                self._written.notify_all()
        with self._written:
            self._written.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for a line in which *pattern* is found."""
        deadline = time.monotonic() + PATIENCE_S
        with self._written:
            while True:
                for line in self.lines:
                    found = re.search(pattern, line)
                    if found is not None:
                        return found
                left = deadline - time.monotonic()
                assert left > 0, f"no line with {pattern!r}:\n" + "\n".join(self.lines)
                assert self._reader.is_alive(), f"ended without {pattern!r}:\n" + "\n".join(self.lines)
                self._written.wait(min(left, 0.5))

    def client(self) -> httpx.Client:
        """An HTTP client of the entry service."""
        url = self.wait_for(r"(?:serving \S+ at|BentoServer .* listening on) (http://[\w.:]+)")[1]
        return httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, one way or the other."""
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.terminate()
                self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def private_runs() -> Iterator[Runs]:
    """Runs in a private directory with a short path; nothing may be left of them."""
    runs = Runs(Path(tempfile.mkdtemp(prefix="db-")))
    for folder in (runs.run_directories, runs.home, runs.cwd):
        folder.mkdir(mode=0o700)
    try:
        yield runs
        eventually(lambda: not runs.leftovers(), lambda: "\n".join(runs.leftovers()))
    finally:
        shutil.rmtree(runs.folder, ignore_errors=True)


def eventually(holds: Callable[[], T], describe: Callable[[], Any] = str) -> T:
    """Wait until *holds* gives something true, and give that."""
    deadline = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline, describe()
        time.sleep(0.02)
    return found
