"""HTTP and sockets give calls to the same workers: those that are ready."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

from .http_for_tests import Client, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from dynamo_core.provider import ServiceEvent

PATIENCE_S = 30.0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file ``closed-SLOT`` here makes that worker say that it is not ready."""
    monkeypatch.setenv("SHOP_FOLDER", str(tmp_path))
    return tmp_path


@contextlib.asynccontextmanager
async def running(graphs: Path, heard: list[ServiceEvent]) -> AsyncIterator[ArbiterHandle]:
    graph = load_graph(f"{graphs}/health.py:Shop")
    async with run_graph(CircusDeploymentTarget(), graph, listeners=[heard.append]) as arbiter:
        assert isinstance(arbiter, ArbiterHandle)
        yield arbiter


async def url_of(arbiter: ArbiterHandle) -> str:
    url = (await arbiter.stats("Shop")).http_url
    assert url is not None
    return url


async def until_states(arbiter: ArbiterHandle, *states: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while tuple(worker.state for worker in (await arbiter.stats("Shop")).workers) != states:
            await asyncio.sleep(0.005)


async def until_answered(url: str, body: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await ask(url, "/slot")).body != body:
            pass


async def until_asked(arbiter: ArbiterHandle) -> None:
    """Wait until a worker was asked whether it is ready, and said no."""
    async with asyncio.timeout(PATIENCE_S), contextlib.aclosing(arbiter.logs("Shop")) as lines:  # type: ignore[type-var]
        async for line in lines:
            if line.text == "closed":
                return


async def test_worker_that_has_not_been_ready_takes_no_http(runs: Path, graphs: Path, shop: Path) -> None:
    """The others take what comes, until it is."""
    async with running(graphs, []) as arbiter:
        url = await url_of(arbiter)
        (shop / "closed-0").touch()
        pid = (await arbiter.stats("Shop")).workers[0].pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until_states(arbiter, "starting", "ready")
        await until_asked(arbiter)
        assert {(await ask(url, "/slot")).body for _ in range(20)} == {b"1"}
        (shop / "closed-0").unlink()
        await until_answered(url, b"0")


async def test_worker_that_is_not_ready_leaves_http_to_the_others(
    runs: Path, graphs: Path, shop: Path
) -> None:
    """New connections go to the others; one that it has is told to come again."""
    async with running(graphs, []) as arbiter:
        url = await url_of(arbiter)
        async with contextlib.AsyncExitStack() as stack:
            clients = {}
            while len(clients) < 2:
                client = await stack.enter_async_context(Client(url))
                clients[int((await client.ask("POST", "/slot")).body)] = client
            (shop / "closed-1").touch()
            await until_states(arbiter, "ready", "unready")
            refused = await clients[1].ask("POST", "/slot")
            assert (refused.status, refused.headers["connection"]) == (503, "close")
            assert refused.headers["retry-after"]
            assert json.loads(refused.body)["kind"] == "ServiceUnavailableError"
            assert (await clients[0].ask("POST", "/slot")).body == b"0"
        assert {(await ask(url, "/slot")).body for _ in range(20)} == {b"0"}
        (shop / "closed-1").unlink()
        await until_states(arbiter, "ready", "ready")
        await until_answered(url, b"1")


async def test_service_with_no_ready_worker_says_so(runs: Path, graphs: Path, shop: Path) -> None:
    """Over HTTP at once, with health as before; a call that runs goes on to its end."""
    async with running(graphs, []) as arbiter:
        url = await url_of(arbiter)
        runs_on = asyncio.create_task(ask(url, "/wait", {"seconds": 0.5}))
        for slot in range(2):
            (shop / f"closed-{slot}").touch()
        await until_states(arbiter, "unready", "unready")
        statuses = [
            (await ask(url, path, method=method)).status
            for method, path in (("POST", "/slot"), ("GET", "/healthz"), ("GET", "/readyz"))
        ]
        assert statuses == [503, 200, 503]
        assert (await runs_on).status == 200
