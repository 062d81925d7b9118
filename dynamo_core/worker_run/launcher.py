"""Everything one worker is started with: order, sockets, and its first words."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core import environment
from dynamo_core.errors import NotImportableError, UnsupportedOperationError
from dynamo_core.import_target import ImportTarget
from dynamo_core.remote import UNIX, check_address
from dynamo_core.remote.clients import remote_service
from dynamo_core.supervision.environment import compose_environment, pick_secrets
from dynamo_core.supervision.http_listener import HttpListener, http_port
from dynamo_core.worker_kit.bootstrap import Bootstrap
from dynamo_core.worker_kit.notification import NOTIFY_VARIABLE
from dynamo_core.worker_run.engine import WorkerOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.control import RunDirectory
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.interfaces import DependencyInterface, ServiceInterface
    from dynamo_core.supervision.slot_listener import SlotListener

BUILT_IN_WORKER: Final = (sys.executable, "-P", "-m", "dynamo_core.worker_kit")


@attrs.frozen(kw_only=True, eq=False)
class Launch:
    """One worker, ready to be started.

    Attributes:
        order: For the engine.
        end: This side's end of the worker's lifeline.
        first_words: What is sent over it first.
        notice_path: Where the worker tells how it is.
        pipes: This side's ends of its standard output and error, by name.
        owner: What its environment, and that of whatever it starts, is marked with.
    """

    order: WorkerOrder
    end: socket.socket
    first_words: bytes
    notice_path: Path
    pipes: Mapping[str, int]
    owner: str

    def close_inherited(self) -> None:
        """Close this process's copies of what the worker inherits."""
        for descriptor in (*self.order.inherited, self.order.stdout, self.order.stderr):
            os.close(descriptor)


class Launcher:
    """Prepares the workers of one run.

    Args:
        graph: What is run.
        directory: The run's directory.
        environ: The caller's environment.

    Raises:
        ConfigError: A secret is not in the environment.
        AddressInUseError: A port that was asked for is taken.
        StartError: An address cannot be listened on for another reason.
    """

    def __init__(self, graph: BoundGraph, directory: RunDirectory, environ: Mapping[str, str]) -> None:
        self._graph = graph
        self._directory = directory
        self._log_level = environ.get(environment.LOG_LEVEL) or "warning"
        self._secrets = pick_secrets(environ, graph.services)
        secrets = {name for found in self._secrets.values() for name in found}
        self._environments = {
            service.name: compose_environment(environ, service.config, secrets=secrets)
            for service in graph.services
        }
        self._count = 0
        self._sys_path = tuple(entry or str(Path.cwd()) for entry in sys.path)
        self.http: dict[str, HttpListener] = {}
        try:
            for service in graph.services:
                if service.definition.serves_http:
                    http = service.config.http
                    port = http_port(http, is_entry=service.name == graph.entry.name)
                    self.http[service.name] = HttpListener(service.name, http, port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the HTTP sockets. Safe to call twice."""
        for listener in self.http.values():
            listener.close()

    def prepare(
        self, service: ServiceInterface, slot: int, generation: int, listener: SlotListener
    ) -> Launch:
        """Everything for a slot's next worker, which the caller starts or closes.

        Raises:
            OSError: There are no descriptors left, or the working directory is gone; nothing is left open.
        """
        with contextlib.ExitStack() as opened:  # lets go of everything if a later part cannot be had
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            opened.callback(ours.close)
            channel_fd = _kept(theirs.detach(), opened)
            slot_fd = _kept(os.dup(listener.fileno()), opened)
            http = self.http.get(service.name)
            http_fd = None if http is None else _kept(os.dup(http.fileno()), opened)
            pipes = {}
            ends = {}
            for stream in ("stdout", "stderr"):
                pipes[stream], ends[stream] = (_kept(end, opened) for end in os.pipe())
            self._count += 1
            notice_path = self._directory.path / f"n{self._count}.sock"
            # by number, not by generation: a slot that went and came back is another one
            owner = f"{self._directory.run_id}/{service.name}/{slot}.{self._count}"
            bootstrap = self._bootstrap(service, slot, generation, slot_fd, http_fd)
            order = WorkerOrder(
                service=service.name,
                slot=slot,
                generation=generation,
                argv=BUILT_IN_WORKER,
                env={
                    **self._environments[service.name],
                    environment.RUN_ID: self._directory.run_id,
                    environment.SERVICE: service.name,
                    environment.SLOT: str(slot),
                    environment.WORKER_FD: str(channel_fd),
                    environment.WORKER_ID: owner,
                    NOTIFY_VARIABLE: str(notice_path),
                },
                cwd=str(Path.cwd()),
                inherited=(channel_fd, slot_fd) if http_fd is None else (channel_fd, slot_fd, http_fd),
                stdout=ends["stdout"],
                stderr=ends["stderr"],
            )
            launch = Launch(
                order=order,
                end=ours,
                first_words=bootstrap.encode(),
                notice_path=notice_path,
                pipes=pipes,
                owner=owner,
            )
            opened.pop_all()
            return launch

    def _bootstrap(
        self, service: ServiceInterface, slot: int, generation: int, slot_fd: int, http_fd: int | None
    ) -> Bootstrap:
        http = self.http.get(service.name)
        config = service.config if http is None else attrs.evolve(service.config, http=http.http)
        edges = self._graph.dependencies.get(service.name, {})
        return Bootstrap(
            run_id=self._directory.run_id,
            graph=self._graph.name,
            service=service.name,
            slot=slot,
            generation=generation,
            target=service.definition.target.to_data(),
            config=config.to_data(),
            dependencies={attribute: _imported(edge) for attribute, edge in edges.items()},
            addresses={
                attribute: edge.definition.url
                for attribute, edge in edges.items()
                if edge.on is None and edge.definition.url is not None
            },
            listen_fd=slot_fd,
            http_fd=http_fd,
            sys_path=self._sys_path,
            secrets=self._secrets[service.name],
            log_level=self._log_level,
        )


def check_graph(graph: BoundGraph, provider: str) -> None:
    """Make sure that worker processes can serve every service, before anything is made for them.

    Raises:
        NotImportableError: A worker process cannot import one of the classes.
        UnsupportedOperationError: An edge leads to a worker's socket.
        MissingExtraError: An edge leads to an address of HTTP, and httpx is not installed.
    """
    for service in graph.services:
        target = service.definition.target
        if target.problem is not None:
            raise NotImportableError(target.qualname, target.problem)
        for attribute, edge in graph.dependencies.get(service.name, {}).items():
            url = edge.definition.url
            if edge.on is not None or url is None:
                continue
            if url.startswith(UNIX):
                operation = f"call {url} for {service.name}.{attribute}"
                raise UnsupportedOperationError(provider, operation, "its edges lead to a run or over HTTP")
            check_address(url)
            target = ImportTarget.of(edge.definition.on)
            if target.problem is not None:
                raise NotImportableError(target.qualname, target.problem)


def _imported(edge: DependencyInterface) -> tuple[str, Mapping[str, Any]]:
    """Name of the service that an edge leads to, and how a class with its endpoints is imported."""
    if edge.on is not None:
        return edge.on.name, edge.on.definition.target.to_data()
    return remote_service(edge.definition).name, ImportTarget.of(edge.definition.on).to_data()


def _kept(descriptor: int, opened: contextlib.ExitStack) -> int:
    """*descriptor*, which *opened* closes unless it is told not to."""
    opened.callback(os.close, descriptor)
    return descriptor
