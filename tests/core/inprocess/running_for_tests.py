"""Runs of small graphs, with what was told of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.provider.binding import run_graph

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from dynamo_core.inprocess.running import InProcessServices
    from dynamo_core.provider import ServiceEvent


@attrs.define
class Told:
    """Remembers events."""

    events: list[ServiceEvent] = attrs.field(factory=list)

    def __call__(self, event: ServiceEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """Kind and service of each event that is about a whole service."""
        return [(event.kind, event.service) for event in self.events if event.slot is None]


@contextlib.asynccontextmanager
async def running(
    graph: type | ServiceGraph, *listeners: Callable[[ServiceEvent], None], **options: Any
) -> AsyncIterator[InProcessServices]:
    """Run a graph with this provider, without HTTP if not asked for."""
    found = graph if isinstance(graph, ServiceGraph) else collect(graph)
    target = InProcessDeploymentTarget()
    given = {"http": False, **options}
    async with run_graph(target, found, options=given, listeners=listeners) as services:
        yield services
