"""What a graph asks for and this provider does not do, or does in its own way; said before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.provider import ServiceEvent
from dynamo_core.remote import UNIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.provider import BoundGraph


def tell_notices(graph: BoundGraph) -> None:
    """Let everybody know of them."""
    for service in graph.services:
        for text in find_notices(service.definition, service.config):
            graph.emit(ServiceEvent(kind="message", service=service.name, detail=text))


def find_notices(definition: ServiceDefinition, config: ServiceConfig) -> Iterator[str]:
    """One line for each.

    Args:
        definition: The service.
        config: Its whole configuration.
    """
    resources = config.resources
    asked = [name for name, value in (("cpu", resources.cpu), ("memory", resources.memory)) if value]
    if asked:
        yield f"resources.{' and '.join(asked)}: ignored here; they count in a container and in BentoML's cloud"
    if config.http.tls_certificate is None and config.http.tls_key is not None:
        yield "http.tls_key: ignored without http.tls_certificate"
    batchable = [endpoint.name for endpoint in definition.endpoints.values() if endpoint.batchable]
    if batchable:
        yield (
            f"batching of {', '.join(batchable)}: BentoML decides how long a call waits for others "
            "(traffic.max_batch_wait_s is ignored)"
        )
    for edge in definition.dependencies.values():
        if edge.url is not None and not edge.url.startswith(UNIX):
            yield f"{edge.attribute}: called over HTTP at {edge.url}, its @api endpoints only"
