"""The state file of a run: what any process of the same user may read about it, without its provider.

Only the supervisor writes it, whole, under a new name that then takes the old one's place, so that a reader sees
one state or the next and never half of one.
It holds no settings and no environment, and so no secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import msgspec

from dynamo_core.control.run_directory import STATE_FILE
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION: Final = 1
LARGEST_FILE_BYTES: Final = 16 * 1024 * 1024

_NEW_FILE: Final = STATE_FILE + ".new"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class StateFileError(RunDirectoryError):
    """The state file of a run is missing, torn, hostile, or of another version.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"state file {str(path)!r}: {reason}")
        self.path = path
        self.reason = reason


@attrs.frozen(kw_only=True)
class WorkerState:
    """One worker's place.

    Attributes:
        slot: Its slot.
        pid: Its process; None between two workers.
        state: starting, ready, stopping, waiting, failed or stopped.
        path: Path of its socket; None where it has none.
        generation: How many workers the slot has had.
        restarts: How many of them came after the first.
        last_cause: How the worker before it ended, in words; empty before that.
    """

    slot: int
    pid: int | None = None
    state: str = "starting"
    path: str | None = None
    generation: int = 0
    restarts: int = 0
    last_cause: str = ""


@attrs.frozen(kw_only=True)
class ServiceState:
    """One service of the run.

    Attributes:
        name: Its name in the graph.
        workers: Its workers, by slot.
        state: starting, ready, degraded, failed, stopping or stopped.
        http_url: Where HTTP reaches it; None where it does not.
    """

    name: str
    workers: tuple[WorkerState, ...] = ()
    state: str = "starting"
    http_url: str | None = None


@attrs.frozen(kw_only=True)
class RunState:
    """What a supervisor lets others know about its run.

    Attributes:
        run_id: The run's random id, also the name of its directory.
        provider: Name of the provider that runs it.
        graph: Name of the graph.
        target: What was asked to be served, as text that names the graph.
        supervisor_pid: The process that supervises it.
        supervisor_start_ticks: When that process started, in the kernel's clock ticks since boot; tells it from a
            later process of the same pid. 0 where the platform cannot tell.
        started_at: When the run began, ISO 8601 with an offset.
        state: starting, ready, degraded, failed, stopping.
        services: The services, dependencies first.
        control_socket: Path of the control socket; None where there is none.
        format: Version of this format.
    """

    run_id: str
    provider: str
    graph: str
    target: str
    supervisor_pid: int
    supervisor_start_ticks: int
    started_at: str
    state: str = "starting"
    services: tuple[ServiceState, ...] = ()
    control_socket: str | None = None
    format: int = FORMAT_VERSION

    def to_data(self) -> dict[str, object]:
        """The state as data that JSON can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, object]) -> RunState:
        """Build a state from data.

        Raises:
            ValueError: The data is of a newer version, or a field is missing or wrong; says which.
        """
        version = data.get("format")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise ValueError(f"format must be a whole number >= 1, got {version!r}")
        if version > FORMAT_VERSION:
            raise ValueError(
                f"it has format {version}, this dynamo-core reads up to {FORMAT_VERSION}: upgrade dynamo-core"
            )
        try:
            state = msgspec.convert(dict(data), cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        state._check()
        return state

    def _check(self) -> None:
        """Refuse values of the right type that no supervisor writes."""
        if self.supervisor_pid < 1:
            raise ValueError(f"supervisor_pid must be >= 1, got {self.supervisor_pid}")
        _check_path("control_socket", self.control_socket)
        for service in self.services:
            for worker in service.workers:
                where = f"worker {service.name!r}/{worker.slot}"
                if worker.slot < 0 or worker.generation < 0 or (worker.pid is not None and worker.pid < 1):
                    raise ValueError(f"{where}: slot and generation must be >= 0 and pid >= 1")
                _check_path(where, worker.path)


def write_state(directory: int, state: RunState) -> None:
    """Put *state* in the place of the state file, mode 0600.

    Args:
        directory: Descriptor of the run directory.
        state: What to write.

    Raises:
        RunDirectoryError: The directory is gone or cannot be written to.
    """
    content = json.dumps(state.to_data(), indent=1, ensure_ascii=True).encode("ascii") + b"\n"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_NEW_FILE, dir_fd=directory)
        descriptor = os.open(_NEW_FILE, _WRITE, 0o600, dir_fd=directory)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor
                file.write(content)
            os.rename(_NEW_FILE, STATE_FILE, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(_NEW_FILE, dir_fd=directory)
            raise
    except OSError as error:
        raise RunDirectoryError(f"cannot write the state of run {state.run_id}: {error.strerror}") from error


def read_state(path: Path, *, directory: int | None = None) -> RunState:
    """Read the state file of a run.

    Args:
        path: The file; its last part alone counts where *directory* is given.
        directory: Descriptor of the run directory, if it has been opened.

    Raises:
        StateFileError: It is missing, no plain file of this user, too large, torn, wrong, or of a newer version.
    """
    try:
        descriptor = os.open(path.name if directory is not None else path, _READ, dir_fd=directory)
    except FileNotFoundError:
        raise StateFileError(path, "it is missing") from None
    except OSError as error:
        raise StateFileError(path, f"it cannot be opened: {error.strerror}") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StateFileError(path, "it is not a plain file")
        if found.st_uid != os.geteuid():
            raise StateFileError(path, f"it belongs to user {found.st_uid}, wanted {os.geteuid()}")
        content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise StateFileError(path, f"it is larger than {LARGEST_FILE_BYTES} bytes")
    try:
        data = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise StateFileError(path, f"it is torn or not JSON: {error}") from error
    if not isinstance(data, dict):
        raise StateFileError(path, f"it holds no object, but {type(data).__name__}")
    try:
        return RunState.from_data(data)
    except ValueError as error:
        raise StateFileError(path, str(error)) from error


def start_ticks(pid: int) -> int:
    """When process *pid* started, in clock ticks since boot; 0 if it is gone or the platform cannot tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(text[text.rindex(")") + 2 :].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def is_same_process(pid: int, ticks: int) -> bool:
    """Whether *pid* is still the process that started at *ticks*, and not a later one of the same number."""
    if ticks:
        return start_ticks(pid) == ticks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _check_path(what: str, path: str | None) -> None:
    if path is not None and (not path.startswith("/") or "\0" in path):
        raise ValueError(f"{what}: the socket's path must be absolute, got {path!r}")
