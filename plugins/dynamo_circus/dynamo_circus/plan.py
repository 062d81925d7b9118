"""What a supervisor needs to know of a graph, without importing the user's module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import attrs

from dynamo_circus.remote import SCHEME, AddressedService, RemoteWorker, is_socket_address
from dynamo_core.config import ServiceConfig
from dynamo_core.errors import NotImportableError
from dynamo_core.import_target import ImportTarget
from dynamo_core.inspection import define_service
from dynamo_core.logs.settings import LogFileSettings
from dynamo_core.supervision.http_listener import http_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_circus.options import CircusOptions
    from dynamo_circus.service import CircusService
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import BoundGraph


@attrs.frozen(kw_only=True)
class HttpAddress:
    """Where a service listens for HTTP.

    Attributes:
        host: Name or address.
        port: Port; 0 takes a free one.
        is_tls: Whether workers speak TLS there.
    """

    host: str
    port: int
    is_tls: bool = False


@attrs.frozen(kw_only=True)
class ServicePlan:
    """One service of a run.

    Attributes:
        name: Its name.
        target: How a worker imports its class.
        config: Its configuration.
        dependencies: Service by attribute.
        remotes: Workers of other runs, by attribute.
        addressed: Services that HTTP reaches elsewhere, by attribute.
        http: Where it listens for HTTP; None when it has no routes.
        command: The program and arguments of a custom worker; empty for the built-in worker.
        env_vars: Variables of its workers, above all others.
    """

    name: str
    target: ImportTarget
    config: ServiceConfig
    dependencies: Mapping[str, str]
    remotes: Mapping[str, RemoteWorker] = attrs.field(factory=dict)
    addressed: Mapping[str, AddressedService] = attrs.field(factory=dict)
    http: HttpAddress | None = None
    command: tuple[str, ...] = ()
    env_vars: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def is_custom(self) -> bool:
        """Whether its workers are started by a command of the user's."""
        return bool(self.command)

    @property
    def argv(self) -> tuple[str, ...]:
        """The program its workers run, for Circus to show."""
        return self.command or (sys.executable, "-m", "dynamo_circus.worker")

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "name": self.name,
            "target": self.target.to_data(),
            "config": self.config.to_data(),
            "dependencies": dict(self.dependencies),
            "remotes": {attribute: remote.to_data() for attribute, remote in self.remotes.items()},
            "addressed": {attribute: service.to_data() for attribute, service in self.addressed.items()},
            "http": None if self.http is None else attrs.asdict(self.http),
            "command": list(self.command),
            "env_vars": dict(self.env_vars),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        http = data["http"]
        return cls(
            name=data["name"],
            target=ImportTarget.from_data(data["target"]),
            config=ServiceConfig.from_data(data["config"]),
            dependencies=data["dependencies"],
            remotes={name: RemoteWorker.from_data(remote) for name, remote in data["remotes"].items()},
            addressed={
                name: AddressedService.from_data(service) for name, service in data["addressed"].items()
            },
            http=None if http is None else HttpAddress(**http),
            command=tuple(data["command"]),
            env_vars=data["env_vars"],
        )


@attrs.frozen(kw_only=True)
class RunPlan:
    """A whole run.

    Attributes:
        graph: The graph's name.
        entry: Name of the entry service.
        services: Dependencies first.
        working_dir: Where workers run.
        sys_path: The caller's import path, which the built-in worker takes over.
        check_delay_s: Seconds between two rounds of housekeeping.
        devices: Names of the machine's GPUs; None finds them out.
        log_format: How the lines of workers are shown: ``text`` or ``json``.
        log_files: Where they are written to as well; None for nowhere.
        reload: Whether services are restarted when files that they have imported change.
    """

    graph: str
    entry: str
    services: tuple[ServicePlan, ...]
    working_dir: str
    sys_path: tuple[str, ...]
    check_delay_s: float = 1.0
    devices: tuple[str, ...] | None = None
    log_format: str = "text"
    log_files: LogFileSettings | None = None
    reload: bool = False

    def service(self, name: str) -> ServicePlan:
        """The service of that name."""
        return next(service for service in self.services if service.name == name)

    def dependents_of(self, name: str) -> tuple[str, ...]:
        """Names of the services that depend on *name* directly."""
        return tuple(service.name for service in self.services if name in service.dependencies.values())

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "graph": self.graph,
            "entry": self.entry,
            "services": [service.to_data() for service in self.services],
            "working_dir": self.working_dir,
            "sys_path": list(self.sys_path),
            "check_delay_s": self.check_delay_s,
            "devices": self.devices,
            "log_format": self.log_format,
            "log_files": None if self.log_files is None else self.log_files.to_data(),
            "reload": self.reload,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(
            graph=data["graph"],
            entry=data["entry"],
            services=tuple(ServicePlan.from_data(service) for service in data["services"]),
            working_dir=data["working_dir"],
            sys_path=tuple(data["sys_path"]),
            check_delay_s=data["check_delay_s"],
            devices=None if data["devices"] is None else tuple(data["devices"]),
            log_format=data["log_format"],
            log_files=None if data["log_files"] is None else LogFileSettings.from_data(data["log_files"]),
            reload=data["reload"],
        )


def make_plan(graph: BoundGraph, options: CircusOptions) -> RunPlan:
    """Work out the plan of a bound graph, in the process that bound it.

    Raises:
        NotImportableError: A worker process cannot import one of the classes.
    """
    for service in graph.services:
        problem = service.definition.target.problem
        if problem is not None:
            raise NotImportableError(service.inner.__qualname__, problem)
    working_dir = options.working_dir or Path.cwd()
    return RunPlan(
        graph=graph.name,
        entry=graph.entry.name,
        services=tuple(_plan_service(cast("CircusService", service), graph) for service in graph.services),
        working_dir=str(working_dir),
        sys_path=tuple(entry or str(Path.cwd()) for entry in sys.path),
        check_delay_s=options.check_delay_s,
        devices=options.devices,
        log_format=options.log_format,
        log_files=_plan_log_files(options),
        reload=options.reload,
    )


def _plan_log_files(options: CircusOptions) -> LogFileSettings | None:
    if options.log_dir is None:
        return None
    return LogFileSettings(
        directory=str(options.log_dir.absolute()),
        max_bytes=options.log_max_bytes,
        keep=options.log_keep,
        as_json=options.log_format == "json",
    )


def _plan_service(service: CircusService, graph: BoundGraph) -> ServicePlan:
    definition = service.definition
    dependencies = {
        attribute: dependency.service_name
        for attribute, dependency in definition.dependencies.items()
        if dependency.service_name is not None
    }
    return ServicePlan(
        name=definition.name,
        target=definition.target,
        config=service.config,
        dependencies=dependencies,
        remotes={
            attribute: _plan_remote(edge)
            for attribute, edge in definition.dependencies.items()
            if is_socket_address(edge.url)
        },
        addressed={
            attribute: AddressedService(service=_remote_name(edge), target=_remote_target(edge), url=edge.url)
            for attribute, edge in definition.dependencies.items()
            if edge.url is not None and not is_socket_address(edge.url)
        },
        http=_http_address(service, is_entry=definition.name == graph.entry.name),
        command=service.command,
        env_vars=service.options.env_vars,
    )


def _plan_remote(edge: DependencyDefinition) -> RemoteWorker:
    assert edge.url is not None
    return RemoteWorker(
        service=_remote_name(edge), target=_remote_target(edge), path=edge.url.removeprefix(SCHEME)
    )


def _remote_name(edge: DependencyDefinition) -> str:
    return edge.remote_name or define_service(edge.on).name


def _remote_target(edge: DependencyDefinition) -> ImportTarget:
    target = ImportTarget.of(edge.on)
    if target.problem is not None:
        raise NotImportableError(target.qualname, target.problem)
    return target


def _http_address(service: CircusService, *, is_entry: bool) -> HttpAddress | None:
    if not service.definition.serves_http:
        return None
    http = service.config.http
    port = http_port(http, is_entry=is_entry)
    return HttpAddress(host=http.host, port=port, is_tls=http.tls_certificate is not None)
