"""The state file: whole or refused with the reason, for its owner only."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import attrs
import pytest

from dynamo_core.control.run_directory import RunDirectory
from dynamo_core.control.state import (
    LARGEST_FILE_BYTES,
    RunState,
    ServiceState,
    StateFileError,
    WorkerState,
    is_same_process,
    read_state,
    start_ticks,
    write_state,
)
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from pathlib import Path


def make_state(run_id: str = "0" * 16) -> RunState:
    """A state with every field set."""
    worker = WorkerState(
        slot=1,
        pid=77,
        state="ready",
        path="/run/x/w0-1.sock",
        generation=3,
        restarts=2,
        last_cause="exited with 1\n\0",
    )
    service = ServiceState(name="Backend", workers=(worker,), state="ready", http_url="http://127.0.0.1:8000")
    return RunState(
        run_id=run_id,
        provider="circus",
        graph="Frontend",
        target="app:Frontend",
        supervisor_pid=os.getpid(),
        supervisor_start_ticks=start_ticks(os.getpid()),
        started_at="2026-11-23T10:00:00+00:00",
        state="ready",
        services=(service,),
        control_socket="/run/x/control.sock",
    )


def test_state_comes_back_as_it_was_written(folder: Path) -> None:
    """Every field survives, and nobody else can read the file."""
    with RunDirectory.create(folder) as run:
        write_state(run.fileno(), make_state())
        assert read_state(run.state_path) == make_state()
        assert run.state_path.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in run.path.iterdir()] == ["state.json"]


def test_reader_never_sees_half_a_state(folder: Path) -> None:
    """While a supervisor writes, readers get one whole state after another."""
    with RunDirectory.create(folder) as run:
        small, large = make_state(), attrs.evolve(make_state(), target="x" * 100_000)
        write_state(run.fileno(), small)
        is_over = threading.Event()

        def write() -> None:
            for _ in range(100):
                write_state(run.fileno(), large)
                write_state(run.fileno(), small)
            is_over.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not is_over.is_set():
            assert read_state(run.state_path) in (small, large)
        writer.join()


def test_leftover_of_a_torn_write_is_no_obstacle(folder: Path) -> None:
    """A new file that was not finished, or a link laid in its place, is replaced and not written through."""
    with RunDirectory.create(folder) as run:
        victim = folder / "victim"
        victim.write_text("keep")
        (run.path / "state.json.new").symlink_to(victim)
        write_state(run.fileno(), make_state())
        assert read_state(run.state_path) == make_state()
        assert victim.read_text() == "keep"


def test_directory_that_is_gone_cannot_be_written_to(folder: Path) -> None:
    """The supervisor learns that its directory was removed."""
    with RunDirectory.create(folder) as run:
        run.path.rmdir()
        with pytest.raises(RunDirectoryError, match="cannot write the state"):
            write_state(run.fileno(), make_state())


def test_missing_file_is_told(folder: Path) -> None:
    """A run that has just begun has no state yet."""
    with pytest.raises(StateFileError, match="missing"):
        read_state(folder / "state.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "torn"),
        (b'{"format": 1, "run_id": "00', "torn"),
        (b"\xff\xfe\x00", "torn"),
        (b"[" * 200_000, "torn"),
        (b"[]", "no object, but list"),
        (b"null", "no object, but NoneType"),
        (b"{}", "format"),
        (b'{"format": true}', "format"),
        (b'{"format": "1"}', "format"),
        (b'{"format": 0}', "format"),
        (b'{"format": 1}', "run_id"),
    ],
)
def test_broken_file_is_refused_with_the_reason(folder: Path, content: bytes, reason: str) -> None:
    """Whatever lies there, the reader says what is wrong with it."""
    path = folder / "state.json"
    path.write_bytes(content)
    with pytest.raises(StateFileError) as caught:
        read_state(path)
    assert reason in caught.value.reason
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("supervisor_pid", "1"),
        ("supervisor_pid", 0),
        ("supervisor_pid", -1),
        ("services", {}),
        ("services", [{"name": 5}]),
        ("services", [{"name": "A", "workers": [{"slot": -1}]}]),
        ("services", [{"name": "A", "workers": [{"slot": 0, "pid": -9}]}]),
        ("services", [{"name": "A", "workers": [{"slot": 0, "path": "../../x"}]}]),
        ("control_socket", "@abstract"),
        ("control_socket", "/a\0b"),
        ("graph", None),
    ],
)
def test_wrong_value_is_refused(folder: Path, field: str, value: object) -> None:
    """A value that no supervisor writes is not handed to commands that would act on it."""
    path = folder / "state.json"
    path.write_text(json.dumps(make_state().to_data() | {field: value}))
    with pytest.raises(StateFileError):
        read_state(path)


def test_newer_format_tells_what_to_upgrade(folder: Path) -> None:
    """A state of a later version is not guessed at, whatever else it holds."""
    path = folder / "state.json"
    path.write_text(json.dumps({"format": 2, "anything": []}))
    with pytest.raises(StateFileError, match=r"format 2.*upgrade dynamo-core"):
        read_state(path)


def test_added_fields_are_left_out(folder: Path) -> None:
    """The format may grow without a new version."""
    path = folder / "state.json"
    path.write_text(json.dumps(make_state().to_data() | {"added": [1]}))
    assert read_state(path) == make_state()


def test_only_a_plain_file_is_read(folder: Path) -> None:
    """A link, a fifo, a folder or an endless file does not hold the reader up."""
    path = folder / "state.json"
    path.symlink_to("/dev/zero")
    with pytest.raises(StateFileError, match="cannot be opened"):
        read_state(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StateFileError, match="not a plain file"):
        read_state(path)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(StateFileError, match="larger than"):
        read_state(path)


def test_pid_that_was_used_again_is_told_apart() -> None:
    """The time a process started tells it from a later one of the same number."""
    ticks = start_ticks(os.getpid())
    assert ticks > 0
    assert is_same_process(os.getpid(), ticks)
    assert not is_same_process(os.getpid(), ticks + 1)
    assert start_ticks(2**22 + 1) == 0
    assert not is_same_process(2**22 + 1, 0)
    assert is_same_process(os.getpid(), 0)
