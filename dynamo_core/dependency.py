"""``depends``: a service's declared need for another service."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, cast, overload
from urllib.parse import urlsplit

from dynamo_core.errors import DeclarationError, Location, UnboundDependencyError

T = TypeVar("T")


class Dependency(Generic[T]):
    """The edge as it stands on the class: itself there, the client on an instance.

    A run puts the client on the instance before ``__init__``; a test may set a fake in the same way:
    ``frontend.backend = FakeBackend()``.

    Attributes:
        on: The class, abstract class or protocol that is needed, or its name where it is defined later.
        url: Base address of a service that runs elsewhere; None when the run provides it.
        location: Where ``depends`` stands.
        attribute: The attribute it was first assigned to; empty until the class exists.
    """

    def __init__(self, on: object, *, url: str | None, location: Location) -> None:
        self.on = on
        self.url = url
        self.location = location
        self.attribute = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = self.attribute or name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Self | T:
        if instance is None:
            return self
        try:
            return cast("T", vars(instance)[self.attribute or self._adopt(type(instance))])
        except KeyError:
            owner = type(instance)
            raise UnboundDependencyError(owner.__name__, self._name_on(owner)) from None

    def __set__(self, instance: object, value: T) -> None:
        if value is not self:  # the default that a dataclass found on the class is no client
            vars(instance)[self.attribute or self._adopt(type(instance))] = value

    def __delete__(self, instance: object) -> None:
        """Take the client or fake off *instance* again; ``monkeypatch.setattr`` needs it."""
        if vars(instance).pop(self.attribute or self._adopt(type(instance)), self) is self:
            raise UnboundDependencyError(type(instance).__name__, self._name_on(type(instance)))

    def _adopt(self, owner: type) -> str:
        """Take the name that *owner* gave after the class was made, when nobody calls ``__set_name__``."""
        self.attribute = self._name_on(owner)
        return self.attribute

    def _name_on(self, owner: type) -> str:
        """The attribute as *owner* has it, which a second assignment may have called differently."""
        names = [name for cls in owner.__mro__ for name, value in vars(cls).items() if value is self]
        return names[0] if names else self.attribute

    def __repr__(self) -> str:
        name = self.on if isinstance(self.on, str) else getattr(self.on, "__qualname__", repr(self.on))
        return f"depends({name})"


@overload
def depends(on: Callable[..., T], /, *, url: str | None = None) -> Dependency[T]: ...
@overload
def depends(on: str, /, *, url: str | None = None) -> Dependency[Any]: ...
def depends(on: Callable[..., T] | str, /, *, url: str | None = None) -> Dependency[T] | Dependency[Any]:
    """Declare that this service needs another one, and get a client for it as this attribute.

    Args:
        on: The service's class; an abstract class or protocol, which ``link`` or the configuration binds to a
            service; or the name of a class of the same module that is defined later.
        url: Base address (``http://host:port``) of a service that this run does not start.

    Raises:
        DeclarationError: *on* is neither a class nor a name, or *url* is no address.
    """
    frame = sys._getframe(1)
    location = Location(frame.f_code.co_filename, frame.f_lineno)
    if not isinstance(on, type | str):
        raise DeclarationError(f"depends() takes a class or the name of one, got {on!r}", location)
    if url is not None and not (isinstance(url, str) and _is_http_address(url)):
        raise DeclarationError(
            f"depends(url=...) takes an http:// or https:// address, got {url!r}", location
        )
    return Dependency(on, url=url, location=location)


def _is_http_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
