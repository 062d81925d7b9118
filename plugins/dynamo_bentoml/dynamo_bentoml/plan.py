"""A run written down: what its supervisor needs to know, as plain records."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.errors import NotImportableError
from dynamo_core.supervision.http_listener import http_port

if TYPE_CHECKING:
    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.import_target import ImportTarget
    from dynamo_core.logs.settings import LogFileSettings
    from dynamo_core.provider import BoundGraph

_NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class HttpAddress:
    """Where a service listens for HTTP.

    Attributes:
        host: Address.
        port: TCP port; 0 for a free one.
    """

    host: str
    port: int


@attrs.frozen(kw_only=True)
class Elsewhere:
    """A service that runs elsewhere.

    Attributes:
        url: Its base address.
        name: Its name there.
        target: How a class with its endpoints is imported.
    """

    url: str
    name: str
    target: ImportTarget


@attrs.frozen(kw_only=True)
class ServicePlan:
    """One service of a run.

    Attributes:
        name: Its name.
        target: How a worker imports its class.
        config: Its configuration.
        dependencies: Service of the run by attribute.
        elsewhere: Services that run elsewhere, by attribute.
        http: Where it listens for HTTP; None when it does not.
        env_vars: Variables of its workers, above all others.
        access_log: Whether its workers log every HTTP request.
    """

    name: str
    target: ImportTarget
    config: ServiceConfig
    dependencies: Mapping[str, str]
    elsewhere: Mapping[str, Elsewhere] = attrs.field(factory=dict)
    http: HttpAddress | None = None
    env_vars: Mapping[str, str] = _NO_VARIABLES
    access_log: bool = False


@attrs.frozen(kw_only=True)
class BentoSource:
    """What ``bentoml serve`` was asked to serve, so that workers load the same; empty for ``dynamo serve``.

    Attributes:
        identifier: A Bento, or ``module:variable`` of a BentoML service.
        arguments: The Bento's arguments.
    """

    identifier: str = ""
    arguments: Mapping[str, object] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class RunPlan:
    """A whole run.

    Attributes:
        graph: The graph's name.
        entry: Name of the entry service.
        services: Dependencies first.
        working_dir: Where workers run.
        sys_path: The caller's import path, which workers take over.
        source: What ``bentoml serve`` was asked to serve.
        log_files: Where workers' lines are written to, beside what is shown.
    """

    graph: str
    entry: str
    services: tuple[ServicePlan, ...]
    working_dir: str
    sys_path: tuple[str, ...]
    source: BentoSource = BentoSource()
    log_files: LogFileSettings | None = None

    def service(self, name: str) -> ServicePlan:
        """The service of that name."""
        return next(service for service in self.services if service.name == name)

    def dependents_of(self, name: str) -> tuple[str, ...]:
        """Names of the services that depend on *name* directly."""
        return tuple(service.name for service in self.services if name in service.dependencies.values())

    def all_dependents_of(self, name: str) -> frozenset[str]:
        """Names of the services that depend on *name*, directly or not."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = set(self.dependents_of(waiting.pop())) - found
            found |= new
            waiting += new
        return frozenset(found)


def make_plan(graph: BoundGraph, options: BentoMLOptions) -> RunPlan:
    """Work out the plan of a bound graph, in the process that bound it.

    Raises:
        NotImportableError: A worker process cannot import one of the classes.
    """
    working_dir = options.working_dir or Path.cwd()
    services = []
    for service in graph.services:
        own: BentoMLOptions = getattr(service, "options", options)
        definition = attrs.evolve(service.definition, config=service.config)
        services.append(
            plan_service(
                definition,
                http=http_address(definition, is_entry=service.name == graph.entry.name),
                env_vars=own.env_vars,
                access_log=own.access_log,
            )
        )
    return RunPlan(
        graph=graph.name,
        entry=graph.entry.name,
        services=tuple(services),
        working_dir=str(working_dir),
        sys_path=caller_path(),
        log_files=options.log_files,
    )


def plan_service(
    definition: ServiceDefinition,
    *,
    http: HttpAddress | None,
    env_vars: Mapping[str, str] = _NO_VARIABLES,
    access_log: bool = False,
) -> ServicePlan:
    """The plan of one service.

    Raises:
        NotImportableError: A worker process cannot import its class, or that of a service elsewhere.
    """
    from dynamo_core.import_target import ImportTarget  # needed for running only
    from dynamo_core.remote.clients import remote_service  # as above

    edges = definition.dependencies.items()
    elsewhere = {
        attribute: Elsewhere(url=edge.url, name=remote_service(edge).name, target=ImportTarget.of(edge.on))
        for attribute, edge in edges
        if edge.url is not None
    }
    for target in (definition.target, *(each.target for each in elsewhere.values())):
        if target.problem is not None:
            raise NotImportableError(target.qualname, target.problem)
    return ServicePlan(
        name=definition.name,
        target=definition.target,
        config=definition.config,
        dependencies={
            attribute: edge.service_name for attribute, edge in edges if edge.service_name is not None
        },
        elsewhere=elsewhere,
        http=http,
        env_vars=env_vars,
        access_log=access_log,
    )


def http_address(definition: ServiceDefinition, *, is_entry: bool) -> HttpAddress | None:
    """Where a service listens; all but the entry service take a free port unless they are told one."""
    if not definition.serves_http:
        return None
    http = definition.config.http
    return HttpAddress(host=http.host, port=http_port(http, is_entry=is_entry))


def caller_path() -> tuple[str, ...]:
    """The import path of this process, with nothing in it that depends on where a process runs."""
    return tuple(entry or str(Path.cwd()) for entry in sys.path)
