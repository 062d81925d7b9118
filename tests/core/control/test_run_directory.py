"""Run directories: private, locked for life, cleared when dead, and never when alive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from dynamo_core.control.run_directory import RunDirectory, sweep_dead_runs, try_lock
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")

HOLDER = """
import sys
from pathlib import Path
from dynamo_core.control.run_directory import RunDirectory
run = RunDirectory.create(Path(sys.argv[1]))
(run.path / "w0-0.sock").write_text("left")
(run.path / "logs").mkdir()
(run.path / "logs" / "a.log").write_text("left")
print(run.run_id, flush=True)
sys.stdin.read()
"""


def start_holder(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that holds a run directory until it is killed, and the run's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and let go of its pipes."""
    process.kill()
    process.communicate(timeout=30)


def test_directory_is_private_and_named_by_a_random_id(folder: Path) -> None:
    """Only the user may enter, whatever the umask, and no two runs meet."""
    before = os.umask(0o777)
    try:
        first, second = RunDirectory.create(folder), RunDirectory.create(folder)
    finally:
        os.umask(before)
    with first, second:
        assert first.path.stat().st_mode & 0o7777 == 0o700
        assert re.fullmatch("[0-9a-f]{16}", first.run_id)
        assert first.run_id != second.run_id
        assert first.path == folder / first.run_id
    assert list(folder.iterdir()) == []


def test_lock_is_not_inherited(folder: Path) -> None:
    """A worker that outlives its supervisor does not keep the run alive."""
    with RunDirectory.create(folder) as run:
        assert not os.get_inheritable(run.fileno())


def test_socket_paths_are_made_of_numbers(folder: Path) -> None:
    """No name of a service comes into a path."""
    with RunDirectory.create(folder) as run:
        assert run.socket_path(0, 3) == run.path / "w0-3.sock"
        with pytest.raises(RunDirectoryError, match=">= 0"):
            run.socket_path(0, -1)
        with pytest.raises(RunDirectoryError, match="limit is 100"):
            run.socket_path(10**60, 0)


def test_deep_folder_is_refused_with_the_length(folder: Path) -> None:
    """Before anything is made, the message tells how long the path would be."""
    deep = folder / ("d" * 80)
    with pytest.raises(RunDirectoryError, match=r"have \d+ bytes, the limit is 100.*DYNAMO_RUNTIME_DIR"):
        RunDirectory.create(deep)
    assert not deep.exists()


def test_deep_runtime_folder_gives_way_to_the_temporary_folder(folder: Path) -> None:
    """Where the user named no folder, one with a short path is found, by later commands too."""
    deep = folder / ("d" * 80)
    deep.mkdir(mode=0o700)
    environ = {"XDG_RUNTIME_DIR": str(deep), "TMPDIR": str(folder)}
    with RunDirectory.create(environ=environ) as run:
        assert run.path.parent == folder / f"dynamo-{os.geteuid()}"
        run.close()
        assert sweep_dead_runs(environ=environ) == (run.run_id,)


def test_removal_takes_the_content_and_nothing_else(folder: Path) -> None:
    """Links are removed, not followed; neighbours stay."""
    victim = folder / "victim"
    victim.mkdir()
    (victim / "file").write_text("keep")
    run = RunDirectory.create(folder)
    (run.path / "link").symlink_to(victim)
    (run.path / "sub").mkdir()
    (run.path / "sub" / "link").symlink_to(victim / "file")
    os.mkfifo(run.path / "fifo")
    run.remove()
    run.remove()
    assert not run.path.exists()
    assert (victim / "file").read_text() == "keep"


def test_removal_leaves_what_took_its_place(folder: Path) -> None:
    """Only the very directory that was made is removed."""
    run = RunDirectory.create(folder)
    run.path.rename(folder / "moved")
    assert not run.is_intact
    run.path.mkdir()
    (run.path / "file").write_text("keep")
    assert not run.is_intact
    run.remove()
    assert (run.path / "file").read_text() == "keep"


def test_removal_by_somebody_else_is_noticed(folder: Path) -> None:
    """A supervisor can tell that a cleaner took its directory, and still stop."""
    run = RunDirectory.create(folder)
    assert run.is_intact
    run.path.rmdir()
    assert not run.is_intact
    run.remove()
    assert not run.is_intact


def test_removed_directory_can_be_made_again(folder: Path) -> None:
    """The run goes on under its id, and others see it as alive again."""
    with RunDirectory.create(folder) as run:
        assert not run.restore()
        shutil.rmtree(folder)
        assert run.restore()
        assert run.is_intact
        assert run.path.stat().st_mode & 0o777 == 0o700
        assert not os.get_inheritable(run.fileno())
        assert sweep_dead_runs(folder) == ()
    assert list(folder.iterdir()) == []


def test_what_took_the_place_of_a_directory_is_not_replaced(folder: Path) -> None:
    """The supervisor is told, so that it can end the run."""
    with RunDirectory.create(folder) as run:
        run.path.rename(folder / "moved")
        run.path.mkdir()
        (run.path / "file").write_text("keep")
        with pytest.raises(RunDirectoryError, match="cannot make"):
            run.restore()
        assert (run.path / "file").read_text() == "keep"
        assert sorted(path.name for path in folder.iterdir()) == sorted(["moved", run.run_id])


@as_root
def test_nobody_else_gets_into_the_directory(folder: Path) -> None:
    """Even where the folder above is open to all, the run's own directory is not."""
    folder.chmod(0o755)
    with RunDirectory.create(folder) as run:
        run.state_path.write_text("{}")
        for program in (
            ["ls", str(run.path)],
            ["cat", str(run.state_path)],
            ["touch", str(run.path / "new")],
        ):
            done = subprocess.run(
                program, user=65534, group=65534, extra_groups=[], capture_output=True, check=False
            )
            assert b"Permission denied" in done.stderr


def test_sweep_removes_a_killed_run_and_no_live_one(folder: Path) -> None:
    """What kill -9 left is gone at the next start; runs that live are untouched, in this process and others."""
    dead, dead_id = start_holder(folder)
    alive, alive_id = start_holder(folder)
    try:
        with RunDirectory.create(folder) as own:
            assert sweep_dead_runs(folder) == ()
            end(dead)
            assert sweep_dead_runs(folder) == (dead_id,)
            assert sorted(path.name for path in folder.iterdir()) == sorted([alive_id, own.run_id])
            assert (folder / alive_id / "logs" / "a.log").read_text() == "left"
    finally:
        end(dead)
        end(alive)


def test_sweep_leaves_what_is_no_run(folder: Path) -> None:
    """Files, links and directories of other names are none of its business."""
    (folder / "other").mkdir()
    (folder / ("0" * 16)).write_text("a file")
    (folder / ("1" * 16)).symlink_to(folder / "other")
    assert sweep_dead_runs(folder) == ()
    assert len(list(folder.iterdir())) == 3


@as_root
def test_sweep_leaves_what_belongs_to_another_user(folder: Path) -> None:
    """As root, runs of others are not swept."""
    other = folder / ("0" * 16)
    other.mkdir()
    os.chown(other, 65534, 65534)
    assert sweep_dead_runs(folder) == ()
    assert other.exists()


def test_sweep_removes_a_run_that_died_while_it_was_made(folder: Path) -> None:
    """A directory that never got its name is cleared too; one that is locked is not."""
    (folder / (".new-" + "0" * 16)).mkdir()
    busy = folder / (".new-" + "1" * 16)
    busy.mkdir()
    descriptor = os.open(busy, os.O_RDONLY)
    try:
        assert try_lock(descriptor)
        assert sweep_dead_runs(folder) == ()
        assert list(folder.iterdir()) == [busy]
    finally:
        os.close(descriptor)


def test_sweep_without_any_folder_does_nothing(folder: Path) -> None:
    """The first start on a machine finds nothing to clear and makes nothing by looking."""
    assert sweep_dead_runs(folder / "missing") == ()
    assert not (folder / "missing").exists()


def test_runs_start_beside_sweeps_unharmed(folder: Path) -> None:
    """However a start and a sweep fall together, a live run keeps its directory."""
    harmed: list[str] = []
    is_over = threading.Event()

    def sweep() -> None:
        while not is_over.is_set():
            sweep_dead_runs(folder)

    def start() -> None:
        for _ in range(60):
            run = RunDirectory.create(folder)
            (run.path / "state.json").write_text("{}")
            if not run.is_intact or [path.name for path in run.path.iterdir()] != ["state.json"]:
                harmed.append(run.run_id)
            run.close()

    sweepers = [threading.Thread(target=sweep) for _ in range(3)]
    starters = [threading.Thread(target=start) for _ in range(4)]
    for thread in (*sweepers, *starters):
        thread.start()
    for thread in starters:
        thread.join()
    is_over.set()
    for thread in sweepers:
        thread.join()
    sweep_dead_runs(folder)
    assert harmed == []
    assert list(folder.iterdir()) == []
