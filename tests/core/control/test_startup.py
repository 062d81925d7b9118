"""Looking at runs costs little: neither the transport nor anything that it needs is imported."""

from __future__ import annotations

import subprocess
import sys

SOURCE = """
import sys
import dynamo_core.control
heavy = {
    "dynamo_core.transport", "dynamo_core.host", "dynamo_core.config", "dynamo_core.client", "pluggy", "yaml",
    "rich", "click", "pydantic", "starlette", "uvicorn", "uvloop", "circus",
}
print(sorted(heavy & set(sys.modules)))
"""


def test_runs_are_found_without_the_transport() -> None:
    """The server and the client of the control socket are modules of their own."""
    done = subprocess.run(
        [sys.executable, "-c", SOURCE], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
