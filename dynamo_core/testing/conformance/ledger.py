"""What happened inside workers, told to a test in another process through a file."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import ClassVar, Final

_LOOK_S: Final = 0.01


def note(path: str, line: str) -> None:
    """Add one line to the ledger at *path*; lines of several processes never mix.

    Args:
        path: The file; made when it is missing. Nothing is written when it is empty.
        line: Text without line breaks.
    """
    if not path:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


class Ledger:
    """Reads what workers noted.

    Args:
        path: The file; need not exist yet.

    Attributes:
        patience_s: Seconds that a line is waited for.
    """

    patience_s: ClassVar[float] = 15.0

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def lines(self) -> list[str]:
        """Every line so far, oldest first."""
        try:
            return self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    async def wait_for(self, line: str, *, times: int = 1) -> None:
        """Wait until *line* is there that many times.

        Raises:
            AssertionError: It did not come.
        """
        give_up = time.monotonic() + self.patience_s
        while self.lines().count(line) < times:
            if time.monotonic() > give_up:
                raise AssertionError(f"{line!r} was not noted {times} times; noted: {self.lines()}")
            await asyncio.sleep(_LOOK_S)
