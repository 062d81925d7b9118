"""Many calls at once through ``depends``, as the issue asks: BentoML's own client loses a third of them."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from dynamo_bentoml import BentoMLDeploymentTarget
from dynamo_core import with_options
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

from .runs_for_tests import GRAPHS, Runs

if TYPE_CHECKING:
    import pytest

CALLS = 6400
IN_FLIGHT = 64


async def test_no_call_is_lost(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """6,400 calls with 64 in flight; the same again while workers are killed."""
    for name, value in runs.environ().items():
        monkeypatch.setenv(name, value)
    graph = load_graph(f"{GRAPHS}/load.py:Caller")
    async with run_graph(BentoMLDeploymentTarget(), graph) as services:
        caller, backend = services.client("Caller"), services.client("Backend")
        quiet = await caller.many(CALLS, IN_FLIGHT)
        calling = asyncio.ensure_future(caller.many(CALLS, IN_FLIGHT))
        _, pid = await with_options(backend, routing=0).echo(0)
        os.kill(pid, signal.SIGKILL)
        disturbed = await calling
        _, pid = await with_options(backend, routing=0).echo(0)
        calling = asyncio.ensure_future(caller.many(20 * CALLS, IN_FLIGHT))
        os.kill(pid, signal.SIGKILL)
        replaced = await calling
    with capsys.disabled():
        print(f"\n{CALLS} calls, {IN_FLIGHT} in flight: {quiet}")
        print(f"the same while a worker is killed: {disturbed}")
        print(f"{20 * CALLS} calls while a worker is killed and replaced: {replaced}")
    assert (quiet["right"], quiet["workers"]) == (CALLS, 2)
    assert disturbed["right"] == CALLS
    assert replaced["right"] == 20 * CALLS
