"""A secret is given to one service of two; then it is looked for everywhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from harness import Run, Trial, case
from harness.processes import find_processes, memory_holds
from harness.raw_http import RawHttp

GRAPH = "secret_services.py:Neighbour"
NAME = "FAULTS_CANARY"


@case(
    "O42",
    "found in A only: not in B's environ, argv, ps, logs at DEBUG, state files, status --json, error bodies",
)
async def keep_a_secret(trial: Trial) -> None:
    canary = f"canary-{secrets.token_hex(16)}"
    os.environ[NAME] = canary
    os.environ["DYNAMO_LOG_LEVEL"] = "debug"
    logs = trial.folder / "logs"
    async with trial.start(GRAPH, log_dir=logs, log_format="json") as run:
        seen = await use(trial, run, canary)
        pids = {service: (await run.pids(service))[0] for service in ("Keeper", "Neighbour")}
        seen["status"] = json.dumps((await run.arbiter.status()).to_data())
        seen |= {
            f"log of {each}": "\n".join(line.text for line in await run.log_lines(each)) for each in pids
        }
        seen["events"] = repr(run.events.heard)
        for words in (["ps", "--json"], ["ps", run.run_id, "--json"], ["ps"], ["logs", run.run_id]):
            seen[f"dynamo {' '.join(words)}"] = dynamo(*words)
        target = str(Path(__file__).parents[1] / GRAPH)
        seen["dynamo serve --plan"] = dynamo(
            "serve", target, "--provider", "circus", "--plan", with_secret=True
        )
        check_processes(trial, run, canary, pids)
        check_files(trial, canary)
    for what, text in seen.items():
        trial.expect(text, f"{what} says nothing")
        trial.expect(canary not in text, f"{what} has the secret")
    trial.expect(NAME in seen["dynamo serve --plan"], "the plan does not say which secret to set")
    trial.see(f"looked for in {len(seen)} texts")
    check_files(trial, canary)


async def use(trial: Trial, run: Run, canary: str) -> dict[str, str]:
    """Call the services so that they use the secret, fail with it, and crash with it; what was said."""
    seen: dict[str, str] = {}
    record = await trial.ledger.record(run.client("Neighbour").pass_on, service="Neighbour", deadline_s=5)
    digest = hashlib.sha256(canary.encode()).hexdigest()
    trial.expect(
        record.answer == digest, f"the service does not have its secret: {record.error or record.answer}"
    )
    for service in ("Keeper", "Neighbour"):
        record = await trial.ledger.record(run.client(service).fail, service=service, deadline_s=5)
        error = record.error
        seen[f"error of {service}"] = f"{error} {getattr(error, 'traceback_text', '')} {vars(error)}"
        async with await RawHttp.connect(run.http_port(service)) as http:
            for path in ("/fail", "/openapi.json", "/docs", "/nothing"):
                method = "POST" if path == "/fail" else "GET"
                body = {"call_id": "web"} if path == "/fail" else b""
                answer = await http.request(path, body, method=method)
                seen[f"{service}{path}"] = f"{answer.headers} {answer.body.decode()}"
    record = await trial.ledger.record(run.client("Keeper").crash, service="Keeper", deadline_s=5)
    seen["error of a crash"] = str(record.error)
    await run.events.wait("spawned", "Keeper", after=record.started)
    await run.events.wait("ready", "Keeper", after=record.started)
    await asyncio.sleep(0.1)  # its predecessor's last lines
    return seen


def check_processes(trial: Trial, run: Run, canary: str, pids: dict[str, int]) -> None:
    """Command lines of all; environment and memory of those that have no business with it."""
    found = find_processes(run.run_id, str(trial.folder))
    trial.expect(len(found) >= 4, f"only these processes: {found}")
    for each in found:
        trial.expect(canary not in " ".join(each.argv), f"the command line of {each} has the secret")
    holders = {run.supervisor_pid, pids["Keeper"]}  # the supervisor has it to give
    for each in found:
        environ = Path(f"/proc/{each.pid}/environ").read_bytes()
        is_holder = each.pid in holders
        trial.expect(is_holder or canary.encode() not in environ, f"the environment of {each} has the secret")
        if not is_holder:
            trial.expect(not memory_holds(each.pid, canary.encode()), f"the memory of {each} has the secret")
    trial.expect(memory_holds(pids["Keeper"], canary.encode()), "looking into memory finds nothing")


def check_files(trial: Trial, canary: str) -> None:
    """Everything below the case's folder, runs and logs included."""
    files = [path for path in trial.folder.rglob("*") if path.is_file()]
    for path in files:
        trial.expect(canary.encode() not in path.read_bytes(), f"{path} has the secret")


def dynamo(*words: str, with_secret: bool = False) -> str:
    """What a command prints."""
    env = {name: value for name, value in os.environ.items() if with_secret or name != NAME}
    done = subprocess.run(
        [sys.executable, "-m", "dynamo_core", *words], env=env, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
