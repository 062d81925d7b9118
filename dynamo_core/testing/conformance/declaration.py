"""Binding: what a program gets for what it declares, before anything runs, and that it is run as declared."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from dynamo_core import (
    DynamoConfig,
    ServiceConfig,
    ServiceUnavailableError,
    endpoint,
    link,
    service,
    to_sync,
)
from dynamo_core.definition import EndpointKind
from dynamo_core.errors import ConfigError, EndpointNotFoundError, NotImportableError
from dynamo_core.graph import collect
from dynamo_core.testing.conformance.harness import Conformance, Provider, on_own_loop, with_settings
from dynamo_core.testing.conformance.ledger import Ledger
from dynamo_core.testing.conformance.needs import needs, skip_for
from dynamo_core.testing.conformance.services.chain import Front, Leaf
from dynamo_core.testing.conformance.services.declared import Plain, Renamed, Shop, Warehouse
from dynamo_core.testing.conformance.services.life import Cellar, House


class DeclarationConformance(Conformance):
    """What a program gets from ``create_service`` and ``create_dependency``, and what of it a run shows."""

    entry: ClassVar[type] = Leaf

    def test_bound_service_tells_what_was_declared(self, provider: Provider) -> None:
        """Name, class, configuration and endpoints are those of the class and of the caller."""
        bound = provider.target.create_service(
            Leaf, ServiceConfig({"workers": 3, "envs": {"A": "1"}}), DynamoConfig(namespace="kit")
        )
        assert (bound.name, bound.inner, bound.config.workers) == ("Leaf", Leaf, 3)
        assert bound.envs["A"] == "1"
        assert bound.dynamo_address() == ("kit", "Leaf")
        assert "renamed" in bound.list_endpoints()
        assert "hidden" not in bound.list_endpoints()
        kinds = {name: each.kind for name, each in bound.get_endpoints().items()}
        assert (kinds["echo"], kinds["count"]) == (EndpointKind.UNARY, EndpointKind.STREAM)
        assert (kinds["shout"], kinds["letters"]) == (EndpointKind.SYNC, EndpointKind.SYNC_STREAM)
        with pytest.raises(EndpointNotFoundError):
            bound.get_endpoint("hidden")

    def test_bound_dependency_leads_to_its_service(self, provider: Provider) -> None:
        """It knows its service, and has no client before the run."""
        bound = provider.target.create_service(Leaf)
        dependency = provider.target.create_dependency(bound)
        assert dependency.on is bound
        with pytest.raises(ServiceUnavailableError):
            dependency.get()

    def test_binding_starts_nothing(self, provider: Provider, ledger: Ledger) -> None:
        """No instance is built before the run."""
        config = ServiceConfig({"settings": {"ledger": str(ledger)}})
        bound = provider.target.create_service(Cellar, config)
        provider.target.create_dependency(bound)
        assert ledger.lines() == []

    def test_unknown_option_is_an_error(self, provider: Provider) -> None:
        """Options are the provider's own; a misspelt one is told of."""
        with pytest.raises(ConfigError, match="no_such_option"):
            provider.target.create_service(Leaf, no_such_option=1)

    def test_program_runs_what_it_created(self, provider: Provider) -> None:
        """The blocking form: clients block, the dependency's client works while the run lasts."""
        target = provider.target
        dependency = target.create_dependency(target.create_service(Leaf))
        with target.run_services(**provider.options) as services:
            leaf: Any = services.client(Leaf)  # typed as the class, whose methods do not block
            assert leaf.echo("hello") == "hello"
            assert list(leaf.count(3)) == [0, 1, 2]
            assert leaf.shout("hello") == "HELLO"
            assert to_sync(dependency.get().echo)("hello") == "hello"
            assert services.status().state == "ready"
        with pytest.raises(ServiceUnavailableError):
            dependency.get()

    def test_dependency_gives_an_endpoint_by_name(self, provider: Provider) -> None:
        """``get_endpoint`` goes by the name on the wire."""
        target = provider.target
        dependency = target.create_dependency(target.create_service(Leaf))
        with target.run_services(**provider.options):
            assert to_sync(dependency.get_endpoint("renamed"))() == "renamed"
            with pytest.raises(EndpointNotFoundError):
                dependency.get_endpoint("hidden")

    def test_class_without_decorator(self, provider: Provider) -> None:
        """A program may name a class that is not marked with ``@service``."""
        provider.target.create_service(Plain)
        with provider.target.run_services(**provider.options) as services:
            assert services.client("Plain").echo("hello") == "hello"

    @on_own_loop
    async def test_name_and_defaults_of_the_decorator(self, provider: Provider) -> None:
        """A service is known by the name it was given, and has as many workers as it asks for."""
        async with provider.run(collect(Renamed)) as services:
            assert await services.client(Renamed).echo("hello") == "hello"
            assert await services.client("other-name").echo("hello") == "hello"
            (status,) = (await services.status()).services
            assert (status.name, len(status.workers)) == ("other-name", 2)

    @on_own_loop
    async def test_edge_to_a_protocol_is_bound_by_link(self, provider: Provider) -> None:
        """``link`` says which service stands for a protocol."""
        async with provider.run(link(Shop, Warehouse)) as services:
            assert await services.client(Shop).sell("a chair") == "a chair from the warehouse"

    @on_own_loop
    async def test_edge_that_link_left_out(self, provider: Provider) -> None:
        """What was not chosen does not run, and using it is an error that names it."""
        async with provider.run(link(Front, Leaf)) as services:
            assert [each.name for each in (await services.status()).services] == ["Leaf", "Front"]
            assert await services.client(Front).unary("hello") == "hello"
            with pytest.raises(ServiceUnavailableError, match=r"Front\.middle"):
                await services.client(Front).through_both("hello")

    @on_own_loop
    async def test_settings_keep_their_text(self, provider: Provider) -> None:
        """A service reads its own settings, as text and as what they mean by themselves."""
        async with provider.run(with_settings(collect(House), version="1.10")) as services:
            assert await services.client(Cellar).setting("version") == ["1.10", "'1.10'"]

    @needs("environment")
    @on_own_loop
    async def test_variables_of_a_service(self, provider: Provider) -> None:
        """``envs`` of a service are in the environment of its workers."""
        config = ServiceConfig({"envs": {"KIT_VARIABLE": "$(here) and ${there}"}})
        async with provider.run(collect(House).with_configs({"Cellar": config})) as services:
            assert await services.client(Cellar).variable("KIT_VARIABLE") == "$(here) and ${there}"

    @needs("local_classes")
    @on_own_loop
    async def test_class_inside_a_function_runs(self, provider: Provider) -> None:
        """A provider that says so runs classes that cannot be imported."""

        @service
        class Local:
            @endpoint
            async def echo(self, text: str) -> str:
                return text

        async with provider.run(collect(Local)) as services:
            assert await services.client(Local).echo("hello") == "hello"

    @on_own_loop
    async def test_class_inside_a_function_is_refused_with_the_reason(
        self, provider: Provider, request: pytest.FixtureRequest
    ) -> None:
        """Every other provider refuses it before anything starts, and says why."""
        if provider.manifest.capability("local_classes").level in {"native", "emulated"}:
            skip_for(request.node, "local_classes", f"{provider.name} runs local classes")

        @service
        class Local:
            @endpoint
            async def echo(self, text: str) -> str:
                return text

        with pytest.raises(NotImportableError, match="<locals>"):
            async with provider.run(collect(Local)):
                raise AssertionError("the run was given out")
