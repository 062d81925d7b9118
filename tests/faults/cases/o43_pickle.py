"""Pickles as body, as content type, and as payload of frames: each would run a command."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

from harness import Run, Trial, case
from harness.raw_frames import call, hello, packed, send
from harness.raw_http import HttpAnswer, RawHttp

from dynamo_core.transport.frames import ERROR, HELLO, REFUSE, RESULT, encode_frame

GRAPH = "web_services.py:Door"
TYPES = (
    "application/vnd.bentoml+pickle",
    "application/x-pickle",
    "application/python-pickle",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@case("O43", "refused before reading; canary file not created")
async def send_pickles(trial: Trial) -> None:
    canary = trial.folder / "canary"
    bodies = {f"protocol {number}": pickle.dumps(Payload(canary), number) for number in (0, 2, 5)}
    pickle.loads(bodies["protocol 5"])
    trial.expect(canary.exists(), "the payload does nothing")
    canary.unlink()
    async with trial.start(GRAPH) as run:
        await send_requests(trial, run, bodies)
        await send_frames(trial, run, bodies)
        record = await trial.ledger.record(run.client("Door").ask, service="Door", deadline_s=5)
        trial.expect(record.outcome == "ok", f"it does not answer any more: {record.error}")
        trial.expect(not run.events.find("died"), "the worker has died")
    trial.expect(not canary.exists(), "a pickle was loaded")
    called = {line.call_id for line in trial.service_ledger} - {record.call_id, "upload"}
    trial.expect(not called, f"the method ran for {called}")


async def send_requests(trial: Trial, run: Run, bodies: dict[str, bytes]) -> None:
    port = run.http_port("Door")
    for kind in TYPES:
        answer = await announce(port, kind)
        trial.expect(answer is not None and answer.status == 415, f"{kind}: {answer}")
    for name, body in bodies.items():
        async with await RawHttp.connect(port) as http:
            answer = await http.request("/ask", body, headers={"content-type": "application/json"})
        trial.expect(answer.status in {400, 422}, f"{name} as JSON: {answer.status}")
        async with await RawHttp.connect(port) as http:
            answer = await http.request("/upload", body)
        trial.expect((answer.status, answer.data) == (200, len(body)), f"{name} as bytes: {answer}")
        async with await RawHttp.connect(port) as http:
            headers = {"content-type": "application/json", "content-encoding": "pickle"}
            answer = await http.request("/ask", body, headers=headers)
        trial.expect(answer.status == 415, f"{name} as an encoding: {answer.status}")


async def announce(port: int, kind: str) -> HttpAnswer | None:
    """Say what kind of body will come; the answer before any of it was sent."""
    async with await RawHttp.connect(port) as http:
        fields = f"host: localhost\r\ncontent-type: {kind}\r\ncontent-length: 1000"
        await http.send(f"POST /ask HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        return await http.read_answer()


async def send_frames(trial: Trial, run: Run, bodies: dict[str, bytes]) -> None:
    path = trial.runs_folder / run.run_id / "w0-0.sock"
    greeting = hello(run.run_id, "Door")
    for name, body in bodies.items():
        for what, frame in {
            "arguments": call("ask", body),
            "an argument": call("ask", packed({"call_id": body})),
            "a packed object": call(
                "ask", packed({"call_id": {"py/object": "posix.system", "args": [body]}})
            ),
            "JSON arguments": call("ask", body, flags=1),
        }.items():
            reaction = await send(path, greeting, frame)
            kind = reaction.frames[-1][0] if reaction.frames else None
            trial.expect(kind == ERROR, f"{name} as {what}: kind {kind}, closed {reaction.is_closed}")
        reaction = await send(path, encode_frame(HELLO, body=body))
        kinds = [kind for kind, _ in reaction.frames]
        trial.expect(reaction.is_closed or kinds == [REFUSE], f"{name} as a greeting: {kinds}")
        reaction = await send(path, greeting, call("upload", packed({"data": body})))
        trial.expect(reaction.frames[-1][0] == RESULT, f"{name} as bytes: {reaction.frames[-1:]}")
