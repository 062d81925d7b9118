"""The exec shim: the other program gets exactly what it was given, and dies with its supervisor."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_circus import exec_shim

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals exist on Linux only")

SHOW = """
import ctypes, json, os, signal, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
death = ctypes.c_int()
ctypes.CDLL(None).prctl(2, ctypes.byref(death), 0, 0, 0)
print(json.dumps({
    "pid": os.getpid(),
    "argv": open("/proc/self/cmdline", "rb").read().decode("latin-1").split("\\0")[:-1],
    "environ": open("/proc/self/environ", "rb").read().decode("latin-1").split("\\0")[:-1],
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "death_signal": death.value,
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "ignored": int(status["SigIgn"], 16),
}))
"""
SLEEPER = """
import os, subprocess, sys
from dynamo_circus.exec_shim import command
worker = subprocess.Popen(command(["sleep", "1000"], parent_pid=os.getpid()), start_new_session=True)
print(worker.pid, flush=True)
sys.stdin.read()
"""


def run(program: Sequence[str | bytes], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run *program* through the shim."""
    kept: dict[str, Any] = {name: options.pop(name) for name in ("env", "pass_fds", "cwd") if name in options}
    argv = exec_shim.command([os.fsdecode(part) for part in program], parent_pid=os.getpid(), **options)
    return subprocess.run(argv, capture_output=True, timeout=30, check=False, **kept)


def show(*arguments: str | bytes, **options: Any) -> dict[str, Any]:
    """What a program sees of itself that was started through the shim."""
    # -S and -I keep that Python from changing what is looked at.
    done = run([sys.executable, "-I", "-S", "-c", SHOW, *arguments], **options)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def given(environ: Mapping[bytes, bytes]) -> list[str]:
    return sorted(f"{name.decode('latin-1')}={value.decode('latin-1')}" for name, value in environ.items())


def test_arguments_arrive_byte_for_byte() -> None:
    """Nothing is expanded, split, quoted or re-encoded."""
    arguments = [
        b"$(circus.env.HOME)", b"((circus.wid))", b"$WID", b"%(x)s", b"a b", b"'\"\\", b"new\nline",
        b"", b"--", b"--listen-fd", b"\xff\xfe\x80", "ümläut".encode(), b"\xed\xa0\x80",
    ]  # fmt: skip
    for env in ({"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C.UTF-8"}, {}):
        seen = show(*arguments, env=env)
        assert [part.encode("latin-1") for part in seen["argv"][5:]] == arguments


def test_environment_arrives_byte_for_byte() -> None:
    """Python adds a variable of its own where the locale is C; the program does not see it."""
    odd = {b"A": b"$(circus.env.HOME)\n%s", b"B\xff": b"\x80\xfe", b"PYTHONPATH": b"/nowhere", b"EMPTY": b""}
    for extra in ({}, {b"LANG": b"C"}, {b"LC_ALL": b"C"}, {b"LC_CTYPE": b"C"}, {b"LC_CTYPE": b""}):
        environ = odd | extra
        assert sorted(show(env=environ)["environ"]) == given(environ)


def test_program_is_killed_with_the_supervisor() -> None:
    """kill -9 of the parent takes a program along that knows nothing of it."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        descriptor = os.pidfd_open(int(supervisor.stdout.readline()))
        try:
            supervisor.kill()
            waiting = select.poll()
            waiting.register(descriptor, select.POLLIN)
            assert waiting.poll(10_000)
        finally:
            os.close(descriptor)


def test_program_is_not_started_for_a_lost_supervisor(tmp_path: Path) -> None:
    """If the supervisor died before the signal was asked for, nothing runs."""
    marker = tmp_path / "ran"
    argv = exec_shim.command(["touch", str(marker)], parent_pid=os.getppid())
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    assert done.returncode == exec_shim.EXIT_LOST_PARENT
    assert b"is gone" in done.stderr
    assert not marker.exists()


def test_death_signal_stays_set_in_the_program() -> None:
    """It survives the exec, and no privileges are given up unasked."""
    seen = show()
    assert seen["death_signal"] == signal.SIGKILL
    assert seen["no_new_privileges"] == "0"


def test_hardening_forbids_new_privileges() -> None:
    """``hardening: true`` stops setuid programs from gaining anything."""
    assert show(harden=True)["no_new_privileges"] == "1"


def test_signals_are_as_a_program_expects_them() -> None:
    """Python ignores broken pipes for itself; the program must not inherit that."""
    done = run(["cat", "/proc/self/status"])
    ignored = next(line for line in done.stdout.splitlines() if line.startswith(b"SigIgn"))
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGXFSZ - 1)) == 0


def test_listener_becomes_descriptor_three() -> None:
    """The slot arrives as fd 3 by the LISTEN_FDS convention, with the program's own pid, and only once."""
    with socket.socket(socket.AF_UNIX) as listener:
        seen = show(
            listen_fd=listener.fileno(),
            pass_fds=[listener.fileno()],
            env={"LISTEN_PID": "1", "LISTEN_FDS": "9"},
        )
        assert seen["fds"] == [0, 1, 2, 3]
        assert sorted(seen["environ"]) == ["LISTEN_FDS=1", f"LISTEN_PID={seen['pid']}"]


def test_listener_that_is_descriptor_three_already_is_passed_on() -> None:
    """Then nothing has to be moved, and it must not be closed by the exec."""
    script = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
    with socket.socket(socket.AF_UNIX) as listener:
        shim = exec_shim.command(["ls", "-l", "/proc/self/fd/3"], parent_pid=os.getpid(), listen_fd=3)
        done = subprocess.run(
            [sys.executable, "-c", script, str(listener.fileno()), *shim],
            pass_fds=[listener.fileno()], capture_output=True, timeout=30, check=True,
        )  # fmt: skip
        assert b"socket:" in done.stdout


def test_foreign_listen_variables_are_dropped() -> None:
    """A program without a slot is not told of one by what the supervisor was started with."""
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "KEPT": "1"}
    assert show(env=environ)["environ"] == ["KEPT=1"]


def test_program_is_looked_for_in_its_own_path(tmp_path: Path) -> None:
    """``PATH`` of the service counts."""
    program = tmp_path / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    assert run(["greet"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).stdout == b"hello\n"
    assert run(["greet"], env={"PATH": "/usr/bin:/bin"}).returncode == exec_shim.EXIT_NOT_FOUND
    assert run(["./greet"], cwd=tmp_path).stdout == b"hello\n"


def test_program_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    """One line says which and why; the exit status is a shell's."""
    missing = run(["/no/such/program\n\xff"])
    assert missing.returncode == exec_shim.EXIT_NOT_FOUND
    assert missing.stderr.startswith(b"dynamo: cannot execute '/no/such/program\\n")
    assert missing.stderr.endswith(b"No such file or directory\n")
    plain = tmp_path / "plain"
    plain.write_text("no program")
    plain.chmod(0o644)
    denied = run([str(plain)])
    assert denied.returncode == exec_shim.EXIT_CANNOT_EXECUTE
    assert b"Permission denied" in denied.stderr
    plain.chmod(0o755)
    assert run([str(plain)]).returncode == exec_shim.EXIT_CANNOT_EXECUTE


@pytest.mark.parametrize("arguments", [[], ["1"], ["1", "--"], ["--", "true"]])
def test_incomplete_command_line_shows_the_usage(arguments: list[str]) -> None:
    """It is never run by hand, but says what it wants."""
    shim = [sys.executable, "-I", "-S", exec_shim.__file__, *arguments]
    done = subprocess.run(shim, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"dynamo: usage:")
