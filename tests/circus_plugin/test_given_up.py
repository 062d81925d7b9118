"""Services that are given up: their callers learn of it at once, and they come back when asked to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_circus import ArbiterHandle, CircusDeploymentTarget
from dynamo_core.config import load_graph_settings
from dynamo_core.errors import ServiceFailedError, ServiceUnavailableError, WorkerLostError
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

from .http_for_tests import ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from dynamo_core.provider import ServiceEvent

AT_ONCE_S = 10.0
"""Far below the time that callers wait for a service that may come."""


@pytest.fixture
def switch(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """While this file is there, the frail service cannot start."""
    found = runs.with_name(f"{runs.name}.ill")
    monkeypatch.setenv("FRAIL_SWITCH", str(found))
    yield found
    found.unlink(missing_ok=True)


class Heard(list["ServiceEvent"]):
    """The events of a run."""

    async def wait(self, kind: str, service: str) -> ServiceEvent:
        async with asyncio.timeout(30):
            while True:
                for event in self:
                    if (event.kind, event.service) == (kind, service):
                        return event
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def frail(
    graphs: Path, policy: str, *, entry: str = "Top"
) -> AsyncIterator[tuple[ArbiterHandle, Heard]]:
    words = [f"--Frail.ServiceArgs.supervision.on_failure={policy}"]
    graph = load_graph_settings(None, words, {}).apply(load_graph(f"{graphs}/frail.py:{entry}"))
    heard = Heard()
    async with run_graph(CircusDeploymentTarget(), graph, listeners=[heard.append]) as arbiter:
        assert isinstance(arbiter, ArbiterHandle)
        yield arbiter, heard


async def fail_for_good(arbiter: ArbiterHandle, switch: Path) -> None:
    switch.touch()
    with pytest.raises(WorkerLostError):
        await arbiter.client("Frail").die()


async def state_of(arbiter: ArbiterHandle, service: str, state: str) -> None:
    async with asyncio.timeout(30):
        while (await arbiter.stats(service)).state != state:
            await asyncio.sleep(0.005)


async def url_of(arbiter: ArbiterHandle, service: str) -> str:
    url = (await arbiter.stats(service)).http_url
    assert url is not None
    return url


@pytest.mark.parametrize("policy", ["isolate", "restart"])
async def test_callers_of_a_service_that_is_down_for_long_learn_it_at_once(
    runs: Path, graphs: Path, switch: Path, policy: str
) -> None:
    """Over sockets with service and cause, from outside and from other services; over HTTP with 503."""
    async with frail(graphs, policy) as (arbiter, heard):
        client: Any = arbiter.client("Frail")
        await fail_for_good(arbiter, switch)
        waiting = asyncio.create_task(client.echo("x"))  # it may wait until that is known
        await heard.wait("failed" if policy == "isolate" else "degraded", "Frail")
        async with asyncio.timeout(AT_ONCE_S):
            for call in (waiting, client.echo("x"), arbiter.client("Top").echo("x")):
                with pytest.raises(
                    ServiceUnavailableError, match=r"exited with status 3.*2 failures in a row"
                ) as caught:
                    await call
                assert caught.value.service == "Frail"
            answer = await ask(await url_of(arbiter, "Frail"), "/echo", {"text": "x"})
            none = await ask(await url_of(arbiter, "Frail"), "/", method="HEAD")
        assert (answer.status, none.status, none.body) == (503, 503, b"")
        assert answer.headers["retry-after"]
        assert json.loads(answer.body)["kind"] == "ServiceUnavailableError"


@pytest.mark.parametrize("how", ["restart", "scale"])
async def test_a_service_that_was_given_up_comes_back_when_asked(
    runs: Path, graphs: Path, switch: Path, how: str
) -> None:
    """It is called as before, over sockets and over HTTP at the same port."""
    async with frail(graphs, "isolate") as (arbiter, heard):
        await fail_for_good(arbiter, switch)
        await heard.wait("failed", "Frail")
        with pytest.raises(ServiceFailedError):  # it still cannot start
            await arbiter.restart("Frail")
        await state_of(arbiter, "Frail", "failed")
        switch.unlink()
        if how == "restart":
            await arbiter.restart("Frail")
        else:
            await arbiter.scale("Frail", 1)
        async with asyncio.timeout(AT_ONCE_S):
            assert await arbiter.client("Top").echo("x") == "x"
            answer = await ask(await url_of(arbiter, "Frail"), "/echo", {"text": "x"})
        assert (answer.status, json.loads(answer.body)) == (200, "x")
        assert (await arbiter.stats("Frail")).state == "ready"


async def test_a_worker_starts_beside_a_dependency_that_is_given_up(
    runs: Path, graphs: Path, switch: Path
) -> None:
    """It has nobody to wait for."""
    async with frail(graphs, "isolate") as (arbiter, heard):
        await fail_for_good(arbiter, switch)
        await heard.wait("failed", "Frail")
        async with asyncio.timeout(AT_ONCE_S):
            await arbiter.restart("Middle")
            with pytest.raises(ServiceUnavailableError, match="is not available"):
                await arbiter.client("Middle").echo("x")


async def test_dependents_stop_in_reverse_order_and_finish_their_calls(
    runs: Path, graphs: Path, switch: Path
) -> None:
    """What depends on others stops before them; callers learn why, and all come back with the one that failed."""
    async with frail(graphs, "stop-dependents") as (arbiter, heard):
        await fail_for_good(arbiter, switch)
        await heard.wait("stopped", "Middle")
        kinds = [(event.kind, event.service) for event in heard]
        assert kinds.index(("stopped", "Top")) < kinds.index(("message", "Middle"))
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(ServiceUnavailableError, match="stopped because Frail has failed"):
                await arbiter.client("Top").echo("x")
            with pytest.raises(ServiceFailedError):
                await arbiter.wait_ready()
        services = (await arbiter.status()).services
        assert [each.state for each in services] == ["failed", "stopped", "stopped"]
        assert [each.workers[0].state for each in services] == ["failed", "stopped", "stopped"]
        switch.unlink()
        await arbiter.restart("Frail")
        await arbiter.wait_ready(30)
        assert await arbiter.client("Top").echo("x") == "x"


async def test_a_stopped_dependent_comes_back_alone_when_asked(
    runs: Path, graphs: Path, switch: Path
) -> None:
    """What it depends on may still be down; its calls then say so."""
    async with frail(graphs, "stop-dependents") as (arbiter, heard):
        await fail_for_good(arbiter, switch)
        await heard.wait("stopped", "Middle")
        await arbiter.scale("Middle", 2)
        assert (await arbiter.stats("Middle")).ready_workers == 2
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(ServiceUnavailableError, match="Frail"):
                await arbiter.client("Middle").echo("x")


async def test_a_service_of_no_workers_refuses_until_it_has_some(
    runs: Path, graphs: Path, switch: Path
) -> None:
    """Nobody waits for it, and the run counts as ready."""
    async with frail(graphs, "isolate", entry="Frail") as (arbiter, _):
        await arbiter.scale("Frail", 0)
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(ServiceUnavailableError, match="scaled to 0"):
                await arbiter.client("Frail").echo("x")
            assert (await ask(await url_of(arbiter, "Frail"), "/echo", {"text": "x"})).status == 503
            await arbiter.wait_ready()
        await arbiter.scale("Frail", 1)
        assert await arbiter.client("Frail").echo("x") == "x"
