"""The guardian: a small process that outlives its supervisor for as long as it takes to kill what that leaves behind.

Run as ``python -I -S guardian_process.py RUN_ID RUN_DIRECTORY VARIABLE`` with the life-line, the read end of a pipe, as
standard input. The supervisor writes lines: ``+PGID`` and ``-PGID`` as workers come and go, ``.`` as its last word.
When the pipe ends without that word, the supervisor is dead: every group is killed, then everything else whose
environment says in *VARIABLE* that a worker of the run started it, and once the lock on the run directory is free,
the directory is removed.
As little as can be is imported, to be small: not even ``os``. :mod:`dynamo_core.supervision.guardian` starts it.
"""

from __future__ import annotations

import fcntl
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # the builtin part; the public module builds enumerations

SIGNALS_TO_IGNORE = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
READ_BYTES = 65536
MOST_DESCRIPTORS = 65536
MOST_PASSES = 20
LARGEST_ENVIRONMENT_BYTES = 4 * 1024 * 1024

OPEN_FOLDER = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
FILE_TYPE = 0o170000
FOLDER = 0o040000


class Registry:
    """The process groups of a run, kept from what the supervisor writes.

    Attributes:
        groups: Their ids.
        has_ended_well: Whether the supervisor has said that nothing is left to guard.
    """

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.has_ended_well = False
        self._rest = b""

    def feed(self, content: bytes) -> None:
        """Take the next bytes of the life-line; a line that was cut off by the supervisor's death is dropped."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            sign, number = line[:1], line[1:]
            if sign == b".":
                self.has_ended_well = True
            elif sign in (b"+", b"-") and number.isdigit() and int(number) > 1:
                (self.groups.add if sign == b"+" else self.groups.discard)(int(number))


def main(run_id: str, directory: str, variable: str) -> int:
    """Guard until the life-line ends, then clear up; gives the exit status."""
    isolate()
    registry = Registry()
    while content := posix.read(0, READ_BYTES):
        registry.feed(content)
    if registry.has_ended_well:
        return 0
    kill(registry.groups)
    kill_marked([f"{variable}={run_id}/".encode()])
    remove_when_free(directory)
    return 0


def isolate() -> None:
    """Let nothing but the life-line and SIGKILL reach this process, and hold nothing of anybody else's."""
    for number in SIGNALS_TO_IGNORE:
        signal.signal(number, signal.SIG_IGN)
    nowhere = posix.open("/dev/null", posix.O_RDWR)
    posix.dup2(nowhere, 1)
    posix.dup2(nowhere, 2)
    posix.closerange(3, MOST_DESCRIPTORS)
    posix.chdir("/")


def kill(groups: set[int]) -> None:
    """Kill every process of every group; a fork that is under way cannot escape, the kernel sees to that."""
    own = posix.getpgrp()
    for group in groups - {own}:
        try:  # noqa: SIM105  # contextlib is not imported here
            posix.killpg(group, signal.SIGKILL)
        except OSError:
            pass  # gone, or no longer ours


def kill_marked(marks: list[bytes]) -> int:
    """Kill every process whose environment has an entry that begins with one of *marks*; how many.

    That is what a worker's children are that left its group. They may be forking, so this looks until it finds none.
    """
    if sys.platform != "linux" or not marks:
        return 0
    wanted = [b"\0" + mark for mark in marks]
    killed: set[str] = set()  # one that has not gone yet is found again
    for _ in range(MOST_PASSES):
        found = {
            name for name in posix.listdir("/proc") if name.isdigit() and kill_if_marked(int(name), wanted)
        }
        if not found:
            break
        killed |= found
    return len(killed)


def kill_if_marked(pid: int, wanted: list[bytes]) -> bool:
    """Kill one process if its environment has one of the marks; whether it has."""
    try:
        process = posix.pidfd_open(pid)  # its number may be used again before it is killed, this cannot
    except OSError:
        return False
    try:
        environ = posix.open(f"/proc/{pid}/environ", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            content = b"\0"
            while (part := posix.read(environ, READ_BYTES)) and len(content) < LARGEST_ENVIRONMENT_BYTES:
                content += part
        finally:
            posix.close(environ)
        if not any(mark in content for mark in wanted):
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
    except OSError:
        return False  # gone, or another user's
    finally:
        posix.close(process)
    return True


def remove_when_free(directory: str) -> None:
    """Remove the run directory as soon as no supervisor holds its lock."""
    try:
        descriptor = posix.open(directory, OPEN_FOLDER)
    except OSError:
        return
    ours = posix.fstat(descriptor)
    if ours.st_uid != posix.geteuid():
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        empty(descriptor)
        found = posix.lstat(directory)
        if (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino):
            posix.rmdir(directory)
    except OSError:
        pass  # the next run that starts sweeps it


def empty(descriptor: int) -> None:
    """Delete all that an opened folder holds, following no link."""
    for name in posix.listdir(descriptor):
        try:
            if posix.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode & FILE_TYPE == FOLDER:
                inner = posix.open(name, OPEN_FOLDER, dir_fd=descriptor)
                empty(inner)
                posix.close(inner)
                posix.rmdir(name, dir_fd=descriptor)
            else:
                posix.unlink(name, dir_fd=descriptor)
        except OSError:
            pass


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
