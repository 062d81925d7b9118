"""Graphs of what a program creates one by one."""

from __future__ import annotations

from typing import Protocol

from dynamo_core import ServiceConfig, depends, endpoint
from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.inspection import define_service
from dynamo_core.provider.declared import graph_of


class Store(Protocol):
    async def read(self, key: str) -> str: ...


class Memory:
    @endpoint
    async def read(self, key: str) -> str:
        return f"memory {key}"


class Middle:
    store = depends(Store)

    @endpoint
    async def read(self, key: str) -> str:
        return f"middle {await self.store.read(key)}"


class Frontend:
    middle = depends(Middle)

    @endpoint
    async def read(self, key: str) -> str:
        return await self.middle.read(key)


async def test_services_created_before_what_they_depend_on_reach_it() -> None:
    """Their edges are bound once the run begins, and they see that."""
    provider = InProcessDeploymentTarget()
    frontend = provider.create_service(Frontend, ServiceConfig({"workers": 1}))
    assert frontend.definition.dependencies["middle"].service_name is None
    provider.create_service(Memory)
    async with provider.run_services() as services:
        assert await services.client(Frontend).read("a") == "middle memory a"
    assert frontend.definition.dependencies["middle"].service_name == "Middle"


def test_entry_is_the_last_one_that_nothing_depends_on() -> None:
    """Also where an edge names a protocol that another one implements."""
    for created in (
        [Memory, Frontend],
        [Frontend, Memory],
        [Middle, Memory, Frontend],
        [Frontend, Memory, Middle],
    ):
        graph = graph_of([define_service(cls) for cls in created])
        assert (graph.name, graph.entry.inner) == ("Frontend", Frontend)
        assert {each.name for each in graph.services} == {"Memory", "Middle", "Frontend"}
