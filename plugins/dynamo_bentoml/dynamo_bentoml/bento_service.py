"""From a graph to BentoML services, through BentoML's public API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.models import BentoModel, HuggingFaceModel

from dynamo_bentoml.bare_host import BareHost
from dynamo_bentoml.bento_config import bento_options
from dynamo_bentoml.bento_image import make_image
from dynamo_bentoml.ingress import CoreIngress
from dynamo_bentoml.stand_in import StandInFacts, make_stand_in

if TYPE_CHECKING:
    from dynamo_core.graph import ServiceGraph


def make_graph_service(
    graph: ServiceGraph, *, on_deployment: Callable[[], None], packed: Sequence[str] = ()
) -> bentoml.Service[Any]:
    """The BentoML service of a graph's entry, with those of everything that it depends on below it.

    Args:
        graph: A checked graph.
        on_deployment: Called by BentoML in the process that is about to serve the graph.
        packed: Folders that an image needs before it installs packages.
    """
    made: dict[str, bentoml.Service[Any]] = {}
    for definition in graph.services:
        below = {
            attribute: made[edge.service_name]
            for attribute, edge in definition.dependencies.items()
            if edge.service_name is not None
        }
        image = make_image(definition.config.image, packed) if definition.name == graph.entry.name else None
        made[definition.name] = make_service(
            StandInFacts(graph, definition), below, image=image, on_deployment=on_deployment
        )
    return made[graph.entry.name]


def make_service(
    facts: StandInFacts,
    below: Mapping[str, bentoml.Service[Any]] = MappingProxyType({}),
    *,
    image: bentoml.images.Image | None = None,
    on_deployment: Callable[[], None] | None = None,
) -> bentoml.Service[Any]:
    """The BentoML service of one service.

    Args:
        facts: What its stand-in stands for.
        below: BentoML services that it depends on, by attribute.
        image: How BentoML builds an image of it; the entry's counts for a whole graph.
        on_deployment: Called by BentoML in the process that is about to serve it.
    """
    bare = BareHost(facts)

    async def start(self: Any) -> None:
        await bare.start()

    async def stop(self: Any) -> None:
        await bare.stop()

    members: dict[str, Any] = {
        **dict.fromkeys(below),  # BentoML looks for what a service depends on; core's host injects it
        **_models_of(facts.definition.inner),
        "dynamo_start": bentoml.on_startup(start),
        "dynamo_stop": bentoml.on_shutdown(stop),
    }
    if on_deployment is not None:
        members["dynamo_on_deployment"] = bentoml.on_deployment(on_deployment)
    stand_in = make_stand_in(facts, members)
    service: bentoml.Service[Any] = bentoml.service(image=image, **bento_options(facts.definition))(stand_in)
    for attribute, other in below.items():
        service.dependencies[attribute] = bentoml.depends(other)
    service.add_asgi_middleware(CoreIngress, facts=facts)
    return service


def _models_of(inner: type) -> dict[str, Any]:
    """Models of BentoML's store that the class names, which a Bento has to hold."""
    return {
        name: value
        for name in dir(inner)
        if isinstance(value := inner.__dict__.get(name), BentoModel | HuggingFaceModel)
    }
