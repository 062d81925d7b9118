"""From a service to a BentoML service, through BentoML's public API.

What BentoML gets is a stand-in of the user's class: its instance holds no state, and its methods hand calls to the
worker around it, where core's host runs the user's own class. So endpoints behave the same whichever way a call
comes in, and nothing of BentoML's way of calling is needed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import bentoml
from bentoml.exceptions import BentoMLException, InternalServerError, InvalidArgument, ServiceUnavailable

from dynamo_bentoml.bento_config import bento_options
from dynamo_bentoml.bento_image import make_image
from dynamo_bentoml.bento_schema import MISSING, make_input, make_output
from dynamo_core.errors import (
    CallError,
    CallTimeoutError,
    InvalidRequestError,
    OverloadedError,
    ServiceUnavailableError,
)
from dynamo_core.values import EndpointCodec

if TYPE_CHECKING:
    from dynamo_core.definition import EndpointDefinition, ServiceDefinition
    from dynamo_core.graph import ServiceGraph

ROUTES: Final = "/_bentoml/"
"""Where BentoML's own routes of endpoints are."""

FACTS: Final = "__dynamo_facts__"
"""Attribute of a stand-in that says what it stands for."""


class Endpoints(Protocol):
    """Runs calls that come in through BentoML's own routes."""

    async def call(self, endpoint: str, body: bytes) -> bytes:
        """Run a call; arguments and result are JSON."""

    def stream(self, endpoint: str, body: bytes) -> AsyncIterator[bytes]:
        """Run a stream; each item is JSON."""


@attrs.define(eq=False)
class StandInFacts:
    """What a stand-in stands for.

    Attributes:
        graph: The graph that the service belongs to; None for a service by itself.
        definition: The service.
        endpoints: Runs its calls; None outside of a worker.
    """

    graph: ServiceGraph | None
    definition: ServiceDefinition
    endpoints: Endpoints | None = None


class NotServedError(BentoMLException):
    """The service was called, or started, outside of a worker that this project started."""


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
    definition = facts.definition
    namespace: dict[str, Any] = {
        "__module__": definition.inner.__module__,
        "__qualname__": definition.inner.__qualname__,
        "__doc__": definition.inner.__doc__,
        "__init__": _refuse_outside_of_workers,
        FACTS: facts,
        **dict.fromkeys(below),  # BentoML looks for what a service depends on; core's host injects it
        **_models_of(definition.inner),
    }
    for endpoint in definition.api_endpoints:
        if _can_be_offered(endpoint.name):
            namespace[endpoint.name] = _make_method(definition.name, endpoint)
    if on_deployment is not None:
        namespace["dynamo_on_deployment"] = bentoml.on_deployment(on_deployment)
    stand_in = type(definition.inner.__name__, (), namespace)
    service: bentoml.Service[Any] = bentoml.service(image=image, **bento_options(definition))(stand_in)
    for attribute, other in below.items():
        service.dependencies[attribute] = bentoml.depends(other)
    return service


def facts_of(service: bentoml.Service[Any]) -> StandInFacts | None:
    """What a BentoML service stands for; None for one that was not made here."""
    return getattr(service.inner, FACTS, None)


def offered_routes(definition: ServiceDefinition) -> frozenset[str]:
    """Paths of BentoML's own routes of a service's endpoints."""
    return frozenset(
        f"{ROUTES}{endpoint.name}" for endpoint in definition.api_endpoints if _can_be_offered(endpoint.name)
    )


def _models_of(inner: type) -> dict[str, Any]:
    """Models of BentoML's store that the class names, which a Bento has to hold."""
    from bentoml.models import BentoModel, HuggingFaceModel

    return {
        name: value
        for name in dir(inner)
        if isinstance(value := inner.__dict__.get(name), BentoModel | HuggingFaceModel)
    }


def _can_be_offered(name: str) -> bool:
    """Whether BentoML's clients, which have public names of their own, can have an endpoint of that name."""
    return not hasattr(bentoml.AsyncHTTPClient, name) and name not in {"to_async", "to_sync", "bento_service"}


def _make_method(service: str, endpoint: EndpointDefinition) -> Any:
    """A method of the stand-in, as BentoML wants it."""
    codec = EndpointCodec(service, endpoint)
    inputs, names = make_input(codec)
    method: Callable[..., Any]

    if endpoint.kind.is_stream:

        async def stream(self: Any, **fields: Any) -> AsyncIterator[str]:
            items = _endpoints_of(self).stream(endpoint.name, _body(codec, names, fields))
            try:
                async for item in items:
                    yield f"data: {item.decode()}\n\n"
            except CallError as exc:
                raise _as_bentoml_has_it(exc) from exc

        method = stream
    else:

        async def call(self: Any, **fields: Any) -> Any:
            from starlette.responses import Response

            try:
                result = await _endpoints_of(self).call(endpoint.name, _body(codec, names, fields))
            except CallError as exc:
                raise _as_bentoml_has_it(exc) from exc
            return Response(result, media_type="application/json")

        method = call
    method.__name__ = endpoint.name
    method.__qualname__ = f"{service}.{endpoint.name}"
    method.__doc__ = endpoint.doc
    return bentoml.api(route=f"{ROUTES}{endpoint.name}", input_spec=inputs, output_spec=make_output(codec))(
        method
    )


def _body(codec: EndpointCodec, names: Mapping[str, str], fields: Mapping[str, Any]) -> bytes:
    given = {names[field]: value for field, value in fields.items() if value is not MISSING}
    if codec.takes_model_as_body:
        return json.dumps(next(iter(given.values()))).encode() if given else b""
    return json.dumps(given).encode()


def _endpoints_of(stand_in: Any) -> Endpoints:
    facts: StandInFacts = getattr(type(stand_in), FACTS)
    if facts.endpoints is None:
        raise NotServedError(_OUTSIDE.format(facts.definition.name))
    return facts.endpoints


_OUTSIDE: Final = (
    "{} is run by worker processes of dynamo-bentoml: serve it with 'bentoml serve' or 'dynamo serve', and test the "
    "class itself with dynamo_core.testing"
)


def _refuse_outside_of_workers(self: Any) -> None:
    facts: StandInFacts = getattr(type(self), FACTS)
    if facts.endpoints is None:
        raise NotServedError(_OUTSIDE.format(facts.definition.name))


def _as_bentoml_has_it(exc: CallError) -> BentoMLException:
    if isinstance(exc, InvalidRequestError):
        return InvalidArgument(str(exc))
    if isinstance(exc, OverloadedError | ServiceUnavailableError):
        return ServiceUnavailable(str(exc))
    if isinstance(exc, CallTimeoutError):
        from http import HTTPStatus

        return BentoMLException(str(exc), error_code=HTTPStatus.GATEWAY_TIMEOUT)
    return InternalServerError(str(exc))
