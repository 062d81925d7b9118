"""What a graph asks of its provider, and what becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dynamo_core import ServiceConfig, api, depends, endpoint, service
from dynamo_core.errors import UnsupportedOperationError
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.provider.manifest import Manifest, read_manifest
from dynamo_core.provider.usage import describe_losses, find_uses, judge, refuse_unsupported


@service
class Plain:
    @endpoint
    async def echo(self, text: str) -> str:
        return text


@service
class Demanding:
    @api
    async def words(self, text: str) -> AsyncIterator[str]:
        yield text

    @endpoint(batchable=True)
    def double(self, numbers: list[int]) -> list[int]:
        return [number * 2 for number in numbers]

    @endpoint(timeout_s=2)
    async def soon(self) -> None: ...


def configured(**config: object) -> ServiceGraph:
    return collect(Plain).with_configs({"Plain": ServiceConfig(config)})


def capabilities(graph: ServiceGraph) -> set[str]:
    return {use.capability for use in find_uses(graph)}


def manifest(folder: Path, capabilities: str = "") -> Manifest:
    path = folder / "dynamo-provider.toml"
    path.write_text(f'name = "one"\nsummary = "x"\ncontract = ">=1.0"\n[capabilities]\n{capabilities}\n')
    return read_manifest(path)


def test_plain_service_asks_for_nothing() -> None:
    """What every provider does is no capability."""
    assert find_uses(collect(Plain)) == ()


def test_address_of_a_dependency_asks_for_addresses(tmp_path: Path) -> None:
    """Told with the edge and the address; a provider that refuses them refuses the graph."""

    @service
    class Caller:
        far = depends(Demanding, url="http://far.example")

    [use] = [use for use in find_uses(collect(Caller)) if use.capability == "addresses"]
    assert str(use) == "Caller: far is at http://far.example"
    refusing = manifest(tmp_path, 'addresses = { level = "refused", reason = "no network" }')
    with pytest.raises(UnsupportedOperationError, match=r"far\.example: addresses is refused \(no network\)"):
        refuse_unsupported(refusing, collect(Caller))


def test_endpoints_ask_by_how_they_are_declared() -> None:
    """Each with its place."""
    uses = find_uses(collect(Demanding))
    assert {(use.capability, use.where) for use in uses} == {
        ("streams", "Demanding.words"),
        ("flow_control", "Demanding.words"),
        ("http", "Demanding.words"),
        ("batching", "Demanding.double"),
        ("sync_endpoints", "Demanding.double"),
        ("deadlines", "Demanding.soon"),
    }
    assert all(use.location.file == __file__ for use in uses)


@pytest.mark.parametrize(
    ("config", "capability"),
    [
        ({"resources": {"gpu": 0.5}}, "gpu"),
        ({"resources": {"cpu": 2}}, "resources"),
        ({"resources": {"memory": "1Gi"}}, "resources"),
        ({"image": {"base": "x"}}, "images"),
        ({"envs": {"A": "1"}}, "environment"),
        ({"secrets": ["A"]}, "environment"),
        ({"inherit_env": False}, "environment"),
        ({"hardening": True}, "isolation"),
        ({"traffic": {"timeout_s": 1}}, "deadlines"),
        ({"supervision": {"on_failure": "isolate"}}, "on_failure"),
        ({"supervision": {"watchdog_s": 1}}, "watchdog"),
        ({"supervision": {"max_restarts": 3}}, "restart"),
        ({"dynamo": {"enabled": True}}, "registry"),
        ({"dynamo": {"lease_s": 5}}, "registry"),
        ({"dynamo": {"component_type": "main"}}, "registry"),
    ],
)
def test_configuration_asks_too(config: dict[str, object], capability: str) -> None:
    """For one thing each."""
    assert capabilities(configured(**config)) == {capability}


def test_class_inside_a_function_asks_for_local_classes() -> None:
    """With the reason why it cannot be imported."""

    @service
    class Local:
        @endpoint
        async def echo(self, text: str) -> str:
            return text

    (use,) = find_uses(collect(Local))
    assert use.capability == "local_classes"
    assert "inside a function" in use.what


def test_losses_are_what_is_ignored_or_refused(tmp_path: Path) -> None:
    """What is not stated counts as refused; the manifest's reason is told."""
    stated = 'environment = "native"\ngpu = { level = "ignored", reason = "there is none" }\n'
    graph = configured(envs={"A": "1"}, resources={"gpu": 1, "cpu": 1})
    assert describe_losses(judge(manifest(tmp_path, stated), find_uses(graph))) == [
        "Plain: resources.gpu=1: gpu is ignored (there is none)",
        "Plain: resources.cpu=1: resources is refused (not stated in its manifest)",
    ]


def test_what_is_said_to_be_refused_is_refused(tmp_path: Path) -> None:
    """What is not stated, or only ignored, is left to the provider."""
    graph = configured(resources={"gpu": 1, "cpu": 1})
    refuse_unsupported(manifest(tmp_path), graph)
    refuse_unsupported(manifest(tmp_path, 'gpu = "ignored"'), graph)
    with pytest.raises(UnsupportedOperationError, match="gpu is refused"):
        refuse_unsupported(manifest(tmp_path, 'gpu = "refused"\nresources = "native"'), graph)
