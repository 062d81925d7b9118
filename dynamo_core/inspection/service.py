"""From a class to a service: its endpoints, dependencies, hooks and context, found through its base classes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core import endpoint_mark, lifecycle
from dynamo_core.config import ServiceConfig, check_name
from dynamo_core.definition import EndpointDefinition, LifecycleHooks, ServiceDefinition
from dynamo_core.dependency import Dependency
from dynamo_core.errors import ConfigError, DeclarationError
from dynamo_core.import_target import ImportTarget
from dynamo_core.inspection.annotations import class_scope
from dynamo_core.inspection.context import find_context_attributes
from dynamo_core.inspection.dependency import read_dependency
from dynamo_core.inspection.endpoint import read_endpoint
from dynamo_core.inspection.members import (
    Member,
    Method,
    find_hidden_function,
    find_mark,
    find_members,
    is_protocol,
    short_name,
)
from dynamo_core.inspection.problems import Problems
from dynamo_core.service_mark import service_mark
from dynamo_core.source_location import locate_class, locate_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.errors import Location
    from dynamo_core.inspection.annotations import Scope

_HOOK_KINDS: Final = tuple(field.name for field in attrs.fields(LifecycleHooks))


NO_SERVICE: Final = "it has neither @service nor a method marked with @endpoint or @api"


def define_service(cls: type) -> ServiceDefinition:
    """Read what a class declares, with or without ``@service``.

    The service's dependencies are not looked at: whether they can be had is known once the graph is collected.

    Raises:
        DeclarationError: It is no class.
        GraphError: The declarations have mistakes; all of them are in it.
    """
    if not isinstance(cls, type):
        raise DeclarationError(f"wanted the class of a service, got {cls!r}")
    problems = Problems()
    definition = inspect_service(cls, problems)
    if not is_service(cls):
        problems.add(f"{short_name(cls)} is no service: {NO_SERVICE}", definition.location)
    problems.raise_any(definition.name)
    return definition


def is_service(cls: type) -> bool:
    """Whether *cls* means to be a service, sound or not: marked as one, or with an endpoint."""
    if service_mark(cls) is not None:
        return True
    members = list(find_members(cls))
    return any(find_mark(cls, member.attribute, endpoint_mark.MARK) for member in members) or (
        is_abstract(cls) and any(_is_asked(member) for member in members)
    )


def has_api(cls: type) -> bool:
    """Whether *cls* has a method marked with ``@api``, sound or not."""
    marks = (find_mark(cls, member.attribute, endpoint_mark.MARK) for member in find_members(cls))
    return any(mark is not None and mark.is_api for mark in marks)


def is_abstract(cls: type) -> bool:
    """Whether *cls* is a protocol or has methods to be implemented, so that it cannot be run."""
    return is_protocol(cls) or inspect.isabstract(cls)


def service_name(cls: type) -> str:
    """The name of *cls* as a service: that of its mark, or its own."""
    mark = service_mark(cls)
    return cls.__name__ if mark is None else mark.name


def inspect_service(cls: type, problems: Problems) -> ServiceDefinition:
    """Read what a class declares, leaving out what has mistakes.

    Args:
        cls: The class.
        problems: Takes in the mistakes, each with its place.
    """
    return _Inspection(cls, problems).finish()


class _Inspection:
    def __init__(self, cls: type, problems: Problems) -> None:
        self._cls = cls
        self._problems = problems
        self._mark = service_mark(cls)
        self._members = list(find_members(cls))
        self._location = locate_class(cls, None if self._mark is None else self._mark.decorated_at)
        self._is_abstract = is_abstract(cls)

    def finish(self) -> ServiceDefinition:
        endpoints = self._read_endpoints()
        self._check_names(endpoints)
        self._check_routes(endpoints)
        dependencies = self._read_dependencies()
        if not self._is_abstract:
            self._check_construction(has_clients=bool(dependencies))
        return ServiceDefinition(
            name=self._find_name(),
            inner=self._cls,
            config=ServiceConfig() if self._mark is None else self._mark.config,
            endpoints={endpoint.name: endpoint for endpoint in endpoints},
            dependencies=dependencies,
            hooks=self._read_hooks(),
            context_attributes=find_context_attributes(self._cls, self._scope),
            app=None if self._mark is None else self._mark.app,
            location=self._location,
            target=ImportTarget.of(self._cls),
            is_abstract=self._is_abstract,
        )

    def _find_name(self) -> str:
        if self._mark is not None:
            return self._mark.name
        name = self._cls.__name__
        try:
            return check_name(name, what="a service's name")
        except ConfigError as exc:
            self._problems.add(
                f"{exc}; give {short_name(self._cls)} another with @service(name=...)", self._location
            )
            return name

    def _scope(self, owner: type) -> Scope:
        names: dict[str, object] = {}
        for cls in (self._cls, owner):
            mark = service_mark(cls)
            if mark is not None:
                names.update(mark.local_names)
        return class_scope(owner, names, seen_from=self._cls)

    # --- endpoints ---

    def _read_endpoints(self) -> list[EndpointDefinition]:
        endpoints = []
        for member in self._members:
            mark = find_mark(self._cls, member.attribute, endpoint_mark.MARK)
            if mark is None:
                self._check_hidden(member)
            else:
                endpoints.append(self._read_endpoint(member, mark))
        if not endpoints and self._is_abstract:
            endpoints = [self._read_endpoint(member, None) for member in self._members if _is_asked(member)]
        return [endpoint for endpoint in endpoints if endpoint is not None]

    def _read_endpoint(
        self, member: Member, mark: endpoint_mark.EndpointMark | None
    ) -> EndpointDefinition | None:
        method = Method(member.attribute, member.value, member.owner)  # type: ignore[arg-type]  # a function by its mark
        scope = self._scope(member.owner)
        if mark is not None:
            scope = scope.with_names(mark.local_names)
        return read_endpoint(method, mark, scope=scope, problems=self._problems)

    def _check_hidden(self, member: Member) -> None:
        for mark, name in ((endpoint_mark.MARK, "an endpoint"), (lifecycle.MARK, "a life-cycle hook")):
            hidden = find_hidden_function(member.value, mark)
            if hidden is not None:
                self._problems.add(
                    f"{short_name(member.owner)}.{member.attribute} is marked as {name} and then made a "
                    f"{type(member.value).__name__} by another decorator: {name} is a plain method",
                    locate_function(hidden),
                )

    def _check_names(self, endpoints: list[EndpointDefinition]) -> None:
        first: dict[str, EndpointDefinition] = {}
        for endpoint in endpoints:
            other = first.setdefault(endpoint.name, endpoint)
            if other is not endpoint:
                self._problems.add(
                    f"{short_name(self._cls)} has two endpoints named {endpoint.name!r}, the methods "
                    f"{other.attribute!r} and {endpoint.attribute!r}; give one another name",
                    endpoint.location,
                )

    def _check_routes(self, endpoints: list[EndpointDefinition]) -> None:
        first: dict[tuple[str, str], EndpointDefinition] = {}
        for endpoint in endpoints:
            if endpoint.api is None:
                continue
            route = (endpoint.api.method, endpoint.api.path)
            other = first.setdefault(route, endpoint)
            if other.name != endpoint.name:
                self._problems.add(
                    f"{short_name(self._cls)} has two endpoints that claim {' '.join(route)}, "
                    f"{other.name!r} and {endpoint.name!r}; give one another path: @api(path=...)",
                    endpoint.location,
                )

    # --- the rest ---

    def _read_dependencies(self) -> Mapping[str, DependencyDefinition]:
        found: dict[str, DependencyDefinition] = {}
        places: dict[str, Member] = {}
        for member in self._members:
            dependency = member.value
            if not isinstance(dependency, Dependency):
                continue
            other = places.setdefault(dependency.attribute or member.attribute, member)
            if other.value is not dependency:
                self._problems.add(
                    f"{short_name(self._cls)}.{other.attribute} and {member.attribute} would keep their clients in "
                    "one place, since one of them was taken from another class: write depends() anew",
                    self._location,
                )
            definition = read_dependency(member, dependency, self._scope(member.owner), self._problems)
            if definition is not None:
                found[member.attribute] = definition
        return found

    def _read_hooks(self) -> LifecycleHooks:
        hooks: dict[str, list[str]] = {kind: [] for kind in _HOOK_KINDS}
        for member in self._members:
            for kind in find_mark(self._cls, member.attribute, lifecycle.MARK) or ():
                hooks[kind].append(member.attribute)
                function: Any = member.value
                fault = lifecycle.find_hook_fault(function, kind)
                if fault is not None:
                    self._problems.add(fault, locate_function(function))
        return LifecycleHooks(**{kind: tuple(names) for kind, names in hooks.items()})

    def _check_construction(self, *, has_clients: bool) -> None:
        """A worker makes the instance, puts clients on it, and calls ``__init__`` without arguments."""
        name = short_name(self._cls)
        if has_clients and self._cls.__dictoffset__ == 0:
            self._problems.add(
                f"{name} has dependencies and __slots__: clients are kept in the instance's __dict__, "
                "so leave __slots__ (slots=True) out",
                self._location,
            )
        init = inspect.getattr_static(self._cls, "__init__")
        required = lifecycle.required_arguments(init) if inspect.isfunction(init) else []
        if required:
            self._problems.add(
                f"{name}.__init__ wants {', '.join(map(repr, required))}: a worker builds the service without "
                "arguments; give them defaults, or read settings from a ServiceContext",
                self._place_of(init),
            )

    def _place_of(self, init: Any) -> Location:
        place = locate_function(init)
        return self._location if place.file.startswith("<") else place  # a generated one has no file


def _is_asked(member: Member) -> bool:
    """Whether a class without marks asks for a method: a public one that is declared and not implemented."""
    if member.attribute.startswith("_") or not inspect.isfunction(member.value):
        return False
    return Method(member.attribute, member.value, member.owner).is_declared_only
