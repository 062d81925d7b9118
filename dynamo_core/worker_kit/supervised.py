"""A worker process under a supervisor: it is told what to serve over an inherited socket, and serves it.

``python -m dynamo_core.worker_kit`` and the program of a custom worker call :func:`serve_worker`; a provider's own
worker that finds the socket elsewhere calls :func:`run_supervised`.
The end of file of that socket means that the supervisor is gone; the worker then ends at once, together with whatever
else is in the process group it leads, also while it imports the user's modules or blocks its event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import attrs

from dynamo_core import environment
from dynamo_core.errors import EXIT_FAILURE, EXIT_OK, DynamoError
from dynamo_core.startup import without_collection
from dynamo_core.worker_kit.bootstrap import Bootstrap, read_bootstrap
from dynamo_core.worker_kit.hardening import harden_process
from dynamo_core.worker_kit.life_line import hold_life_line

if TYPE_CHECKING:
    from types import TracebackType

    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.worker_kit.imported_files import ImportReporter

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

NEEDED: Final = (
    "dynamo_core.config",
    "dynamo_core.import_target",
    "dynamo_core.inspection",
    "dynamo_core.transport.server",
    "dynamo_core.worker_kit.peers",
    "dynamo_core.worker_kit.serving",
    "dynamo_core.worker_kit.supervisor_line",
)
"""Modules that every worker needs; imported in one go, while no garbage is looked for."""

NEEDED_FOR_HTTP: Final = ("dynamo_core.http.assembly", "dynamo_core.http.serving")
"""Those that one with an HTTP socket needs besides."""

_LOGGERS: Final = ("dynamo_core", "dynamo_circus")
_NOT_USERS: Final = (
    f"{Path(__file__).parents[1]}{os.sep}",
    f"{Path(asyncio.__file__).parent}{os.sep}",
    "<frozen importlib",
    "uvloop",
)
"""Beginnings of the names of files whose frames say nothing about why a service does not start."""


class NoSupervisorError(DynamoError):
    """``serve_worker`` was called in a process that no supervisor started."""

    def __init__(self) -> None:
        super().__init__(
            f"no supervisor has started this process ({environment.WORKER_FD} is not set); name its command in "
            "create_service(..., args=[...]) or create_service(..., command=[...])"
        )


def serve_worker(service_cls: type | None = None) -> NoReturn:
    """Serve one class as a worker of the supervisor that started this process, then end the process.

    This is all that a custom worker's program needs.

    Args:
        service_cls: What to serve; None imports the class that the run names.

    Raises:
        NoSupervisorError: The process was started by hand.
    """
    descriptor = os.environ.pop(environment.WORKER_FD, "")
    if not descriptor.isdecimal():
        raise NoSupervisorError
    sys.exit(run_supervised(int(descriptor), service_cls))


def run_supervised(
    channel_fd: int, service_cls: type | None = None, *, dies_with_parent: bool = False
) -> int:
    """Serve what the supervisor says until it tells this process to stop.

    A worker that fails to start writes its traceback to standard error and ends the process.

    Args:
        channel_fd: Descriptor of the socket that the supervisor inherited to this process.
        service_cls: What to serve; None imports the class that the supervisor names.
        dies_with_parent: Whether the kernel ends the process with its supervisor; else a thread looks out for that.

    Returns:
        The exit status.
    """
    channel = socket.socket(fileno=channel_fd)
    channel.set_inheritable(False)
    bootstrap = read_bootstrap(channel)
    prepare_process(bootstrap.log_level)
    if bootstrap.config.get("hardening"):
        harden_process()
    if not dies_with_parent:
        hold_life_line(channel)
    os.environ.update(bootstrap.secrets)  # of this process: what was passed on exec can be read by others
    if service_cls is None:
        sys.path[:] = bootstrap.sys_path
    reporter = _reporter(bootstrap)
    import_needed(with_http=bootstrap.http_fd is not None)
    try:
        definition, dependencies = load_definitions(bootstrap, service_cls)
        run_loop(lambda: _serve(bootstrap, channel, definition, dependencies, reporter))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:  # noqa: BLE001  # the boundary of the process
        if reporter is not None:
            reporter.report_failure(exc)
        fail(exc)
    return EXIT_OK


def import_needed(*, with_http: bool) -> None:
    """Import what a worker needs, before anything of the user's; whoever needs it says what is missing."""
    with without_collection(), contextlib.suppress(ImportError):
        for module in (*NEEDED, *(NEEDED_FOR_HTTP if with_http else ())):
            importlib.import_module(module)


def _reporter(bootstrap: Bootstrap) -> ImportReporter | None:
    if not bootstrap.reports_imports:
        return None
    from dynamo_core.worker_kit.imported_files import ImportReporter  # only for those who develop

    sys.dont_write_bytecode = (
        True  # it would hide a change within the same second that leaves the size as it was
    )
    return ImportReporter()


def load_definitions(
    bootstrap: Bootstrap, service_cls: type | None = None
) -> tuple[ServiceDefinition, dict[str, ServiceDefinition]]:
    """Import what a worker serves and what it depends on.

    Returns:
        The service with its configuration, and the services it depends on by attribute.
    """
    from dynamo_core.config import ServiceConfig  # a custom worker may fail before it is needed
    from dynamo_core.import_target import ImportTarget  # as above
    from dynamo_core.inspection import define_service  # as above

    cls = ImportTarget.from_data(bootstrap.target).load() if service_cls is None else service_cls
    definition = attrs.evolve(
        define_service(cls), name=bootstrap.service, config=ServiceConfig.from_data(bootstrap.config)
    )
    dependencies = {
        attribute: attrs.evolve(define_service(ImportTarget.from_data(target).load()), name=name)
        for attribute, (name, target) in bootstrap.dependencies.items()
    }
    return definition, dependencies


def prepare_process(log_level: str) -> None:
    """Have lines go out as they are written, and to standard error what this project logs and where a crash was."""
    faulthandler.enable(file=sys.__stderr__ or 2, all_threads=True)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(name)s: %(message)s"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(log_level.upper())
        logger.addHandler(handler)
        logger.propagate = False  # the root logger is the user's


def run_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *main* on uvloop where it is installed, else on asyncio's own loop."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # optional
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def fail(exc: BaseException) -> NoReturn:
    """Write why the worker cannot go on, and end the process without waiting for threads of the user's."""
    while isinstance(exc, BaseExceptionGroup) and len(exc.exceptions) == 1:
        exc = exc.exceptions[0]
    with contextlib.suppress(OSError, ValueError):
        if isinstance(exc, DynamoError):
            sys.stderr.write(f"error: {exc}\n")
        else:
            traceback.print_exception(type(exc), exc, _users_frames(exc.__traceback__))
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(EXIT_FAILURE)


def _users_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame of the user's on; all of it when there is none."""
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_NOT_USERS):
        own = own.tb_next
    return trace if own is None else own


async def _serve(
    bootstrap: Bootstrap,
    channel: socket.socket,
    definition: ServiceDefinition,
    dependencies: dict[str, ServiceDefinition],
    reporter: ImportReporter | None,
) -> None:
    from dynamo_core.worker_kit.peers import Peers  # imported while others start
    from dynamo_core.worker_kit.serving import Renewals, WorkerSetup, serve  # as above
    from dynamo_core.worker_kit.supervisor_line import SupervisorLine, adopt_socket  # as above

    run_ids = {
        name: bootstrap.remote_runs.get(name, bootstrap.run_id)
        for name in (found.name for found in dependencies.values())
    }
    peers = Peers(dependencies, run_ids, bootstrap.addresses)
    renewals = Renewals()
    line = SupervisorLine(channel, peers, renewals)
    setup = WorkerSetup(
        definition=definition,
        slot=bootstrap.slot,
        run_id=bootstrap.run_id,
        graph=bootstrap.graph,
        generation=bootstrap.generation,
        listener=adopt_socket(bootstrap.listen_fd),
        http_listener=None if bootstrap.http_fd is None else adopt_socket(bootstrap.http_fd),
        peers=peers,
        renewals=renewals,
        stop_told=line.stop_told,
    )
    with line.listening(), contextlib.nullcontext() if reporter is None else reporter.following():
        await serve(setup, stop_on_signals())


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    return stop
