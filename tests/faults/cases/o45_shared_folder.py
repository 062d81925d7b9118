"""Somebody has been at every path that runs could use in a shared folder."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from harness import Trial, case
from harness.other_user import NOBODY, as_another_user, can_be_another_user

from dynamo_core.errors import RunDirectoryError

TRAPS = (
    "link to a folder",
    "link to a file",
    "dangling link",
    "open folder",
    "closed folder",
    "file",
    "fifo",
    "socket",
)


@case(
    "O45",
    "fresh private directory or refusal; victim file unchanged; no connection reaches the attacker",
)
async def find_traps(trial: Trial) -> None:
    if not can_be_another_user():
        trial.see("needs root")
        return
    os.environ.pop("DYNAMO_RUNTIME_DIR")
    os.environ.pop("XDG_RUNTIME_DIR", None)
    trial.folder.chmod(0o755)
    outcomes = []
    for number, kind in enumerate(TRAPS):
        shared = trial.folder / str(number)
        shared.mkdir()
        shared.chmod(0o1777)
        os.environ["TMPDIR"] = str(shared)
        with trap(shared, kind) as listener:
            before = look(shared)
            outcomes.append(f"{kind}: {await run_beside(trial, shared, kind)}")
            trial.expect(look(shared) == before, f"{kind}: {before} has become {look(shared)}")
            if listener is not None:
                with contextlib.suppress(BlockingIOError):
                    listener.accept()
                    trial.expect(False, "a connection has reached the attacker")
    trial.see("; ".join(outcomes))
    trial.expect((trial.folder / "victim").read_text() == "precious", "the victim's file has changed")
    trial.expect(list((trial.folder / "home").iterdir()) == [], "something was put into the victim's folder")


@contextlib.contextmanager
def trap(shared: Path, kind: str) -> Iterator[socket.socket | None]:
    """Something that another user has put where runs of this user would be."""
    victim, home = shared.parent / "victim", shared.parent / "home"
    victim.write_text("precious")
    home.mkdir(exist_ok=True)
    place = shared / f"dynamo-{os.geteuid()}"
    listener = None
    if kind.startswith("link"):
        place.symlink_to(home if kind.endswith("folder") else victim)
    elif kind == "dangling link":
        place.symlink_to(shared / "nowhere")
    elif kind.endswith("folder"):
        place.mkdir()
        place.chmod(0o777 if kind == "open folder" else 0o700)
    elif kind == "file":
        place.write_text("mine")
    elif kind == "fifo":
        os.mkfifo(place, 0o666)
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place))
        listener.listen()
        listener.setblocking(False)
        place.chmod(0o777)
    os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
    try:
        yield listener
    finally:
        if listener is not None:
            listener.close()


def look(shared: Path) -> dict[str, tuple[int, int, int, int]]:
    """What is in the shared folder and in the victim's: mode, owner, size and inode of each."""
    places = [*shared.rglob("*"), shared.parent / "victim", *(shared.parent / "home").rglob("*")]
    found = {}
    for path in places:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_size, status.st_ino)
    return found


async def run_beside(trial: Trial, shared: Path, kind: str) -> str:
    """Run services in spite of it; where that was, or why not."""
    try:
        async with trial.start("Work", "--Work.ServiceArgs.workers=1") as run:
            record = await trial.ledger.record(run.client("Work").work, service="Work", deadline_s=5)
            trial.expect(record.outcome == "ok", f"{kind}: {record.error}")
            directory = Path(str((await run.workers("Work"))[0].path)).parent
            for folder in (directory, directory.parent):
                status = folder.lstat()
                private = (status.st_uid, stat.S_IMODE(status.st_mode)) == (os.geteuid(), 0o700)
                trial.expect(private, f"{kind}: {folder} has owner {status.st_uid}, mode {status.st_mode:o}")
            trial.expect(not directory.is_relative_to(shared), f"{kind}: it runs in {directory}")
            refusals = await as_another_user(lambda: os.access(directory, os.X_OK))
            trial.expect(not refusals, f"{kind}: another user can enter {directory}")
        trial.expect(not directory.exists(), f"{kind}: {directory} is left")
    except RunDirectoryError as error:
        return f"refused: {error}"
    return str(directory.parent)
