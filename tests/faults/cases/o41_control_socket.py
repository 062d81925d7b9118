"""The control socket is sent whatever one can think of."""

from __future__ import annotations

import json
import os
import pickle
import socket
from pathlib import Path

from harness import Run, Trial, case
from harness.other_user import as_another_user, can_be_another_user
from harness.raw_frames import Reaction, call, hello, packed, send

from dynamo_core.control.verbs import CONTROL_SERVICE
from dynamo_core.transport.frames import AS_JSON, ERROR, REFUSE

ANSWERED_S = 1.0
MIB = 1024 * 1024


@case(
    "O41",
    "closed or typed error <= 1 s; supervisor serves on; nothing executed",
)
async def send_anything(trial: Trial) -> None:
    async with trial.start("Work") as run:
        directory = trial.runs_folder / run.run_id
        control = directory / "control.sock"
        canary = trial.folder / "canary"
        if can_be_another_user():
            await try_as_another_user(trial, directory)
        else:
            trial.see("another user: needs root")
        for name, data in raw_bytes(canary).items():
            check(trial, name, await send(control, data, ends=True))
        greeting = hello(run.run_id, CONTROL_SERVICE)
        for name, data in calls(canary).items():
            check(trial, name, await send(control, greeting, data))
        for name, first in greetings(run).items():
            check(trial, name, await send(control, first))
        await check_serving(trial, run)
    trial.expect(not canary.exists(), "something was executed")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def raw_bytes(canary: Path) -> dict[str, bytes]:
    """What is no frame."""
    add = {"name": "evil", "cmd": f"touch {canary}", "start": True}
    commands = {
        "circus add": {"command": "add", "properties": add},
        "circus set": {
            "command": "set",
            "properties": {"name": "Work", "options": {"cmd": f"touch {canary}"}},
        },
        "circus options": {"command": "options", "properties": {"name": "Work"}},
        "circus quit": {"command": "quit", "properties": {}},
    }
    found = {name: json.dumps({"id": "1", **command}).encode() for name, command in commands.items()}
    for text in ("[]", "1", "null", "{}"):
        found[text] = text.encode()
    return {
        **found,
        "16 MB of zeros": bytes(16 * MIB),
        "16 MB of text": b"a" * (16 * MIB),
        "a frame of 16 MB": (16 * MIB).to_bytes(4, "big") + bytes(16 * MIB),
        "a frame of 4 GB": b"\xff\xff\xff\xff" + bytes(MIB),
        "a frame without content": bytes(4),
        "pickle": pickle.dumps(Payload(canary)),
        "HTTP": b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    }


def greetings(run: Run) -> dict[str, bytes]:
    """Handshakes that do not fit."""
    return {
        "another run": hello("0" * 16, CONTROL_SERVICE),
        "another service": hello(run.run_id, "Work"),
        "another slot": hello(run.run_id, CONTROL_SERVICE, slot=7),
        "another version": hello(run.run_id, CONTROL_SERVICE, version=99),
    }


def calls(canary: Path) -> dict[str, bytes]:
    """Calls after a proper handshake."""
    found = {
        f"verb {verb!r}": call(verb, packed({}))
        for verb in ("add", "set", "options", "quit", "", "__init__", "run", "_answer", "x" * 255)
    }
    for text in ("[]", "1", "null", '"x"', '{"command":"add"}', "{", "NaN"):
        found[f"arguments {text} as JSON"] = call("status", text.encode(), flags=AS_JSON)
    values: list[object] = [[], 1, None, "x", {"command": "add"}, {1: 2}]
    for value in values:
        found[f"arguments {value} as msgpack"] = call("status", packed(value))
    found |= {
        "scale with odd arguments": call("scale", packed({"service": ["Work"], "workers": -1})),
        "scale to a billion": call("scale", packed({"service": "Work", "workers": 1.5})),
        "restart of nothing": call("restart", packed({"service": "../Work"})),
        "pickle": call("status", pickle.dumps(Payload(canary))),
        "16 MB": call("status", packed({"x": "a" * (16 * MIB)})),
        "a call that is cut": call("status", packed({}))[:12] + b"\xff" * 20,
        "number 0": call("status", packed({}), number=0),
        "an unknown kind": b"\x00\x00\x00\x06\x63\x00\x00\x00\x00\x01",
    }
    return found


def check(trial: Trial, name: str, reaction: Reaction) -> None:
    """Closed, or a typed error, and soon."""
    kinds = [kind for kind, _ in reaction.frames]
    is_refused = reaction.is_closed or (kinds and kinds[-1] in {ERROR, REFUSE})
    if not is_refused and kinds and name.startswith(("restart", "scale")):
        is_refused = b"failure" in reaction.frames[-1][1]  # the run's own error is a result of the verb
    trial.expect(is_refused, f"{name}: {reaction.frames}, closed: {reaction.is_closed}")
    trial.within("a reaction", reaction.seconds, ANSWERED_S)


async def try_as_another_user(trial: Trial, directory: Path) -> None:
    """Somebody has opened the directory to all: those who are let in are still looked at."""
    paths = [directory / "control.sock", directory / "w0-0.sock"]
    modes = {
        path: path.stat().st_mode & 0o7777 for path in (trial.folder, trial.runs_folder, directory, *paths)
    }
    for path in modes:
        path.chmod(0o777)
    try:
        found = await as_another_user(lambda: {str(path): knock(path, directory.name) for path in paths})
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    for name, outcome in found.items():
        trial.expect(outcome == "closed", f"another user at {name}: {outcome}")


def knock(path: Path, run_id: str) -> str:
    """Connect and shake hands; what came back."""
    service = CONTROL_SERVICE if path.name == "control.sock" else "Work"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWERED_S)
        try:
            sock.connect(str(path))
            sock.sendall(hello(run_id, service))
            return repr(sock.recv(100)) if sock.recv(1) else "closed"
        except ConnectionError:
            return "closed"
        except OSError as error:
            return repr(error)


async def check_serving(trial: Trial, run: Run) -> None:
    """The supervisor does what it did before."""
    status = await run.arbiter.status()
    trial.expect([each.name for each in status.services] == ["Work"], f"services {status.services}")
    trial.expect(all(worker.state == "ready" for worker in status.services[0].workers), f"{status}")
    trial.expect(not run.events.find("died"), "a worker has died")
    record = await trial.ledger.record(run.client("Work").work, service="Work", deadline_s=5)
    trial.expect(record.outcome == "ok", f"it does not answer: {record.error}")
