"""Another user of the machine tries every path of a run and looks for sockets."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

from harness import Run, Trial, case
from harness.other_user import as_another_user, attempt, can_be_another_user
from harness.processes import sockets_of

REFUSED = "PermissionError"


@case(
    "O40",
    "directory and all files: EACCES; no tcp listener but HTTP, no udp, no abstract socket",
)
async def try_everything(trial: Trial) -> None:
    trial.folder.chmod(0o755)  # what keeps others out must be the run's own directory
    trial.runs_folder.mkdir(mode=0o755)
    async with trial.start("Web", log_dir=trial.folder / "logs") as run:
        check_sockets(trial, run)
        if not can_be_another_user():
            trial.see("the rest needs root")
            return
        directory = trial.runs_folder / run.run_id
        paths = [directory, *directory.rglob("*"), *(trial.folder / "logs").iterdir()]
        pids = [found.pid for found in run.processes()]
        found = await as_another_user(lambda: try_paths(directory, paths, pids))
    trial.see(f"{len(paths)} paths, {len(pids)} processes, {len(found)} attempts")
    trial.expect(len(paths) >= 6, f"only these paths: {paths}")
    for what, outcome in found.items():
        trial.expect(outcome == REFUSED, f"another user may {what}: {outcome}")


def try_paths(directory: Path, paths: list[Path], pids: list[int]) -> dict[str, str]:
    """Everything that somebody could try, and what came of it."""
    found = {f"list {directory}": attempt(lambda: list(directory.iterdir()))}
    found[f"write into {directory}"] = attempt((directory / "new").touch)
    for path in paths:
        found[f"open {path}"] = attempt(functools.partial(os.open, path, os.O_RDONLY))
        if path.is_relative_to(directory) and path != directory:
            found[f"look at {path}"] = attempt(path.lstat)
            found[f"remove {path}"] = attempt(path.unlink)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_UNIX, kind) as sock:
                    found[f"connect to {path} ({kind.name})"] = attempt(
                        functools.partial(sock.connect, str(path))
                    )
    for pid in pids:
        for name in ("environ", "mem", "fd/0"):
            path = Path(f"/proc/{pid}/{name}")
            found[f"open {path}"] = attempt(functools.partial(os.open, path, os.O_RDONLY))
    return found


def check_sockets(trial: Trial, run: Run) -> None:
    """Every socket that can be reached from outside of the run's directory."""
    pids = {run.supervisor_pid, *(found.pid for found in run.processes())}
    found = {text for pid in pids for text in sockets_of(pid)}
    port = run.http_port("Web")
    directory = trial.runs_folder / run.run_id
    allowed = {text for text in found if text.startswith(f"unix {directory}/")} | {f"tcp 127.0.0.1:{port}"}
    trial.see(f"{len(found)} sockets with an address")
    trial.expect(found == allowed, f"other sockets: {sorted(found - allowed)}")
    trial.expect(f"tcp 127.0.0.1:{port}" in found, "the port of HTTP was not seen")
