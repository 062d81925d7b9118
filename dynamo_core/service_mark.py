"""``@service``: mark a class as a service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import attrs

from dynamo_core.config import ServiceConfig, check_name
from dynamo_core.errors import ConfigError, DeclarationError, Location
from dynamo_core.local_names import names_of_function
from dynamo_core.source_location import locate_class

if TYPE_CHECKING:
    from types import FrameType

    from dynamo_core.config import DynamoConfig, HttpConfig, ResourceConfig, SupervisionConfig, TrafficConfig

C = TypeVar("C", bound=type)

MARK: Final = "__dynamo_service__"


@attrs.frozen(kw_only=True, eq=False)
class ServiceMark:
    """What the decorator was told; kept on the class, read when the graph is collected.

    Attributes:
        name: Name of the service.
        config: The decorator's part of the configuration.
        app: The user's own ASGI application.
        decorated_at: Where the decorator was called.
        local_names: Types of the function around the class, if there is one, for annotations.
    """

    name: str
    config: ServiceConfig
    app: object | None
    decorated_at: Location
    local_names: Mapping[str, object] = attrs.field(factory=dict, repr=False)


def service_mark(cls: type) -> ServiceMark | None:
    """The mark of *cls* itself, not of a base class; None when it has none."""
    mark = vars(cls).get(MARK)
    return mark if isinstance(mark, ServiceMark) else None


def _apply(cls: C, frame: FrameType, name: str | None, app: object | None, fields: Mapping[str, Any]) -> C:
    """Put a mark on *cls* if the options are sound; *frame* is the one of the decorator's call."""
    where = Location(frame.f_code.co_filename, frame.f_lineno)
    if not isinstance(cls, type):
        raise DeclarationError(f"@service marks a class, got {type(cls).__name__}", where)
    given = cls.__name__ if name is None else name
    try:
        check_name(given, what="a service's name")
        if app is not None and not callable(app):
            raise ConfigError(f"app must be an ASGI application, such as FastAPI(), got {type(app).__name__}")
        config = ServiceConfig({key: value for key, value in fields.items() if value is not None})
    except ConfigError as exc:
        told = "; ".join(problem.message for problem in exc.problems)
        raise DeclarationError(f"@service on {cls.__name__}: {told}", locate_class(cls, where)) from exc
    names = names_of_function(frame) if "<locals>" in cls.__qualname__ else {}
    setattr(cls, MARK, ServiceMark(name=given, config=config, app=app, decorated_at=where, local_names=names))
    return cls


@overload
def service(cls: C, /) -> C: ...
@overload
def service(
    *,
    name: str | None = None,
    workers: int | None = None,
    resources: ResourceConfig | Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
    envs: Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
    labels: Mapping[str, str] | None = None,
    dynamo: DynamoConfig | Mapping[str, Any] | None = None,
    http: HttpConfig | Mapping[str, Any] | None = None,
    app: object | None = None,
    traffic: TrafficConfig | Mapping[str, Any] | None = None,
    supervision: SupervisionConfig | Mapping[str, Any] | None = None,
    secrets: Sequence[str] | None = None,
    inherit_env: bool | Sequence[str] | None = None,
    hardening: bool | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Callable[[C], C]: ...
def service(  # noqa: PLR0913  # each option is a keyword of the decorator
    cls: C | None = None,
    /,
    *,
    name: str | None = None,
    workers: int | None = None,
    resources: ResourceConfig | Mapping[str, Any] | None = None,
    image: Mapping[str, Any] | None = None,
    envs: Mapping[str, str] | Sequence[Mapping[str, str]] | None = None,
    labels: Mapping[str, str] | None = None,
    dynamo: DynamoConfig | Mapping[str, Any] | None = None,
    http: HttpConfig | Mapping[str, Any] | None = None,
    app: object | None = None,
    traffic: TrafficConfig | Mapping[str, Any] | None = None,
    supervision: SupervisionConfig | Mapping[str, Any] | None = None,
    secrets: Sequence[str] | None = None,
    inherit_env: bool | Sequence[str] | None = None,
    hardening: bool | None = None,
    settings: Mapping[str, Any] | None = None,
) -> C | Callable[[C], C]:
    """Mark a class as a service; the class itself is returned and stays an ordinary class.

    Every field is a default: the configuration file and the command line may override it.

    Args:
        cls: The class, when used without parentheses.
        name: Name of the service; default is the class's.
        workers: Processes to run, at least 1.
        resources: What each worker needs: ``cpu``, ``memory``, ``gpu``.
        image: How a container image is built, for providers that build one.
        envs: Environment variables of its workers, as a mapping or as a list of ``{"name": ..., "value": ...}``.
        labels: Free texts for providers and operators.
        dynamo: Namespace and registration.
        http: Host, port, CORS, TLS and limits of its HTTP side.
        app: An ASGI application (FastAPI, Starlette) whose routes come before the endpoints'.
        traffic: Timeout, concurrency and queue.
        supervision: Time limits and what happens on failure.
        secrets: Names of the caller's environment variables that only this service gets.
        inherit_env: False, or patterns of names, to narrow what is inherited.
        hardening: Close its workers against debuggers, and let them gain no privileges.
        settings: Defaults of the service's own settings.

    Raises:
        DeclarationError: The name or a field is wrong, or what is marked is no class.
    """
    fields = {
        "workers": workers,
        "resources": resources,
        "image": image,
        "envs": envs,
        "labels": labels,
        "dynamo": dynamo,
        "http": http,
        "traffic": traffic,
        "supervision": supervision,
        "secrets": secrets,
        "inherit_env": inherit_env,
        "hardening": hardening,
        "settings": settings,
    }
    if cls is not None:
        return _apply(cls, sys._getframe(1), name, app, fields)
    return lambda target: _apply(target, sys._getframe(1), name, app, fields)
