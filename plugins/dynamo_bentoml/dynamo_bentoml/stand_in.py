"""The class that BentoML gets in place of the user's.

Its instance holds no state, and its methods hand calls to the host around it, where core runs the user's own class.
So endpoints behave the same whichever way a call comes in, and nothing of BentoML's way of calling is needed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import attrs
import bentoml
from bentoml.exceptions import BentoMLException, InternalServerError, InvalidArgument, ServiceUnavailable

from dynamo_bentoml.bento_calls import HostEndpoints
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
    from dynamo_core.host import Host

ROUTES: Final = "/_bentoml/"
"""Where BentoML's own routes of endpoints are."""

FACTS: Final = "__dynamo_facts__"
"""Attribute of a stand-in that says what it stands for."""

_TAKEN: Final = frozenset({"to_async", "to_sync", "bento_service"})


@attrs.define(eq=False)
class StandInFacts:
    """What a stand-in stands for.

    Attributes:
        graph: The graph that the service belongs to; None for a service by itself.
        definition: The service, with its whole configuration.
        host: Runs it, once it has been started in this process.
    """

    graph: ServiceGraph | None
    definition: ServiceDefinition
    host: Host | None = None

    @property
    def endpoints(self) -> HostEndpoints:
        """Runs calls that come in through BentoML's own routes."""
        assert self.host is not None, "BentoML answers no request before the start hooks are done"
        return HostEndpoints(self.host)


def make_stand_in(facts: StandInFacts, more: Mapping[str, Any]) -> type:
    """Make the class.

    Args:
        facts: What it stands for.
        more: Further members.
    """
    definition = facts.definition
    methods = {
        endpoint.name: _make_method(definition.name, endpoint)
        for endpoint in definition.api_endpoints
        if _can_be_offered(endpoint.name)
    }
    namespace: dict[str, Any] = {
        **more,
        **methods,
        "__module__": definition.inner.__module__,
        "__qualname__": definition.inner.__qualname__,
        "__doc__": definition.inner.__doc__,
        FACTS: facts,
    }
    return type(definition.inner.__name__, (), namespace)


def facts_of(service: bentoml.Service[Any]) -> StandInFacts | None:
    """What a BentoML service stands for; None for one that was not made here."""
    return getattr(service.inner, FACTS, None)


def offered_routes(definition: ServiceDefinition) -> frozenset[str]:
    """Paths of BentoML's own routes of a service's endpoints."""
    return frozenset(
        f"{ROUTES}{endpoint.name}" for endpoint in definition.api_endpoints if _can_be_offered(endpoint.name)
    )


def _can_be_offered(name: str) -> bool:
    """Whether BentoML's clients, which have public names of their own, can have an endpoint of that name."""
    return not hasattr(bentoml.AsyncHTTPClient, name) and name not in _TAKEN


def _make_method(service: str, endpoint: EndpointDefinition) -> Any:
    """A method of the stand-in, as BentoML wants it."""
    codec = EndpointCodec(service, endpoint)
    inputs, names = make_input(codec)

    async def call(self: Any, **fields: Any) -> Any:
        from starlette.responses import Response

        try:
            result = await _facts(self).endpoints.call(endpoint.name, _body(codec, names, fields))
        except CallError as exc:
            raise _as_bentoml_has_it(exc) from exc
        return Response(result, media_type="application/json")

    async def stream(self: Any, **fields: Any) -> AsyncIterator[str]:
        items = _facts(self).endpoints.stream(endpoint.name, _body(codec, names, fields))
        try:
            async for item in items:
                yield f"data: {item.decode()}\n\n"
        except CallError as exc:
            raise _as_bentoml_has_it(exc) from exc

    method: Callable[..., Any] = stream if endpoint.kind.is_stream else call
    method.__name__ = endpoint.name
    method.__qualname__ = f"{service}.{endpoint.name}"
    method.__doc__ = endpoint.doc
    route = f"{ROUTES}{endpoint.name}"
    return bentoml.api(route=route, input_spec=inputs, output_spec=make_output(codec))(method)


def _facts(stand_in: Any) -> StandInFacts:
    facts: StandInFacts = getattr(type(stand_in), FACTS)
    return facts


def _body(codec: EndpointCodec, names: Mapping[str, str], fields: Mapping[str, Any]) -> bytes:
    given = {names[field]: value for field, value in fields.items() if value is not MISSING}
    if codec.takes_model_as_body:
        return json.dumps(next(iter(given.values()))).encode() if given else b""
    return json.dumps(given).encode()


def _as_bentoml_has_it(exc: CallError) -> BentoMLException:
    if isinstance(exc, InvalidRequestError):
        return InvalidArgument(str(exc))
    if isinstance(exc, OverloadedError | ServiceUnavailableError):
        return ServiceUnavailable(str(exc))
    if isinstance(exc, CallTimeoutError):
        return BentoMLException(str(exc), error_code=HTTPStatus.GATEWAY_TIMEOUT)
    return InternalServerError(str(exc))
