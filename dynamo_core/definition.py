"""What a declaration means, worked out: services, endpoints, dependencies as plain frozen records.

The decorators (:mod:`dynamo_core.service_mark`, :mod:`dynamo_core.endpoint_mark`, ...) only mark the user's objects.
:mod:`dynamo_core.inspection` reads the marks and makes the records of this module, which everything else uses.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.errors import Location

if TYPE_CHECKING:
    from dynamo_core.config import ServiceConfig
    from dynamo_core.import_target import ImportTarget


class EndpointKind(enum.Enum):
    """How an endpoint's method is written, and so how it is called on every provider."""

    UNARY = "unary"
    """``async def``: called as an awaitable."""
    STREAM = "stream"
    """Async generator: called as an async iterator."""
    SYNC = "sync"
    """``def``: runs in a thread; blocks a caller that is itself in a thread."""
    SYNC_STREAM = "sync_stream"
    """Generator: runs in a thread; a blocking iterator for a caller that is itself in a thread."""

    @property
    def is_stream(self) -> bool:
        """Whether a call gives many items instead of one result."""
        return self in {EndpointKind.STREAM, EndpointKind.SYNC_STREAM}

    @property
    def is_sync(self) -> bool:
        """Whether the method runs in a thread."""
        return self in {EndpointKind.SYNC, EndpointKind.SYNC_STREAM}


class _Required(enum.Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
"""Default of a parameter that has none."""


@attrs.frozen(kw_only=True)
class ParameterDefinition:
    """One parameter of an endpoint.

    Attributes:
        name: As the method has it; also its name on the wire and in a JSON body.
        annotation: The resolved type.
        default: The default, or ``REQUIRED``.
        keyword_only: True when it stands after ``*``.
    """

    name: str
    annotation: Any  # a type form: no static type describes those
    default: object = REQUIRED
    keyword_only: bool = False

    @property
    def is_required(self) -> bool:
        """Whether a call must give it."""
        return self.default is REQUIRED


@attrs.frozen(kw_only=True)
class ApiRoute:
    """How HTTP reaches an ``@api`` endpoint.

    Attributes:
        method: GET, POST, PUT, PATCH or DELETE.
        path: Path from the root, such as ``/generate``.
    """

    method: str
    path: str


@attrs.frozen(kw_only=True)
class EndpointDefinition:
    """One callable method of a service.

    Attributes:
        name: Name on the wire, unique in its service.
        attribute: Name of the Python method.
        kind: How it is written and called.
        parameters: In signature order, without ``self``.
        result: Resolved type of the result, or of one item of a stream.
        idempotent: Whether a call may be made again after its worker was lost.
        batchable: Whether a provider may join calls into a batch.
        timeout_s: Seconds a call may take when its caller gives none; None for no limit.
        max_concurrency: Calls of it that one worker runs at once; None for the service's limit.
        api: Its HTTP route; None when HTTP does not reach it.
        location: Where it is declared.
        doc: Its docstring, or an empty text.
    """

    name: str
    attribute: str
    kind: EndpointKind
    parameters: tuple[ParameterDefinition, ...] = ()
    result: Any = Any  # a type form
    idempotent: bool = False
    batchable: bool = False
    timeout_s: float | None = None
    max_concurrency: int | None = None
    api: ApiRoute | None = None
    location: Location = Location("<unknown>", 0)
    doc: str = ""


@attrs.frozen(kw_only=True)
class DependencyDefinition:
    """One edge of the graph, as its owner declares it.

    Attributes:
        attribute: Attribute of the owner that becomes the client.
        on: The class named by ``depends``, concrete, abstract or a protocol.
        location: Where ``depends`` stands.
        service_name: Service it is bound to; None while unbound, or when ``link`` left the edge out.
        url: Address of a service that runs elsewhere: ``http://`` or ``https://``, or ``unix:/path`` of a worker's
            socket; None otherwise.
        remote_name: Name of the service at *url*; None when it is that of *on*.
    """

    attribute: str
    on: type
    location: Location
    service_name: str | None = None
    url: str | None = None
    remote_name: str | None = None


@attrs.frozen(kw_only=True)
class LifecycleHooks:
    """Names of the methods marked as life-cycle hooks, in declaration order."""

    on_start: tuple[str, ...] = ()
    async_on_start: tuple[str, ...] = ()
    on_shutdown: tuple[str, ...] = ()
    liveness: tuple[str, ...] = ()
    readiness: tuple[str, ...] = ()


def _read_only(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(values))


@attrs.frozen(kw_only=True, eq=False)
class ServiceDefinition:
    """One service: a class whose endpoints can be called.

    Attributes:
        name: Unique in its graph.
        inner: The user's class.
        config: What the decorator says, with later sources merged in once a run begins.
        endpoints: By name, in declaration order.
        dependencies: By attribute, in declaration order.
        hooks: Its life-cycle hooks.
        context_attributes: Attributes annotated with ``ServiceContext``.
        app: The user's own ASGI application for HTTP; None for none.
        location: Where the class is declared.
        target: How another process imports the class.
        is_abstract: Whether the class is a protocol or has abstract methods, so that it cannot be run.
    """

    name: str
    inner: type
    config: ServiceConfig
    endpoints: Mapping[str, EndpointDefinition] = attrs.field(converter=_read_only)
    dependencies: Mapping[str, DependencyDefinition] = attrs.field(converter=_read_only)
    hooks: LifecycleHooks = LifecycleHooks()
    context_attributes: tuple[str, ...] = ()
    app: object | None = None
    location: Location
    target: ImportTarget
    is_abstract: bool = False

    @property
    def api_endpoints(self) -> tuple[EndpointDefinition, ...]:
        """The endpoints that HTTP reaches."""
        return tuple(endpoint for endpoint in self.endpoints.values() if endpoint.api is not None)

    @property
    def serves_http(self) -> bool:
        """Whether the service listens for HTTP."""
        return bool(self.api_endpoints) or self.app is not None
