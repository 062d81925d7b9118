"""``dynamo serve`` as a person uses it: started, asked with the page's own curl lines, and ended with Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import httpx

from ..folders_for_tests import everything_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PATIENCE_S = 40.0
MARK = "SERVED_FOR_TESTS"
"""A variable that every process of a test's runs inherits; those that begin with ``DYNAMO_`` are not passed on."""
DYNAMO = (sys.executable, "-m", "dynamo_core")


@attrs.define
class Command:
    """How commands are run: where, and with which variables; its runs are nobody else's.

    Attributes:
        runtime_dir: Where its runs keep their directories.
        cwd: Where commands run.
        dynamo: The words that ``dynamo`` stands for.
        python: The interpreter that ``python`` stands for.
        variables: Variables for every command.
    """

    runtime_dir: Path
    cwd: Path = ROOT
    dynamo: Sequence[str] = DYNAMO
    python: str = sys.executable
    variables: Mapping[str, str] = MappingProxyType({})

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DYNAMO_", "PYTHON"))
        }
        folder = str(self.runtime_dir)
        own = {"DYNAMO_RUNTIME_DIR": folder, MARK: folder, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        return {**kept, **own, **self.variables}

    def words_of(self, line: str) -> list[str]:
        first, *others = shlex.split(line)
        return [*{"dynamo": self.dynamo, "python": (self.python,)}[first], *others]

    def run(self, line: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command line that begins with ``dynamo`` or ``python``."""
        done = subprocess.run(
            self.words_of(line),
            cwd=self.cwd,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert not check or done.returncode == 0, (
            f"{line}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def leftovers(self) -> list[str]:
        """Processes and files of its runs that are still there."""
        mark = f"{MARK}={self.runtime_dir}".encode()
        found = [*map(str, everything_in(self.runtime_dir))]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"process {process.name}: {line}")
        return found

    def wait_until_nothing_is_left(self) -> None:
        deadline = time.monotonic() + 10
        while left := self.leftovers():
            assert time.monotonic() < deadline, "\n".join(left)
            time.sleep(0.02)


@contextlib.contextmanager
def private_runs(**options: object) -> Iterator[Command]:
    """Commands whose runs are in a private directory with a short path; nothing may be left of them."""
    runtime_dir = Path(tempfile.mkdtemp(prefix="dyn-"))
    command = Command(runtime_dir=runtime_dir, **options)  # type: ignore[arg-type]  # its own fields
    try:
        yield command
        command.wait_until_nothing_is_left()
    finally:
        shutil.rmtree(runtime_dir, ignore_errors=True)


@attrs.define
class Served:
    """A graph that is being served."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = attrs.field(factory=list)

    def send(self, curl: str) -> httpx.Response:
        """Do what a line with ``curl`` does, on the port that this graph has."""
        method, path, headers, body = read_curl(curl)
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S) as client:
            return client.request(method, path, headers=headers, content=body)

    def interrupt(self) -> int:
        """Press Ctrl-C, wait for the end, and give the exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def serve(command: Command, line: str) -> Iterator[Served]:
    """Run a line with ``dynamo serve`` on a free port, until the block is left; it must end well."""
    words = [*command.words_of(line), "--port", "0"]
    process = subprocess.Popen(
        words,
        cwd=command.cwd,
        env=command.environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    served = Served(process)
    is_serving = threading.Event()
    reading = threading.Thread(target=_read, args=(served, is_serving))
    reading.start()
    try:
        is_serving.wait(PATIENCE_S)
        assert served.url, "\n".join(served.lines)
        yield served
        assert served.interrupt() == 0, "\n".join(served.lines)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        reading.join(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()


def _read(served: Served, is_serving: threading.Event) -> None:
    assert served.process.stderr is not None
    for line in served.process.stderr:
        served.lines.append(line.rstrip())
        found = re.search(r"serving \S+ at (http://\S+)", line)
        if found is not None and not served.url:
            served.url = found[1]
            is_serving.set()
    is_serving.set()


def read_curl(line: str) -> tuple[str, str, dict[str, str], str | None]:
    """Method, path, headers and body of a line with ``curl``."""
    words = iter(shlex.split(line)[1:])
    method, path, body, headers = "GET", "", None, {}
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word in {"-d", "--data-binary"}:
            body = next(words)
        elif word != "-N":
            found = re.fullmatch(r"(?:http://)?127\.0\.0\.1:8000(/\S*)", word)
            assert found is not None, f"not a word of curl that this reads: {word!r}"
            path = found[1]
    return method, path, headers, body
