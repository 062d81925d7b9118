"""The supervisor's side of the guardian process."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

PROGRAM: Final = Path(__file__).with_name("guardian_process.py")
END_TIMEOUT_S: Final = 1.0


class Guardian:
    """One guardian, which kills the workers of a run if their supervisor dies.

    Args:
        run_id: Id of the run; whatever its workers start is marked with it.
        folder: The run's directory, which it removes then.
    """

    def __init__(self, run_id: str, folder: Path) -> None:
        read_end, write_end = os.pipe()
        try:
            self._process = subprocess.Popen(  # our own program
                [sys.executable, "-I", "-S", str(PROGRAM), f"{run_id}/", str(folder)],
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

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def register(self, group: int) -> None:
        """Have it kill *group* if the supervisor dies; to be called once its leader has been started."""
        self._tell(b"+%d\n" % group)

    def unregister(self, group: int) -> None:
        """Have it forget *group*; to be called while the group's number still belongs to its leader."""
        self._tell(b"-%d\n" % group)

    def close(self) -> None:
        """Tell it that nothing is left to guard, and wait for its end; it is killed if it takes too long."""
        self._tell(b".\n")
        os.close(self._line)
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, record: bytes) -> None:
        # A record is far shorter than what a pipe takes at once, so that it is written whole or not at all.
        try:
            os.write(self._line, record)
        except BlockingIOError:
            logger.warning("the guardian (process %d) does not read", self.pid)
        except BrokenPipeError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0)
            logger.warning("the guardian (process %d) has died", self.pid)
