"""Whom the folder that holds run directories may belong to, and what must not lie in its place."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from dynamo_core.control.private_folder import RunsFolder, runs_folders
from dynamo_core.errors import RunDirectoryError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play another user")


def shared(folder: Path) -> RunsFolder:
    """A folder as it is used below the temporary folder."""
    return RunsFolder(path=folder / "dynamo-runs", source="a test")


def test_missing_folder_is_made_private(folder: Path) -> None:
    """Nobody else may enter the folder that is made."""
    before = os.umask(0)
    try:
        with shared(folder).opened(create=True):
            pass
    finally:
        os.umask(before)
    assert (folder / "dynamo-runs").stat().st_mode & 0o777 == 0o700


def test_missing_folder_is_not_made_for_a_reader(folder: Path) -> None:
    """Listing runs leaves no traces."""
    with pytest.raises(FileNotFoundError), shared(folder).opened(create=False):
        pass
    assert list(folder.iterdir()) == []


def test_link_in_its_place_is_refused(folder: Path) -> None:
    """A link that somebody laid leads nowhere, whether its target exists or not."""
    victim = folder / "victim"
    victim.mkdir(mode=0o700)
    for target in (victim, folder / "missing"):
        (folder / "dynamo-runs").symlink_to(target)
        with (
            pytest.raises(RunDirectoryError, match=r"link, or not a folder.*DYNAMO_RUNTIME_DIR"),
            shared(folder).opened(create=True),
        ):
            pass
        (folder / "dynamo-runs").unlink()
    assert list(victim.iterdir()) == []
    assert not (folder / "missing").exists()


@pytest.mark.parametrize("kind", ["file", "fifo", "socket"])
def test_other_things_in_its_place_are_refused(folder: Path, kind: str) -> None:
    """Nothing but a folder is opened; a fifo does not block."""
    place = folder / "dynamo-runs"
    if kind == "file":
        place.write_text("victim")
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
    with pytest.raises(RunDirectoryError, match="not a folder"), shared(folder).opened(create=True):
        pass
    if kind == "file":
        assert place.read_text() == "victim"


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o705])
def test_folder_open_to_others_is_refused(folder: Path, mode: int) -> None:
    """A folder others may enter is not used, even if it is ours."""
    place = folder / "dynamo-runs"
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(RunDirectoryError, match=f"mode 0{mode:o}"), shared(folder).opened(create=True):
        pass


@as_root
def test_folder_of_another_user_is_refused(folder: Path) -> None:
    """Whoever made the folder first does not get our sockets."""
    place = folder / "dynamo-runs"
    place.mkdir(mode=0o700)
    os.chown(place, 65534, 65534)
    with pytest.raises(RunDirectoryError, match="belongs to user 65534"), shared(folder).opened(create=True):
        pass
    with (
        pytest.raises(RunDirectoryError, match="belongs to user 65534"),
        RunsFolder(path=place, source="a test", is_explicit=True).opened(create=True),
    ):
        pass


@as_root
def test_folder_below_one_of_another_user_is_refused(folder: Path) -> None:
    """The owner of the folder above could put another in its place at any time."""
    above = folder / "above"
    above.mkdir()
    os.chown(above, 65534, 65534)
    with pytest.raises(RunDirectoryError, match="belongs to user 65534"), shared(above).opened(create=True):
        pass


def test_folder_that_others_can_rename_is_refused(folder: Path) -> None:
    """A temporary folder that is not sticky protects nothing."""
    above = folder / "above"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(RunDirectoryError, match="not sticky"), shared(above).opened(create=True):
        pass
    above.chmod(0o1777)
    with shared(above).opened(create=True):
        pass


def test_named_folder_may_be_readable_by_others_and_not_writable(folder: Path) -> None:
    """A folder that the user named is refused only if others could have a hand in it."""
    place = folder / "named"
    place.mkdir()
    place.chmod(0o755)
    (found,) = runs_folders(environ={"DYNAMO_RUNTIME_DIR": str(place)})
    with found.opened(create=True):
        pass
    place.chmod(0o775)
    with pytest.raises(RunDirectoryError, match="DYNAMO_RUNTIME_DIR"), found.opened(create=True):
        pass


def test_named_folder_is_the_only_one(folder: Path) -> None:
    """Nothing stands in for the folder that the user asked for."""
    environ = {"DYNAMO_RUNTIME_DIR": str(folder / "a/b"), "XDG_RUNTIME_DIR": str(folder)}
    (found,) = runs_folders(environ=environ)
    assert found.path == folder / "a/b"
    with found.opened(create=True):
        pass
    assert found.path.stat().st_mode & 0o777 == 0o700


def test_named_folder_must_be_absolute() -> None:
    """Which folder is meant must not depend on where a command is given."""
    with pytest.raises(RunDirectoryError, match="absolute"):
        runs_folders(environ={"DYNAMO_RUNTIME_DIR": "runs"})


def test_runtime_folder_of_the_session_comes_first(folder: Path) -> None:
    """The session's own runtime folder is used if it is private, and skipped if not."""
    folder.chmod(0o700)
    environ = {"XDG_RUNTIME_DIR": str(folder), "TMPDIR": "/tmp"}
    last = Path(f"/tmp/dynamo-{os.geteuid()}")
    assert [found.path for found in runs_folders(environ=environ)] == [folder / "dynamo", last]
    folder.chmod(0o770)
    assert [found.path for found in runs_folders(environ=environ)] == [last]
    environ["XDG_RUNTIME_DIR"] = str(folder / "missing")
    assert [found.path for found in runs_folders(environ=environ)] == [last]
