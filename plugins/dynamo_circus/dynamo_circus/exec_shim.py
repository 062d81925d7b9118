"""Start another program as a worker that dies with its supervisor.

Run as ``python -I -S exec_shim.py PARENT_PID [--listen-fd N] [--harden] -- PROGRAM [ARGUMENT ...]``.
A parent-death signal has to be asked for by the child itself, and doing that between fork and exec would force the
supervisor to copy its address space; so this small program asks, and then becomes the other one.
It imports as little as it can, since it stands before every start.
"""

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False  # typing takes longer to import than everything else here
if TYPE_CHECKING:
    import signal
    from typing import NoReturn
else:
    import _signal as signal  # the builtin part; the public module builds enumerations

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

LISTEN_FD = 3
"""First inherited descriptor by the ``LISTEN_FDS`` convention."""

EXIT_LOST_PARENT = 125
EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127


def main(arguments: list[str]) -> NoReturn:
    """Do what *arguments*, those after this file's name, say; returns only by ending or replacing the process."""
    options, program = _split(arguments)
    parent_pid = int(options.pop(0))
    harden = "--harden" in options
    listen_fd = int(options[options.index("--listen-fd") + 1]) if "--listen-fd" in options else None
    die_with_parent(parent_pid)
    if harden:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    environment = _own_environment()
    _pass_listener(listen_fd, environment)
    # Python ignores these two, and what is ignored stays ignored in the next program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvpe(program[0], program, environment)  # noqa: S606  # the user's own command
    except FileNotFoundError as error:
        _end(EXIT_NOT_FOUND, f"cannot execute {program[0]!r}: {error.strerror}")
    except (OSError, ValueError) as error:
        _end(
            EXIT_CANNOT_EXECUTE, f"cannot execute {program[0]!r}: {getattr(error, 'strerror', None) or error}"
        )


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; end now if it has ended already."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        _end(EXIT_LOST_PARENT, f"the supervisor (process {parent_pid}) is gone")


def prctl(option: int, value: int) -> None:
    """Call ``prctl``.

    Raises:
        OSError: The kernel refused.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if (
        library.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
        != 0
    ):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def command(
    program: list[str], *, parent_pid: int, listen_fd: int | None = None, harden: bool = False
) -> list[str]:
    """The argument list that starts *program* through this shim.

    Args:
        program: The program and its arguments; passed on byte for byte.
        parent_pid: The process that will start it.
        listen_fd: Descriptor of a listening socket that it inherits and shall find as 3.
        harden: Whether it may gain no privileges by setuid programs.
    """
    options = [] if listen_fd is None else ["--listen-fd", str(listen_fd)]
    options += ["--harden"] if harden else []
    # UTF-8 mode, so that arguments of any encoding come out of Python as they went in.
    python = [sys.executable, "-I", "-S", "-X", "utf8", os.path.abspath(__file__)]  # noqa: PTH100
    return [*python, str(parent_pid), *options, "--", *program]


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    border = arguments.index("--") if "--" in arguments else 0
    if not border or not arguments[border + 1 :]:
        _end(2, "usage: exec_shim.py PARENT_PID [--listen-fd N] [--harden] -- PROGRAM [ARGUMENT ...]")
    return arguments[:border], arguments[border + 1 :]


def _own_environment() -> dict[str, str]:
    """The environment as it was given: Python adds ``LC_CTYPE`` to it where the locale is C."""
    environment = dict(os.environ)
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123  # pathlib takes long to import
            given = {entry.partition(b"=")[0]: entry.partition(b"=")[2] for entry in file.read().split(b"\0")}
    except OSError:
        return environment
    if b"LC_CTYPE" not in given:
        environment.pop("LC_CTYPE", None)
    else:
        environment["LC_CTYPE"] = os.fsdecode(given[b"LC_CTYPE"])
    return environment


def _pass_listener(listen_fd: int | None, environment: dict[str, str]) -> None:
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    if listen_fd is None:
        return
    if listen_fd == LISTEN_FD:
        os.set_inheritable(LISTEN_FD, True)
    else:
        os.dup2(listen_fd, LISTEN_FD)
        os.close(listen_fd)
    environment["LISTEN_FDS"] = "1"
    environment["LISTEN_PID"] = str(os.getpid())


def _end(status: int, message: str) -> NoReturn:
    os.write(2, f"dynamo: {message}\n".encode("utf-8", "backslashreplace"))
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
