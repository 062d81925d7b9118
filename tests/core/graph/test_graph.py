"""Graphs as they are collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from dynamo_core import ServiceConfig, ServiceGraph, depends, endpoint, service
from dynamo_core.errors import GraphError, ServiceNotFoundError
from dynamo_core.graph import collect, collect_graph
from dynamo_core.inspection import define_service

if TYPE_CHECKING:
    from dynamo_core.definition import ServiceDefinition


class Store:
    @endpoint
    async def read(self) -> str:
        return "a"


@service(workers=2)
class Backend:
    store = depends(Store)


class Middle:
    backend = depends(Backend)
    store = depends(Store)

    @endpoint
    async def run(self) -> None: ...


@service(name="Entry")
class Frontend:
    store = depends(Store)
    middle = depends(Middle)
    elsewhere = depends("Public", url="https://example.org/api")


class Public:
    @endpoint
    async def run(self) -> None: ...


def names(services: tuple[ServiceDefinition, ...]) -> list[str]:
    return [definition.name for definition in services]


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> ServiceGraph:
    """The graph of ``Frontend``."""
    from dynamo_core import api

    class Public:
        @api
        async def run(self) -> None: ...

    monkeypatch.setitem(globals(), "Public", Public)
    return collect(Frontend)


def test_services_stand_after_what_they_depend_on(graph: ServiceGraph) -> None:
    """Each once, however many depend on it; what is reached at an address is no part of it."""
    assert names(graph.services) == ["Store", "Backend", "Middle", "Entry"]
    assert graph.all_services == graph.services
    assert graph.name == "Entry"
    assert graph.entry is graph.services[-1]


def test_edges_are_bound_by_name(graph: ServiceGraph) -> None:
    """Those that lead to an address stay as they are."""
    edges = graph.entry.dependencies
    assert {name: edge.service_name for name, edge in edges.items()} == {
        "store": "Store",
        "middle": "Middle",
        "elsewhere": None,
    }
    assert edges["elsewhere"].url == "https://example.org/api"


def test_service_is_found_by_class_and_by_name(graph: ServiceGraph) -> None:
    """A wrong one is told with what there is."""
    assert graph.find_service("Backend") is graph.find_service(Backend)
    with pytest.raises(ServiceNotFoundError, match="Backnd") as caught:
        graph.find_service("Backnd")
    assert set(caught.value.known) == {"Store", "Backend", "Middle", "Entry"}
    with pytest.raises(ServiceNotFoundError, match="Public"):
        graph.find_service(Public)


def test_other_configs_make_another_graph(graph: ServiceGraph) -> None:
    """The entry is among the services still; nothing else changes."""
    changed = graph.with_configs({"Entry": ServiceConfig(workers=5), "Store": ServiceConfig(workers=4)})
    assert [each.config.workers for each in changed.services] == [4, 2, 1, 5]
    assert changed.entry is changed.services[-1]
    assert [each.config.workers for each in graph.services] == [1, 2, 1, 1]
    with pytest.raises(ServiceNotFoundError, match="Nothing"):
        graph.with_configs({"Nothing": ServiceConfig()})


def test_graph_shows_names_only(graph: ServiceGraph) -> None:
    """Its definitions are long."""
    assert repr(graph) == (
        "ServiceGraph(name='Entry', entry='Entry', services=['Store', 'Backend', 'Middle', 'Entry'])"
    )


def test_given_definition_stands_for_its_class() -> None:
    """As when a program creates services with configurations of its own."""
    store = attrs.evolve(define_service(Store), config=ServiceConfig(workers=7))
    backend = define_service(Backend)
    graph = collect_graph([store, backend], entry=backend)
    assert [each.config.workers for each in graph.services] == [7, 2]
    assert graph.entry.inner is Backend


def test_roots_need_not_depend_on_each_other() -> None:
    """They run beside each other."""
    store, public = define_service(Store), define_service(Public)
    graph = collect_graph([public, store], entry=store)
    assert names(graph.services) == ["Public", "Store"]
    assert graph.name == "Store"


def test_two_given_services_of_one_name_are_refused() -> None:
    """As in any other graph."""
    first = attrs.evolve(define_service(Store), name="Same")
    second = attrs.evolve(define_service(Public), name="Same")
    with pytest.raises(GraphError, match="two services are named 'Same', Public here and Store at"):
        collect_graph([first, second], entry=first)


def test_classes_are_not_changed(graph: ServiceGraph) -> None:
    """Collecting only reads."""
    before = dict(vars(Frontend))
    collect(Frontend)
    assert dict(vars(Frontend)) == before
    assert graph.entry.inner is Frontend
