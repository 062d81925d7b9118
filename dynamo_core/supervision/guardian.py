"""The supervisor's side of the guardian, the process that kills every worker's group if the supervisor dies.

The supervisor alone holds the write end of the life-line: its death, however it comes, closes that, and the guardian
reads the end of file. A group is registered as soon as its leader has been started, and taken back before the leader
is reaped, so that the guardian never kills a stranger under a number that was used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dynamo_core import environment

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

PROGRAM: Final = Path(__file__).with_name("guardian_process.py")
_LAST_WORD: Final = b".\n"


class Guardian:
    """One guardian process, started and fed by the supervisor.

    Args:
        run_id: Id of the run; stands in the guardian's command line, so that it can be told whose it is.
        directory: The run directory, which the guardian removes after the supervisor's death.

    Attributes:
        groups: Groups that are registered.
    """

    def __init__(self, run_id: str, directory: Path) -> None:
        self.groups: set[int] = set()
        self._run_id = run_id
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._line = -1
        self._unsent = b""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pid(self) -> int | None:
        """The guardian's process; a child of the supervisor, in a session of its own. None before the start."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the guardian, or another in place of one that has died; registered groups are told to it.

        The end of the one before has to have been collected.

        Raises:
            OSError: It cannot be started.
        """
        self.close()
        read_end, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(  # our own program
                [
                    *(sys.executable, "-I", "-S", str(PROGRAM)),
                    *(self._run_id, str(self._directory), environment.WORKER_ID),
                ],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        os.set_blocking(write_end, False)
        self._line = write_end
        self._send(b"".join(b"+%d\n" % group for group in sorted(self.groups)))

    def register(self, group: int) -> None:
        """Have the guardian kill *group* if the supervisor dies; call it right after its leader was started.

        Raises:
            ValueError: *group* is no group that may be killed.
        """
        if group <= 1:
            raise ValueError(f"a process group must be above 1, got {group}")
        self.groups.add(group)
        self._send(b"+%d\n" % group)

    def unregister(self, group: int) -> None:
        """Have the guardian forget *group*; call it after the group was killed and before its leader is reaped."""
        if group in self.groups:
            self.groups.remove(group)
            self._send(b"-%d\n" % group)

    def close(self) -> None:
        """Tell the guardian that nothing is left to guard; it ends by itself. Safe to call twice.

        Its end has to be collected, by :meth:`wait` or by whoever reaps the supervisor's children.
        """
        if self._line < 0:
            return
        with contextlib.suppress(OSError):
            # A guardian that has been stopped (SIGSTOP) and whose pipe is full is not waited for.
            if os.write(self._line, self._unsent + _LAST_WORD) < len(self._unsent) + len(_LAST_WORD):
                logger.warning("the guardian of run %s does not read", self._run_id)
        self._let_go()

    def wait(self, timeout_s: float) -> None:
        """Collect the guardian after :meth:`close`; kill it if that takes longer than *timeout_s* seconds."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def was_reaped(self, exit_status: int) -> None:
        """Take note that something else has collected the guardian's end."""
        if self._process is not None:
            self._process.returncode = exit_status

    def _send(self, record: bytes) -> None:
        """Write without waiting; what does not fit goes as soon as the pipe has room again."""
        if self._line < 0:
            return
        self._unsent += record
        self._flush()
        if self._unsent and self._loop is None and self._line >= 0:
            with contextlib.suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
                self._loop.add_writer(self._line, self._flush)

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._line, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            logger.warning("the guardian of run %s has died", self._run_id)
            self._let_go()
            return
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._loop is not None:
            self._loop.remove_writer(self._line)
            self._loop = None

    def _let_go(self) -> None:
        self._stop_writing()
        self._unsent = b""
        if self._line >= 0:
            os.close(self._line)
            self._line = -1


def kill_owned(owners: Iterable[str]) -> int:
    """Kill every process that was started by a worker whose id begins with one of *owners*; how many.

    Workers are told by ``DYNAMO_WORKER_ID`` in their environment, and so is whatever they start, in whichever group.
    """
    from dynamo_core.supervision.guardian_process import kill_marked  # has what only posix systems have

    return kill_marked([f"{environment.WORKER_ID}={owner}".encode() for owner in owners])
