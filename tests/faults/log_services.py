"""A service that writes whatever it is told to; workers import this file by its path."""

from __future__ import annotations

import os
import sys

from services import SUPERVISION, Work

from dynamo_core import depends, endpoint, service


@service(supervision=SUPERVISION)
class Loud:
    """Writes from a thread, so that it still answers while nobody takes what it writes."""

    work = depends(Work)

    @endpoint
    def write(self, data: bytes, stream: str = "stdout") -> int:
        """Write bytes as they are."""
        out = getattr(sys, stream).buffer
        out.write(data)
        out.flush()
        return len(data)

    @endpoint
    def flood(self, lines: int, line: bytes) -> int:
        """Write a line again and again, with a number before it."""
        for first in range(0, lines, 1000):
            part = b"".join(b"%d %b\n" % (first + number, line) for number in range(min(1000, lines - first)))
            view = memoryview(part)
            while view:
                view = view[os.write(1, view) :]
        return lines
