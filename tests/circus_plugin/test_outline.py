"""``dynamo serve --plan``: what would run, and commands that really start it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .test_alone import ask, process
from .test_run import running

if TYPE_CHECKING:
    from pathlib import Path


def plan(*arguments: str) -> Any:
    """What ``dynamo serve --plan --json`` writes."""
    command = [sys.executable, "-m", "dynamo_core", "serve", "--provider", "circus", "--plan", "--json"]
    return json.loads(subprocess.run([*command, *arguments], capture_output=True, check=True).stdout)


async def test_command_of_the_plan_starts_the_service(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, with its settings and variables, and its secrets only as references."""
    monkeypatch.chdir(runs)
    monkeypatch.setenv("TOKEN_OF_TESTS", "a secret")
    outline = plan(
        f"{graphs}/chain.py:Frontend",
        "--Backend.ServiceArgs.envs.WORD=two words",
        '--Backend.ServiceArgs.secrets=["TOKEN_OF_TESTS"]',
    )
    assert [(each["service"], each["slot"]) for each in outline["processes"]] == [
        ("Backend", 0),
        ("Backend", 1),
        ("Frontend", 0),
    ]
    assert "a secret" not in json.dumps(outline)
    listens = [word for each in outline["processes"] for word in each["command"] if "--listen" in word]
    assert len(set(listens)) == 3, "two of them can be started side by side"
    backend = outline["processes"][0]
    assert """WORD='two words' TOKEN_OF_TESTS="$TOKEN_OF_TESTS" """ in backend["command_line"]
    monkeypatch.setenv("WORD", backend["envs"]["WORD"])
    async with process(*backend["command"][2:], ready="serving on"):
        assert await ask(f"{runs}/Backend.sock", "local", "Backend", "environ", name="WORD") == ["two words"]


async def test_command_of_the_plan_leads_to_what_http_reaches(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service calls it there, as it does under the supervisor."""
    monkeypatch.chdir(runs)
    async with running(f"{graphs}/frail.py:Frail") as arbiter:
        url = (await arbiter.stats("Frail")).http_url
        outline = plan(f"{graphs}/frail.py:Top", "--service-name=Middle", f"--depends=Frail={url}")
        (middle,) = outline["processes"]
        assert f"--depends=Frail={url}" in middle["command"]
        async with process(*middle["command"][2:], ready="serving on"):
            assert await ask(f"{runs}/Middle.sock", "local", "Middle", "echo", text="x") == ["x"]


def test_plan_shows_devices(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which slot gets which."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    outline = plan(f"{graphs}/devices.py:Trainer")
    assert [each["devices"] for each in outline["processes"]] == [["1"], ["3"]]
    assert [each["envs"] for each in outline["processes"]] == [
        {"CUDA_VISIBLE_DEVICES": "1"},
        {"CUDA_VISIBLE_DEVICES": "3"},
    ]


def test_devices_can_be_listed_on_the_command_line(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else knows them."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    outline = plan(f"{graphs}/devices.py:Trainer", "-o", 'devices=["4", "6"]')
    assert [each["devices"] for each in outline["processes"]] == [["4"], ["6"]]
