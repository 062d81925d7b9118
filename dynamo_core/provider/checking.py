"""Try providers out, each in a process of its own, so that none of them runs in this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from dynamo_core.provider.importing import mend_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.provider.discovery import ProviderCandidate

CHECK_TIMEOUT_S: Final = 10.0
CHECKS_AT_ONCE: Final = 4

# The child takes over this process's import path before it imports anything of ours.
_CHILD: Final = (
    "import json, sys; data = json.loads(sys.stdin.readline()); sys.path[:] = data['path']; "
    "from dynamo_core.provider.checking_child import check; check(data)"
)


class Fault(NamedTuple):
    """Why a provider does not work.

    Attributes:
        cause: What happened.
        remedy: What to do about it.
    """

    cause: str
    remedy: str


def check_providers(
    candidates: Sequence[ProviderCandidate], *, timeout_s: float = CHECK_TIMEOUT_S
) -> list[Fault | None]:
    """Import and build each provider in a process of its own; a few at a time.

    Args:
        candidates: Providers whose metadata is sound.
        timeout_s: Seconds each may take; then its process is killed.

    Returns:
        For each, why it does not work; None when it does.
    """
    if not candidates:
        return []
    with ThreadPoolExecutor(min(CHECKS_AT_ONCE, len(candidates)), thread_name_prefix="check") as pool:
        return list(pool.map(lambda candidate: _check(candidate, timeout_s), candidates))


def _check(candidate: ProviderCandidate, timeout_s: float) -> Fault | None:
    request = {
        "path": sys.path,
        "name": candidate.name,
        "value": candidate.value,
        "distribution": candidate.distribution,
        "version": candidate.version,
    }
    process = subprocess.Popen(  # this interpreter, on our own text
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(json.dumps(request).encode() + b"\n", timeout_s)
    except subprocess.TimeoutExpired:
        return Fault(f"it could not be imported within {timeout_s:g} s", mend_command(candidate.distribution))
    finally:
        _end(process)
    try:
        answer = json.loads(output)
    except ValueError:
        cause = f"importing it ended its process with status {process.returncode}"
        return Fault(cause, mend_command(candidate.distribution))
    return None if answer["cause"] is None else Fault(answer["cause"], answer["remedy"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a check behind: its process is the leader of a group that only it made."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
