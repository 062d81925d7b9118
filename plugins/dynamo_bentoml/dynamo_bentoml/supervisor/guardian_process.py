"""A small process that outlives its supervisor for as long as it takes to kill what that leaves behind.

Run as ``python -I -S guardian_process.py MARK FOLDER`` with the read end of a pipe as standard input. The supervisor
writes ``+GROUP`` and ``-GROUP`` as worker processes come and go, and ``.`` as its last word. When the pipe ends
without that, the supervisor is dead: every group is killed, then whatever else has *MARK* in its environment, and the
run's *FOLDER* is removed.
Only modules that an interpreter has anyway are imported. The supervisor uses :func:`kill_marked` too.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # the public module builds enumerations, which takes longer than all the rest

OWNER_VARIABLE = "DYNAMO_WORKER_ID"
"""In the environment of every worker, and so of what it starts: the run's id, ``/``, and which worker it is."""

PASSES = 20
LARGEST_ENVIRONMENT_BYTES = 4 * 1024 * 1024
READ_BYTES = 65536


def main(mark: str, folder: str) -> int:
    """Guard until the pipe ends; the exit status."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    rest = b""
    while data := os.read(0, READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line == b".":
                return 0
            if line[1:].isdigit() and int(line[1:]) > 1:
                (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    for group in groups:
        try:  # noqa: SIM105  # contextlib is not imported here
            os.killpg(group, signal.SIGKILL)
        except OSError:
            pass
    kill_marked([mark])
    remove(folder)
    return 0


def remove(folder: str) -> None:
    """Delete the directory of a dead run, once nobody holds its lock any more; a link is not followed."""
    import fcntl
    import shutil

    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass  # the next run that starts sweeps it
    finally:
        os.close(descriptor)


def kill_marked(marks: list[str]) -> int:
    """Kill every process whose ``DYNAMO_WORKER_ID`` begins with one of *marks*; how many.

    That is what a worker's children are that have left its group. They may be forking, so this looks again until it
    finds none.
    """
    if sys.platform != "linux" or not marks:
        return 0
    wanted = [f"\0{OWNER_VARIABLE}={mark}".encode() for mark in marks]
    killed = 0
    for _ in range(PASSES):
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # no pathlib here
        found = sum(_kill_if_marked(number, wanted) for number in numbers)
        if not found:
            break
        killed += found
    return killed


def _kill_if_marked(pid: int, wanted: list[bytes]) -> bool:
    try:
        process = os.pidfd_open(pid)  # its number may be used again before it is killed, this cannot
    except OSError:
        return False
    try:
        descriptor = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = b"\0"
            while (part := os.read(descriptor, READ_BYTES)) and len(content) < LARGEST_ENVIRONMENT_BYTES:
                content += part
        finally:
            os.close(descriptor)
        if not any(mark in content for mark in wanted):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:
        return False  # gone, or another user's
    finally:
        os.close(process)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
