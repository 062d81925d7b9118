"""The processes, files and listeners of a run, found by its id and its private folder, never by a name."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
_ACCEPTS_CONNECTIONS = 0x10000
_TCP_LISTEN = "0A"
_CONNECTED = 3


@dataclass(frozen=True)
class Found:
    """A process that belongs to a run."""

    pid: int
    argv: tuple[str, ...]

    def __str__(self) -> str:
        return f"process {self.pid} ({' '.join(self.argv)[:160]})"


@dataclass(frozen=True)
class Usage:
    """What a process holds at one moment."""

    descriptors: int
    rss_bytes: int


def become_subreaper() -> None:
    """Have orphans of this process's descendants land here, so that none can hide behind process 1."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def find_processes(*marks: str) -> list[Found]:
    """Living processes, this one and its ancestors aside, that have a mark in their environment or command line."""
    encoded = [mark.encode() for mark in marks]
    skipped = _ancestors()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in skipped:
            continue
        content = b""
        argv: tuple[str, ...] = ()
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes()
            argv = tuple(word.decode(errors="replace") for word in line.rstrip(b"\0").split(b"\0"))
            content = line
            content += (folder / "environ").read_bytes()
        if any(mark in content for mark in encoded) and is_alive(int(folder.name)):
            found.append(Found(int(folder.name), argv))
    return found


def _ancestors() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    return found


def children() -> list[int]:
    """Living children of this process, adopted ones included."""
    pids: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, task.read_text().split())
    return [pid for pid in pids if is_alive(pid)]


def kill_all(*marks: str) -> list[Found]:
    """Kill everything that has a mark; what was there."""
    killed: dict[int, Found] = {}
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (found := find_processes(*marks)):
        for each in found:
            killed[each.pid] = each
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(each.pid, signal.SIGKILL)
        time.sleep(0.01)
    return list(killed.values())


def paths_in(folder: Path) -> list[str]:
    """All that lies in *folder*; unlike ``rglob``, it does not mind when some of it goes away meanwhile."""
    return [str(Path(at, name)) for at, folders, files in os.walk(folder) for name in (*folders, *files)]


def unix_listeners(folder: Path) -> list[str]:
    """Paths below *folder* on which somebody listens."""
    found = []
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        fields = line.split(None, 7)
        if (
            len(fields) == 8
            and int(fields[3], 16) & _ACCEPTS_CONNECTIONS
            and fields[7].startswith(f"{folder}/")
        ):
            found.append(fields[7])
    return found


def is_listened_on(port: int) -> bool:
    """Whether somebody listens on a TCP port."""
    return any(listened == port for _, listened in tcp_listeners())


def tcp_listeners() -> list[tuple[str, int]]:
    """Addresses and ports on which somebody on this machine listens."""
    rows = [*_table("tcp"), *_table("tcp6")]
    return [_address(fields[1]) for fields in rows if fields[3] == _TCP_LISTEN]


def memory_holds(pid: int, wanted: bytes) -> bool:
    """Whether what a process can write to in its memory has these bytes.

    Raises:
        OSError: It is gone, or its memory cannot be read by this user.
    """
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            if not mode.startswith("rw") or "[v" in line:
                continue
            begin, end = (int(number, 16) for number in span.split("-"))
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(begin)
                if wanted in memory.read(end - begin):
                    return True
    return False


def sockets_of(pid: int) -> set[str]:
    """Sockets of a process that others could reach: kind and address of those that are bound, connections aside."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(file.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for kind in ("tcp", "tcp6"):
        for fields in _table(kind):
            if fields[9] in inodes and fields[3] == _TCP_LISTEN:
                address, port = _address(fields[1])
                found.add(f"{kind} {address}:{port}")
    for kind in ("udp", "udp6", "udplite", "udplite6", "raw", "raw6"):
        found |= {f"{kind} {fields[1]}" for fields in _table(kind) if fields[9] in inodes}
    found |= {f"packet {fields[3]}" for fields in _table("packet") if fields[8] in inodes}
    for fields in _table("unix"):
        is_connection = int(fields[5]) == _CONNECTED if fields[6:] else True
        if len(fields) > 7 and fields[6] in inodes and not is_connection:
            found.add(f"unix {fields[7]}")
    return found


def _table(name: str) -> list[list[str]]:
    try:
        lines = Path(f"/proc/net/{name}").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split() for line in lines[1:]]


def _address(text: str) -> tuple[str, int]:
    address, port = text.split(":")
    words = struct.unpack(f">{len(address) // 8}I", bytes.fromhex(address))
    packed = struct.pack(f"={len(words)}I", *words)  # each word is in the machine's own order
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed), int(port, 16)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used.

    Raises:
        OSError: It is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def usage(pid: int) -> Usage:
    """What a process holds now.

    Raises:
        OSError: It is gone.
    """
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(len(list(Path(f"/proc/{pid}/fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE"))
