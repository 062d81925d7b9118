"""Making clients: a class for each service, made once, and cheap instances of it."""

from __future__ import annotations

import inspect
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.client.link import LINK, ClientLink
from dynamo_core.client.methods import ClientEndpoint
from dynamo_core.errors import ServiceUnavailableError

if TYPE_CHECKING:
    import asyncio

    from dynamo_core.channel import Channel
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition

DEFINITION: Final = "__dynamo_definition__"
"""Attribute of a client class that holds its service's definition."""

_classes: weakref.WeakValueDictionary[tuple[int, type], type] = weakref.WeakValueDictionary()
_lock: Final = threading.Lock()


class _Client:
    """Root of client classes; it has no public names, so that no endpoint can clash with one."""

    __slots__ = (LINK, "__weakref__")

    def __init__(self, link: ClientLink) -> None:
        setattr(self, LINK, link)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_missing_attribute(self, name), name=name, obj=self)

    def __setattr__(self, name: str, value: object) -> None:
        if name != LINK:
            raise AttributeError(
                f"a client's attributes cannot be set, and {name!r} was; to call something else in a test, "
                "set a fake on the service instead of the client"
            )
        object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        definition: ServiceDefinition = getattr(type(self), DEFINITION)
        return sorted(endpoint.attribute for endpoint in definition.endpoints.values())

    def __reduce__(self) -> str:
        raise TypeError("a client cannot be pickled or copied: it belongs to one run and one event loop")

    def __repr__(self) -> str:
        link: ClientLink = getattr(self, LINK)
        given = [
            f"{name}={value!r}"
            for name, value in (
                ("timeout_s", link.timeout_s),
                ("routing", link.routing),
                ("metadata", dict(link.metadata) or None),
            )
            if value is not None
        ]
        options = f" with {', '.join(given)}" if given else ""
        names = ", ".join(dir(self)) or "none"
        return f"<client of service {link.definition.name!r}{options}; endpoints: {names}>"


def make_client(
    inner: type, definition: ServiceDefinition, channel: Channel, loop: asyncio.AbstractEventLoop
) -> Any:  # behaves as *inner*
    """Make a client: an object with the endpoints of *inner* and no other public names.

    It may be used from any thread and any event loop; calls are carried on *loop*.

    Args:
        inner: The user's class, as ``depends`` names it; for names and messages.
        definition: The service that is called.
        channel: Carries the calls; stays with whoever made it.
        loop: The event loop of the channel.
    """
    return _client_class(inner, definition)(ClientLink(definition=definition, channel=channel, loop=loop))


def missing_client(
    dependency: DependencyDefinition, reason: str
) -> Any:  # no type: nothing can be done with it
    """Make what stands for an edge that leads nowhere: using it raises ``ServiceUnavailableError``.

    Args:
        dependency: The edge.
        reason: Why it leads nowhere.
    """
    return _MissingClient(getattr(dependency.on, "__name__", str(dependency.on)), reason)


class _MissingClient:
    __slots__ = ("__dynamo_reason__", "__dynamo_service__")

    def __init__(self, service: str, reason: str) -> None:
        self.__dynamo_service__ = service
        self.__dynamo_reason__ = reason

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        raise ServiceUnavailableError(self.__dynamo_service__, self.__dynamo_reason__)

    def __repr__(self) -> str:
        return f"<no client of service {self.__dynamo_service__!r}: {self.__dynamo_reason__}>"


def _client_class(inner: type, definition: ServiceDefinition) -> type:
    key = (id(definition), inner)  # the class keeps its definition, so that the number stays its own
    with _lock:
        made = _classes.get(key)
        if made is None:
            made = _classes[key] = _make_class(inner, definition)
        return made


def _make_class(inner: type, definition: ServiceDefinition) -> type:
    namespace: dict[str, Any] = {
        "__slots__": (),
        "__module__": inner.__module__,
        "__doc__": inner.__doc__,
        DEFINITION: definition,
    }
    for endpoint in definition.endpoints.values():
        namespace[endpoint.attribute] = ClientEndpoint(definition, endpoint, inner).method
    return type(f"{inner.__name__}Client", (_Client,), namespace)


def _missing_attribute(client: object, name: str) -> str:
    definition: ServiceDefinition = getattr(type(client), DEFINITION)
    names = ", ".join(dir(client)) or "none"
    if callable(inspect.getattr_static(definition.inner, name, None)):
        return (
            f"{definition.name}.{name} is a plain method, and only endpoints can be called from another service: "
            f"mark it with @endpoint; endpoints: {names}"
        )
    if hasattr(definition.inner, name):
        return f"{definition.name}.{name} is no endpoint, and a client has only those: {names}"
    return f"service {definition.name!r} has no endpoint {name!r}; it has: {names}"
