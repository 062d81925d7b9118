"""A graph whose services and edges are bound to one provider."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import ServiceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dynamo_core.provider.events import ServiceEvent
    from dynamo_core.provider.interfaces import DependencyInterface, ServiceInterface
    from dynamo_core.provider.status import LogLine


def _read_only(
    values: Mapping[str, Mapping[str, DependencyInterface]],
) -> Mapping[str, Mapping[str, DependencyInterface]]:
    return MappingProxyType({name: MappingProxyType(dict(edges)) for name, edges in values.items()})


@attrs.frozen(kw_only=True, eq=False)
class BoundGraph:
    """What a provider is asked to run.

    Attributes:
        name: The graph's name.
        entry: The service that the graph was named by.
        services: All of them, dependencies first: the order to start in; stop in reverse.
        dependencies: Bound edges, by service name and then by attribute.
        emit: Tell everybody of an event: core's own display, and every extension. Never raises; call it from any
            thread of the process that called ``run_services`` or ``serve_services``.
        show_lines: Takes lines that workers wrote, some of one worker at a time, to show them to people; likewise
            from any thread, and it never waits. None where nobody does it for the provider.
    """

    name: str
    entry: ServiceInterface
    services: tuple[ServiceInterface, ...]
    dependencies: Mapping[str, Mapping[str, DependencyInterface]] = attrs.field(
        factory=dict, converter=_read_only
    )
    emit: Callable[[ServiceEvent], None]
    show_lines: Callable[[Sequence[LogLine]], None] | None = None

    def find_service(self, service: type | str) -> ServiceInterface:
        """The service of that class or name.

        Raises:
            ServiceNotFoundError: The graph has none.
        """
        for bound in self.services:
            if service in {bound.name, bound.inner}:
                return bound
        wanted = service if isinstance(service, str) else service.__qualname__
        raise ServiceNotFoundError(wanted, known=[bound.name for bound in self.services])
