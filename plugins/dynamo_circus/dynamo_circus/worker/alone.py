"""One worker without a supervisor, to look at it with a debugger or a profiler."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from dynamo_core import environment
from dynamo_core.cli.reduced_graph import read_addresses
from dynamo_core.config import load_graph_settings
from dynamo_core.errors import EXIT_OK, DynamoError, RunDirectoryError
from dynamo_core.loader import load_graph
from dynamo_core.remote import NO_RUN, UNIX, check_address
from dynamo_core.remote.clients import remote_service
from dynamo_core.worker_kit.supervised import prepare_process, run_loop, stop_on_signals

if TYPE_CHECKING:
    from dynamo_core.definition import ServiceDefinition

BACKLOG_CONNECTIONS: Final = 2048
LARGEST_PORT: Final = 65535


@attrs.frozen(kw_only=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        target: The graph.
        service: Name of the service; None for the entry service.
        listen: Path of the unix socket.
        http: Host and port; None serves no HTTP.
        depends: Address of a service, by its name.
        file: YAML file with settings.
        overrides: ``--Service.key=value``.
    """

    target: str
    service: str | None
    listen: Path
    http: tuple[str, int] | None
    depends: Mapping[str, str]
    file: Path | None
    overrides: tuple[str, ...]


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
@click.argument("target")
@click.option("--service", "service", metavar="NAME", help="Service to serve; default is the entry service.")
@click.option("--listen", required=True, metavar="unix:/PATH", help="Socket to serve calls on.")
@click.option("--http", metavar="HOST:PORT", help="Address to serve HTTP on.")
@click.option(
    "--depends",
    multiple=True,
    metavar="NAME=ADDRESS",
    help="Where a service it depends on is: unix:/PATH of a worker's socket, or http://...",
)
@click.option("-f", "--config", "file", type=click.Path(path_type=Path), help="YAML file with settings.")
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def worker(**given: Any) -> int:
    """Serve one worker of a service of the graph TARGET until SIGTERM or Ctrl-C.

    Nothing supervises it, and nothing else is started: each service that it depends on is named with --depends, by
    the socket of a worker of a run or of another worker that was started by hand, or by its address of HTTP.
    """
    return serve_alone(
        Wanted(
            target=given["target"],
            service=given["service"],
            listen=_read_listen(given["listen"]),
            http=_read_http(given["http"]),
            depends=read_addresses(click.get_current_context(), given["depends"]),
            file=given["file"],
            overrides=given["overrides"],
        )
    )


def run_alone(arguments: Sequence[str]) -> int:
    """Run the command line of ``python -m dynamo_circus.worker``; the exit status."""
    try:
        result = worker.main(
            list(arguments), prog_name="python -m dynamo_circus.worker", standalone_mode=False
        )
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        return 130
    except DynamoError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return exc.exit_code
    return result if isinstance(result, int) else EXIT_OK


def _read_listen(text: str) -> Path:
    if not text.startswith(f"{UNIX}/"):
        raise click.BadParameter(f"wanted unix:/PATH, got {text!r}", param_hint="--listen")
    return Path(text.removeprefix(UNIX))


def _read_http(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LARGEST_PORT:
        raise click.BadParameter(f"wanted HOST:PORT, got {text!r}", param_hint="--http")
    return host.strip("[]"), int(port)


def serve_alone(wanted: Wanted) -> int:
    """Serve until a signal comes; the exit status.

    Raises:
        DynamoError: The graph, its settings or an address cannot be used.
    """
    prepare_process(os.environ.get(environment.LOG_LEVEL, "warning"))
    graph = load_graph(wanted.target)
    graph = load_graph_settings(wanted.file, wanted.overrides, os.environ).apply(graph)
    definition = graph.entry if wanted.service is None else graph.find_service(wanted.service)
    dependencies = {
        attribute: remote_service(edge)
        if edge.service_name is None
        else graph.find_service(edge.service_name)
        for attribute, edge in definition.dependencies.items()
        if edge.service_name is not None or edge.url is not None
    }
    addresses = _find_addresses(definition, dependencies, wanted.depends)
    with _listening(wanted) as (listener, http_listener):
        run_loop(lambda: _serve(wanted, definition, dependencies, addresses, (listener, http_listener)))
    return EXIT_OK


def _find_addresses(
    definition: ServiceDefinition,
    dependencies: Mapping[str, ServiceDefinition],
    depends: Mapping[str, str],
) -> dict[str, str]:
    """Where each dependency is, by attribute: as the command line says, else as its declaration does.

    Raises:
        click.UsageError: Nobody says where one is, or the command line names one that there is not.
        MissingExtraError: One is reached over HTTP, and httpx is not installed.
    """
    known = {found.name for found in dependencies.values()}
    if unknown := sorted(set(depends) - known):
        raise click.UsageError(
            f"{definition.name} does not depend on {unknown[0]}, which --depends names; "
            f"it depends on {', '.join(sorted(known)) or 'nothing'}"
        )
    addresses = {
        attribute: depends.get(found.name) or definition.dependencies[attribute].url
        for attribute, found in dependencies.items()
    }
    missing = sorted({dependencies[attribute].name for attribute, url in addresses.items() if url is None})
    if missing:
        raise click.UsageError(
            f"{definition.name} depends on {', '.join(missing)}: "
            f"name a worker of each, such as --depends {missing[0]}=unix:/path/of/its.sock"
        )
    found_all = {attribute: url for attribute, url in addresses.items() if url is not None}
    for url in found_all.values():
        check_address(url)
    return found_all


async def _serve(
    wanted: Wanted,
    definition: ServiceDefinition,
    dependencies: Mapping[str, ServiceDefinition],
    addresses: Mapping[str, str],
    listeners: tuple[socket.socket, socket.socket | None],
) -> None:
    from dynamo_core.worker_kit.peers import Peers  # after what can fail
    from dynamo_core.worker_kit.serving import WorkerSetup, serve  # as above

    stop = stop_on_signals()
    listener, http_listener = listeners
    setup = WorkerSetup(
        definition=definition,
        slot=0,
        run_id=NO_RUN,
        listener=listener,
        http_listener=http_listener,
        peers=Peers(dependencies, {}, addresses),
        tell=lambda state: _say(definition.name, wanted, state),
    )
    await serve(setup, stop)


def _say(name: str, wanted: Wanted, state: Mapping[str, str]) -> None:
    text = state.get("STATUS", "")
    if state.get("READY") == "1":
        text = f"serving on {UNIX}{wanted.listen}"
    sys.stderr.write(f"{name}: {text}\n")


@contextlib.contextmanager
def _listening(wanted: Wanted) -> Iterator[tuple[socket.socket, socket.socket | None]]:
    with contextlib.ExitStack() as stack:
        yield _listen_unix(wanted.listen, stack), _listen_http(wanted.http, stack)


def _listen_unix(path: Path, stack: contextlib.ExitStack) -> socket.socket:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as exc:
        raise RunDirectoryError(
            f"cannot listen on {UNIX}{path}: {exc.strerror or exc}; remove it if it is left over"
        ) from exc
    finally:
        os.umask(before)
    stack.callback(path.unlink, missing_ok=True)
    listener.listen(BACKLOG_CONNECTIONS)
    listener.setblocking(False)
    return listener


def _listen_http(address: tuple[str, int] | None, stack: contextlib.ExitStack) -> socket.socket | None:
    if address is None:
        return None
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        listener = socket.create_server(address, family=family, backlog=BACKLOG_CONNECTIONS)
    except OSError as exc:
        raise RunDirectoryError(f"cannot listen on {address[0]}:{address[1]}: {exc.strerror or exc}") from exc
    return stack.enter_context(listener)
