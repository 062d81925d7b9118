"""``DeploymentTarget`` as programs use it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from dynamo_core.errors import (
    ConfigError,
    ContractMismatchError,
    DynamoError,
    GraphError,
    HookError,
    ServiceNotFoundError,
)

from .fake_provider import Echo, FakeRunning, FakeTarget, define, graph
from .fake_site import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fake_site import FakeSite


@attrs.frozen(kw_only=True)
class DynamoConfig:
    namespace: str = "default"
    name: str | None = None


@attrs.frozen(kw_only=True, init=False)
class ServiceConfig:
    workers: int = 1
    dynamo: DynamoConfig = DynamoConfig()
    envs: Any = attrs.field(factory=dict)

    def __init__(self, values: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        given = {**(values or {}), **fields}
        if isinstance(given.get("dynamo"), dict):
            given["dynamo"] = DynamoConfig(**given["dynamo"])
        self.__attrs_init__(**given)  # type: ignore[attr-defined]  # attrs makes it


class Front:
    """A service besides."""


@pytest.fixture(autouse=True)
def declarations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Definitions without the machinery that reads declarations: these tests are about what is done with them."""
    declared: Any = ModuleType("dynamo_core.provider.declared")
    declared.define = lambda cls: attrs.evolve(define(cls), config=ServiceConfig(workers=3))
    declared.graph_of = lambda created: graph(*created)
    config: Any = ModuleType("dynamo_core.config")
    config.ServiceConfig, config.DynamoConfig = ServiceConfig, DynamoConfig
    monkeypatch.setitem(sys.modules, declared.__name__, declared)
    monkeypatch.setitem(sys.modules, config.__name__, config)
    monkeypatch.setenv("DYNAMO_DISABLE_PLUGINS", "all")


def test_program_of_the_design_runs() -> None:
    """One service with its configuration and options, one way to it, and a plain block."""
    provider = FakeTarget()
    config: Any = ServiceConfig({"workers": 1})
    dynamo: Any = DynamoConfig(namespace="inference")
    service = provider.create_service(Echo, config, dynamo, color="blue")
    assert (service.config.workers, service.dynamo_address()) == (1, ("inference", "Echo"))
    dependency = provider.create_dependency(service)
    assert dependency.on is service
    with provider.run_services(color="blue") as running:
        assert running.client(Echo).echo("hello") == "hello"  # type: ignore[comparison-overlap]  # it blocks here
    assert provider.given.asked == [
        ("create_service", "Echo", "blue"),
        ("create_dependency", "", "Echo"),
        ("start", "Echo", "blue"),
        ("end",),
    ]


async def test_async_form_runs_what_was_created() -> None:
    """All of it, and again when asked again."""
    provider = FakeTarget()
    provider.create_service(Echo)
    provider.create_service(Front)
    for _ in range(2):
        async with provider.run_services() as running:
            assert isinstance(running, FakeRunning)
    assert [asked for asked in provider.given.asked if asked[0] == "create_service"] == [
        ("create_service", "Echo", "red"),
        ("create_service", "Front", "red"),
    ]


def test_without_config_the_decorator_counts() -> None:
    """And ``dynamo_config`` is put on top of it."""
    dynamo: Any = DynamoConfig(namespace="n")
    service = FakeTarget().create_service(Echo, None, dynamo)
    assert (service.config.workers, service.config.dynamo.namespace) == (3, "n")


@pytest.mark.parametrize("config", [{"workers": 2}, ServiceConfig(workers=2)])
def test_config_may_be_a_mapping(config: Any) -> None:
    """Both forms are the same."""
    assert FakeTarget().create_service(Echo, config).config.workers == 2


def test_dynamo_given_twice_is_an_error() -> None:
    """Nobody could say which counts."""
    with pytest.raises(ConfigError, match=r"services\.Echo\.dynamo is given twice"):
        FakeTarget().create_service(Echo, {"dynamo": {"namespace": "a"}}, {"namespace": "b"})


def test_unknown_option_is_refused_by_every_call() -> None:
    """Before any hook is called."""
    provider = FakeTarget()
    for call in (
        lambda **o: provider.create_service(Echo, **o),
        provider.create_dependency,
        provider.run_services,
    ):
        with pytest.raises(ConfigError, match="did you mean 'color'"):
            call(colour="red")
    assert provider.given.asked == []


def test_service_created_twice_is_refused() -> None:
    """Names are unique in a graph."""
    provider = FakeTarget()
    provider.create_service(Echo)
    with pytest.raises(GraphError, match="'Echo' was created already"):
        provider.create_service(Echo)


def test_dependency_needs_to_know_where_it_leads() -> None:
    """The class will do, and nothing at all where there is only one."""
    provider = FakeTarget()
    with pytest.raises(DynamoError, match="there are 0: none"):
        provider.create_dependency()
    service = provider.create_service(Echo)
    assert provider.create_dependency().on is service
    assert provider.create_dependency(Echo).on is service
    with pytest.raises(ServiceNotFoundError, match="Front"):
        provider.create_dependency(Front)
    provider.create_service(Front)
    with pytest.raises(DynamoError, match="there are 2: Echo, Front"):
        provider.create_dependency()


def test_nothing_to_run_is_an_error() -> None:
    """On entering, before anything starts."""
    with pytest.raises(DynamoError, match="call create_service"), FakeTarget().run_services():
        pass


def test_hook_that_does_not_fit_is_found_at_the_first_call() -> None:
    """A provider that a program builds itself is checked like one that was chosen."""
    provider = FakeTarget()
    provider.given = object()  # type: ignore[assignment]  # what is tested
    with pytest.raises(HookError, match="create_service"):
        provider.create_service(Echo)


def test_contract_of_a_provider_built_by_the_program_is_checked(site: FakeSite) -> None:
    """By the manifest beside its module."""
    site.add_provider("newer", PROVIDER, contract=">=2")
    import dynamo_newer  # type: ignore[import-not-found]  # made by this test

    provider = dynamo_newer.Target()
    assert provider.name == "newer"
    with pytest.raises(ContractMismatchError):
        provider.create_service(Echo)
