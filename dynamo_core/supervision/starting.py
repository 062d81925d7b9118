"""How a worker process is started, and how its end is told."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from dynamo_core.supervision.output import WorkerOutput


def start_worker(  # noqa: PLR0913  # what a process has
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    inherited: Sequence[int],
    closed_after: Iterable[int],
    output: WorkerOutput,
) -> subprocess.Popen[bytes]:
    """Start a process as the leader of a session and group of its own; no Python runs between fork and exec.

    Args:
        argv: The program and its arguments.
        env: Its whole environment.
        cwd: Its working directory.
        inherited: Descriptors that it gets under the same numbers; it gets no others beside the standard ones.
        closed_after: Descriptors that are closed in this process then, whether it could be started or not.
        output: Is given what it writes; finished if it cannot be started.

    Raises:
        OSError: It cannot be started; everything that was opened for it has been closed.
        ValueError: An argument or a variable has a NUL byte; likewise.
    """
    ends = {}
    with contextlib.ExitStack() as passed:
        for descriptor in closed_after:
            passed.callback(os.close, descriptor)
        try:
            for stream in ("stdout", "stderr"):
                read_end, ends[stream] = os.pipe()
                passed.callback(os.close, ends[stream])
                output.attach(read_end, stream)  # before the start, after which nothing may fail
            return subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=ends["stdout"],
                stderr=ends["stderr"],
                pass_fds=inherited,
                start_new_session=True,
            )
        except BaseException:
            output.finish()
            raise


def describe_end(status: int | None, *, was_ready: bool) -> str:
    """How a worker ended, in words.

    Args:
        status: Its exit status, negative for a signal; None when it is not known.
        was_ready: Whether it served.
    """
    when = "while it served" if was_ready else "before it was ready"
    if status is None:
        return f"ended {when} (something else took its exit status)"
    if status >= 0:
        return f"exited with status {status} {when}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:  # a real-time signal
        name = ""
    return f"was killed by signal {-status}{name} {when}"
