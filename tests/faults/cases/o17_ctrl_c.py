"""Ctrl-C on a real terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import time
from collections.abc import Iterator

from harness import Trial, case
from harness.served import serve_words
from harness.trial import SERVICES

from dynamo_core.control import list_runs
from dynamo_core.errors import EXIT_OK


@case("O17", "one graceful stop; no traceback from any process")
async def press_ctrl_c(trial: Trial) -> None:
    with terminal(serve_words(f"{SERVICES}:Polite", [])) as (pid, master):
        shown = bytearray()
        asyncio.get_running_loop().add_reader(master, read, master, shown)
        await trial.until(lambda: b"is running" in shown, "everything is ready", 30)
        pressed = time.monotonic()
        os.write(master, b"\x03")
        code = await wait_exit(pid)
        trial.within("gone", time.monotonic() - pressed, 7.0)
    text = shown.decode(errors="replace")
    trial.see(f"exit code {code}; last line {text.splitlines()[-1]!r}")
    trial.expect(code == EXIT_OK, f"exit code {code}: {text[-800:]}")
    trial.expect("Traceback" not in text, text[-1500:])
    trial.expect("KeyboardInterrupt" not in text, text[-1500:])
    goodbyes = sorted((line.call_id, line.slot) for line in trial.service_ledger if line.what == "shutdown")
    wanted = [("none", 0), ("none", 1), ("polite", -1)]  # each worker's hook once
    trial.expect(goodbyes == wanted, f"shutdown hooks ran as {goodbyes}")
    trial.expect(not list_runs(trial.runs_folder), "a run is left")
    await trial.check_nothing_left(None)


@contextlib.contextmanager
def terminal(words: list[str]) -> Iterator[tuple[int, int]]:
    """Run a command on a terminal of its own; its process, and the terminal's other end."""
    pid, master = pty.fork()
    if not pid:
        os.execvp(words[0], words)
    os.set_blocking(master, False)
    try:
        yield pid, master
    finally:
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)


def read(master: int, shown: bytearray) -> None:
    try:
        shown += os.read(master, 65536)
    except OSError:  # the other end is closed
        asyncio.get_running_loop().remove_reader(master)


async def wait_exit(pid: int) -> int:
    """The exit code of a child."""
    async with asyncio.timeout(30):
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            await asyncio.sleep(0.01)
