"""Changing a run that goes on: more workers, fewer, new ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_core import with_options
from dynamo_core.errors import ServiceNotFoundError
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop, with_settings
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.life import Cellar, House

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dynamo_core.provider import RunningServices
    from dynamo_core.testing.conformance.ledger import Ledger


class ChangeConformance(Conformance):
    """What ``scale`` and ``restart`` do, and what callers notice of it: nothing."""

    @needs("scale")
    @on_own_loop
    async def test_scale_up_and_down(self, provider: Provider, ledger: Ledger) -> None:
        """New workers take calls; surplus ones go from the highest slot, with their stop hooks."""
        async with provider.run(with_settings(collect(House), ledger=ledger)) as services:
            cellar = services.client(Cellar)
            await services.scale("Cellar", 3, reason="test")
            assert await _ready_slots(services) == [0, 1, 2]
            assert await with_options(cellar, routing=2).store("coal") == "stored coal"
            assert ledger.lines().count("Cellar async_on_start") == 3
            await services.scale("Cellar", 1)
            assert await _ready_slots(services) == [0]
            assert ledger.lines().count("Cellar on_shutdown 1") == 2
            assert await cellar.store("coal") == "stored coal"

    @needs("scale")
    @on_own_loop
    async def test_running_callers_reach_new_workers(self, provider: Provider) -> None:
        """A service that was there before sees workers that came later."""
        async with provider.run(collect(House)) as services:
            await services.scale("Cellar", 2)
            house = services.client(House)
            async with asyncio.timeout(10):
                seen: set[tuple[int, ...]] = set()
                while len(seen) < 2:
                    seen.add(tuple(await house.cellar_identity()))

    @needs("scale")
    @on_own_loop
    async def test_scale_refuses_nonsense(self, provider: Provider) -> None:
        """An unknown service and a negative number are errors."""
        async with provider.run(collect(Cellar)) as services:
            with pytest.raises(ServiceNotFoundError):
                await services.scale("Attic", 1)
            with pytest.raises(ValueError, match="-1"):
                await services.scale("Cellar", -1)
            assert await _ready_slots(services) == [0]

    @needs("rolling_restart")
    @on_own_loop
    async def test_restart_replaces_every_worker(self, provider: Provider, ledger: Ledger) -> None:
        """Slots stay, workers are new; the old ones' stop hooks have run."""
        async with provider.run(with_settings(collect(House), ledger=ledger)) as services:
            await services.scale("Cellar", 2)
            before = await _identities(services)
            await services.restart("Cellar", reason="test")
            after = await _identities(services)
            assert not set(before).intersection(after)
            assert await _ready_slots(services) == [0, 1]
            assert ledger.lines().count("Cellar async_on_start") == 4
            assert ledger.lines().count("Cellar on_shutdown 1") == 2

    @needs("rolling_restart")
    @on_own_loop
    async def test_restart_loses_no_call(self, provider: Provider) -> None:
        """Callers, from outside and from another service, notice nothing of a restart."""
        async with provider.run(collect(House)) as services:
            await _call_meanwhile(services, lambda: services.restart("Cellar"))
            assert await _ready_slots(services) == [0]

    @needs("scale")
    @on_own_loop
    async def test_scale_down_loses_no_call(self, provider: Provider) -> None:
        """Callers notice nothing when the worker they use goes."""
        async with provider.run(collect(House)) as services:
            await services.scale("Cellar", 3)
            await _call_meanwhile(services, lambda: services.scale("Cellar", 1))

    @needs("rolling_restart")
    @on_own_loop
    async def test_restart_refuses_an_unknown_service(self, provider: Provider) -> None:
        """An unknown service is an error that names the known ones."""
        async with provider.run(collect(House)) as services:
            with pytest.raises(ServiceNotFoundError) as caught:
                await services.restart("Attic")
            assert set(caught.value.known) == {"Cellar", "House"}


async def _ready_slots(services: RunningServices) -> list[int]:
    found = (await services.status()).find_service("Cellar")
    assert found is not None
    return [worker.slot for worker in found.workers if worker.state == "ready"]


async def _identities(services: RunningServices) -> list[tuple[int, ...]]:
    cellar = services.client(Cellar)
    return [tuple(await with_options(cellar, routing=slot).identity()) for slot in (0, 1)]


async def _call_meanwhile(services: RunningServices, change: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call without a pause, from outside and through another service, until *change* has been made."""
    changing = asyncio.ensure_future(change())
    calls = 0
    while not changing.done() or calls < 20:
        answers = await asyncio.gather(
            services.client(Cellar).store("coal"), services.client(House).store("wood")
        )
        assert list(answers) == ["stored coal", "stored wood"]
        calls += 1
    await changing
