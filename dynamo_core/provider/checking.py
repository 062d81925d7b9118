"""Try providers out, each in a process of its own, so that none of them runs in this one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from dynamo_core.provider.importing import mend_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.provider.discovery import InstalledEntryPoint, ProviderCandidate

CHECK_TIMEOUT_S: Final = 10.0
CHECKS_AT_ONCE: Final = 4

Kind = Literal["provider", "provider, closely", "extension"]
"""What is tried out, and how."""

# The child takes over this process's import path before it imports anything of ours.
_CHILD: Final = (
    "import json, sys; data = json.loads(sys.stdin.readline()); sys.path[:] = data['path']; "
    "from dynamo_core.provider.checking_child import check; check(data)"
)


class Finding(NamedTuple):
    """Something that a closer look has found.

    Attributes:
        severity: ``error`` for what keeps it from working, ``warning`` for what an author wants to know.
        what: What it is.
        remedy: What to do about it; may be empty.
    """

    severity: str
    what: str
    remedy: str = ""

    def to_data(self) -> dict[str, str]:
        """The finding as data that JSON can hold."""
        return self._asdict()


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


def check_extensions(
    extensions: Sequence[InstalledEntryPoint], *, timeout_s: float = CHECK_TIMEOUT_S
) -> list[Fault | None]:
    """Import and build each extension in a process of its own, and see whether its hooks fit; a few at a time.

    Args:
        extensions: Installed extensions.
        timeout_s: Seconds each may take; then its process is killed.

    Returns:
        For each, why it does not work; None when it does.
    """
    if not extensions:
        return []
    with ThreadPoolExecutor(min(CHECKS_AT_ONCE, len(extensions)), thread_name_prefix="check") as pool:
        answers = pool.map(lambda found: _ask(found, timeout_s, kind="extension"), extensions)
        return [answer if isinstance(answer, Fault) else None for answer in answers]


def examine_provider(candidate: ProviderCandidate, *, timeout_s: float = CHECK_TIMEOUT_S) -> list[Finding]:
    """Import one provider in a process of its own, and take a closer look at its hooks, options and manifest.

    Args:
        candidate: A provider whose metadata is sound.
        timeout_s: Seconds it may take; then its process is killed.

    Returns:
        What is wrong with it, errors first; empty when nothing is.
    """
    answer = _ask(candidate, timeout_s, kind="provider, closely")
    if isinstance(answer, Fault):
        return [Finding("error", answer.cause, answer.remedy)]
    return [Finding(*finding) for finding in answer["findings"]]


def _check(candidate: ProviderCandidate, timeout_s: float) -> Fault | None:
    answer = _ask(candidate, timeout_s)
    return answer if isinstance(answer, Fault) else None


def _ask(
    candidate: ProviderCandidate | InstalledEntryPoint, timeout_s: float, *, kind: Kind = "provider"
) -> dict[str, Any] | Fault:
    request = {
        "path": sys.path,
        "name": candidate.name,
        "value": candidate.value,
        "distribution": candidate.distribution,
        "version": candidate.version,
        "kind": kind,
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
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        cause = f"importing it ended its process with status {process.returncode}"
        return Fault(cause, mend_command(candidate.distribution))
    return answer if answer["cause"] is None else Fault(answer["cause"], answer["remedy"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a check behind: its process is the leader of a group that only it made."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
