"""Texts that somebody on the way could take for more than texts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from harness import Trial, case

from dynamo_circus import CircusDeploymentTarget
from dynamo_core import ServiceConfig
from dynamo_core.loader import load_graph

FILE = Path(__file__).parents[1] / "text_services.py"
TEXTS = (
    "$(circus.env.HOME)",
    "((circus.env.HOME))",
    "((circus.wid))",
    "$(circus.wid) $(circus.sockets.x)",
    "$WID",
    "${HOME}",
    "%(x)s %s %d %%",
    "{0} {name} {{ }}",
    "'single' \"double\" `back`",
    "a\nb\r\nc\td",
    " spaces around ",
    "",
    "-",
    "--flag=value",
    "*?[a]~#!&|<>",
    "; touch canary",
    "$(touch canary) `touch canary`",
    "ünïcode \u2713 \u202e \U0001f600",
    "back\\slash \\n \\x00",
    "\x01\x1b[31mred\x7f",
    "yes",
    "007",
    "1.10",
    "null",
    "x" * 10_000,
)
NOT_UTF8 = "\udcff\udcfe not UTF-8"
PTH = "import pathlib; pathlib.Path({path!r}).write_text('run')\n"


@case("O47", "arrives byte for byte")
async def pass_texts_on(trial: Trial) -> None:
    os.chdir(trial.folder)
    os.environ["WID"] = "the caller's"
    canary = trial.folder / "canary"
    folder = trial.folder / "pth"
    folder.mkdir()
    (folder / "evil.pth").write_text(PTH.format(path=str(canary)))
    telling: type[Any] = load_graph(f"{FILE}:Telling").entry.inner
    names = [f"TEXT_{number}" for number in range(len(TEXTS))]
    envs = dict(zip(names, TEXTS, strict=True))
    await check_built_in(trial, telling, envs)
    await check_custom(trial, telling, {**envs, "NOT_UTF8": NOT_UTF8, "PYTHONPATH": str(folder)})
    trial.see(f"{len(TEXTS)} texts through settings, envs, env_vars, args and command")
    trial.expect(not canary.exists(), "a text was executed")
    trial.expect(not (trial.folder / "touch").exists(), "a text was executed by a shell")


async def check_built_in(trial: Trial, telling: type[Any], envs: dict[str, str]) -> None:
    """Through the service's settings, its envs, and arguments of calls."""
    settings = dict(zip([f"text-{number}" for number in range(len(TEXTS))], TEXTS, strict=True))
    provider = CircusDeploymentTarget()
    config = ServiceConfig({"envs": envs, "settings": settings})
    provider.create_service(telling, config)
    async with provider.run_services() as arbiter:
        client = arbiter.client(telling)
        told = await client.variables(list(envs))
        compare(trial, "envs", envs.values(), told)
        compare(trial, "settings", settings.values(), await client.settings(list(settings)))
        compare(trial, "arguments of calls", TEXTS, [await client.echo(text) for text in TEXTS])
    await trial.check_nothing_left(None)


async def check_custom(trial: Trial, telling: type[Any], variables: dict[str, str]) -> None:
    """Through variables and arguments of a worker with a command of its own."""
    texts = [*TEXTS, NOT_UTF8]
    choices: list[dict[str, Any]] = [
        {"args": [str(FILE), *texts]},
        {"command": [sys.executable, str(FILE), *texts]},
    ]
    for options in choices:
        provider = CircusDeploymentTarget()
        provider.create_service(telling, env_vars=variables, **options)
        async with provider.run_services() as arbiter:
            client = arbiter.client(telling)
            how = ", ".join(options)
            compare(trial, how, texts, await client.arguments())
            compare(
                trial, f"env_vars with {how}", variables.values(), await client.variables(list(variables))
            )
        await trial.check_nothing_left(None)


def compare(trial: Trial, how: str, given: Any, told: list[str | None]) -> None:
    wanted = [os.fsencode(text).hex() for text in given]
    trial.expect(len(told) == len(wanted), f"{how}: {len(told)} texts instead of {len(wanted)}")
    for text, before, after in zip(given, wanted, told, strict=False):
        trial.expect(before == after, f"{how}: {text[:60]!r} came as {bytes.fromhex(after or '')[:60]!r}")
