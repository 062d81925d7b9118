"""Every core kept busy by somebody else, as on a machine that does other work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# It looks now and then whether whoever started it is still there.
_WORK = """
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextlib.contextmanager
def busy_cores(is_wanted: bool) -> Iterator[None]:
    """One process a core that does nothing but work, at usual priority, until the block is left."""
    count = len(os.sched_getaffinity(0)) if is_wanted else 0
    workers = [subprocess.Popen([sys.executable, "-c", _WORK]) for _ in range(count)]
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
