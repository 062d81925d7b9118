"""Configuration: what is asked for of a service is what its workers get."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import pytest

from dynamo_core import CallTimeoutError, ServiceConfig, with_options
from dynamo_core.graph import collect, link
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.guarded import SECRET_VARIABLE, Keeper, Stranger
from dynamo_core.testing.conformance.services.life import Cellar
from dynamo_core.testing.conformance.services.waiting import Waiting
from dynamo_core.testing.conformance.services.web import Web

if TYPE_CHECKING:
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.testing.conformance.ledger import Ledger

INHERITED: str = "KIT_INHERITED"


class ConfigConformance(Conformance):
    """What a service's configuration does, on every provider alike."""

    entry: ClassVar[type] = Stranger

    @on_own_loop
    async def test_workers_are_as_many_as_asked_for(self, provider: Provider) -> None:
        """Slots from 0, each an instance of its own."""
        graph = collect(Cellar).with_configs({"Cellar": ServiceConfig(workers=3)})
        async with provider.run(graph) as services:
            status = (await services.status()).find_service("Cellar")
            assert status is not None
            assert [worker.slot for worker in status.workers] == [0, 1, 2]
            cellar = services.client(Cellar)
            found = {tuple(await with_options(cellar, routing=slot).identity()) for slot in range(3)}
            assert len(found) == 3

    @on_own_loop
    async def test_context_has_the_whole_configuration(self, provider: Provider) -> None:
        """Workers, labels, namespace, and the service's own settings with their types and nesting."""
        config = ServiceConfig(
            {
                "workers": 2,
                "labels": {"team": "kit"},
                "dynamo": {"namespace": "elsewhere"},
                "settings": {"size": 3, "nested": {"names": ["a", "b"]}},
            }
        )
        async with provider.run(_alone().with_configs({"Stranger": config})) as services:
            told = await services.client(Stranger).describe()
        assert told["workers"] == 2
        assert told["labels"] == {"team": "kit"}
        assert told["namespace"] == "elsewhere"
        assert told["size"] == 3
        assert told["nested"] == ["a", "b"]
        arguments = told["arguments"]
        assert isinstance(arguments, list)
        assert "--size=3" in arguments or arguments[arguments.index("--size") + 1] == "3"

    @needs("deadlines")
    @on_own_loop
    async def test_time_limit_of_a_service_holds(self, provider: Provider, ledger: Ledger) -> None:
        """``traffic.timeout_s`` from configuration, as from the decorator."""
        config = ServiceConfig({"traffic": {"timeout_s": 0.3}})
        async with provider.run(collect(Waiting).with_configs({"Waiting": config})) as services:
            with pytest.raises(CallTimeoutError):
                await services.client(Waiting).wait(str(ledger))

    @on_own_loop
    async def test_limit_of_calls_of_a_service_holds(self, provider: Provider, ledger: Ledger) -> None:
        """``traffic.max_concurrency`` of all endpoints together: the second call waits for the first to go."""
        config = ServiceConfig({"traffic": {"max_concurrency": 1}})
        async with provider.run(collect(Waiting).with_configs({"Waiting": config})) as services:
            first = asyncio.ensure_future(services.client(Waiting).wait(str(ledger)))
            await ledger.wait_for("began")
            second = asyncio.ensure_future(services.client(Waiting).remaining())
            done, _ = await asyncio.wait({second}, timeout=0.3)
            assert not done
            first.cancel()
            assert await second is None
            await asyncio.gather(first, return_exceptions=True)

    @needs("environment")
    @on_own_loop
    async def test_environment_is_inherited_unless_it_is_not_wanted(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All of it, none of it, or what a pattern names; ``envs`` come on top, variables of a run never through."""
        monkeypatch.setenv(INHERITED, "yes")
        monkeypatch.setenv("KIT_OTHER", "yes")
        monkeypatch.setenv("DYNAMO_LOG_LEVEL", "error")
        wanted = {True: {INHERITED, "KIT_OTHER"}, False: set(), ("KIT_IN*",): {INHERITED}}
        for inherit, names in wanted.items():
            config = ServiceConfig({"inherit_env": inherit, "envs": {"KIT_OWN": "$HOME"}})
            async with provider.run(_alone().with_configs({"Stranger": config})) as services:
                variables = await services.client(Stranger).variables()
            assert {INHERITED, "KIT_OTHER"} & variables.keys() == names, inherit
            assert variables["KIT_OWN"] == "$HOME"
            assert "DYNAMO_LOG_LEVEL" not in variables
        assert os.environ[INHERITED] == "yes"

    @needs("environment")
    @on_own_loop
    async def test_secret_is_read_through_the_context(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From the caller's environment."""
        monkeypatch.setenv(SECRET_VARIABLE, "swordfish")
        async with provider.run(collect(Keeper)) as services:
            assert await services.client(Keeper).secret() == "swordfish"

    @needs("http")
    @on_own_loop
    async def test_port_0_is_a_free_one(self, provider: Provider) -> None:
        """And the status says which."""
        graph = collect(Web)
        config = graph.find_service("Web").config.to_data()
        config["http"] = {**config["http"], "port": 0}
        async with provider.run(graph.with_configs({"Web": ServiceConfig.from_data(config)})) as services:
            status = (await services.status()).find_service("Web")
            assert status is not None
            assert status.http_url is not None
            parts = urlsplit(status.http_url)
            assert parts.port not in {None, 0}
            assert parts.hostname == "127.0.0.1"


def _alone() -> ServiceGraph:
    """``Stranger`` without what it depends on."""
    return link(Stranger)
