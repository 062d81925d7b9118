"""The one module that touches BentoML's serving code.

Two things are needed of it that its public API does not give: the ASGI application of a service without BentoML's
own limits of time and concurrency, which would answer before core's do; and the place where ``bentoml serve`` would
start its processes, so that a supervisor of this project keeps them instead. BentoML's own arbiter takes commands
from everybody on the machine over a TCP port, passes values between services as pickles, and notices the death of a
worker within ten seconds.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

import attrs
import bentoml

from dynamo_bentoml import usage_reporting
from dynamo_core.host import BatchDroppedError

if TYPE_CHECKING:
    import contextlib

    from starlette.applications import Starlette

    from dynamo_core.config import TrafficConfig
    from dynamo_core.definition import EndpointDefinition
    from dynamo_core.host.batch_queue import RunBatch

logger = logging.getLogger(__name__)

WORKER_MODULE: Final = "_bentoml_impl.worker.service"
API_SOCKET: Final = "_bento_api_server"
CALL_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Upper ends of the ranges that times of calls are counted in."""

PATIENCE_S: Final = 60.0
"""How long a call that has no time limit may wait for its batch before it is refused."""


# --- in a worker --------------------------------------------------------------------------------------------


def load_service(identifier: str, arguments: Mapping[str, Any], name: str) -> bentoml.Service[Any]:
    """Load what ``bentoml serve`` was asked to serve, as BentoML's own workers do.

    Args:
        identifier: A Bento, or ``module:variable``.
        arguments: Arguments of the Bento.
        name: Name of the service wanted.
    """
    from _bentoml_impl.loader import load
    from bentoml._internal.utils.args import set_arguments

    if arguments:
        set_arguments(dict(arguments))
    service: bentoml.Service[Any] = load(identifier, standalone_load=True)
    return service if service.name == name else service.find_dependent_by_name(name)


def make_application(
    service: bentoml.Service[Any], *, slot: int, is_entry: bool, access_log: bool
) -> Starlette:
    """The ASGI application of a service in a worker process, with BentoML's metrics, traces and routes.

    Args:
        service: The service; there is one in a process.
        slot: Slot of the worker.
        is_entry: Whether it is its graph's entry.
        access_log: Whether requests are logged.
    """
    from _bentoml_impl.server.app import ServiceAppFactory
    from bentoml._internal.container import BentoMLContainer
    from bentoml._internal.context import server_context

    server_context.worker_index = slot + 1  # BentoML counts from 1
    server_context.service_name = service.name
    server_context.service_type = "entry_service" if is_entry else "service"
    server_context.service_routes = [api.route for api in service.apis.values()]
    tag = None if service.bento is None else service.bento.tag
    server_context.bento_name = service.name if tag is None else tag.name
    server_context.bento_version = (tag.version if tag is not None else None) or "not available"
    service.inject_config()
    BentoMLContainer.development_mode.set(False)
    BentoMLContainer.config.api_server.logging.access.enabled.set(access_log)
    factory = ServiceAppFactory(service, is_main=True)  # one that is not main takes pickles
    factory.timeout = None
    factory.max_concurrency = None
    factory.enable_access_control = False
    application: Starlette = factory()
    if access_log:
        _log_as_bentoml_does()
    return application


def worker_slot() -> int:
    """Slot of this process among BentoML's own workers of a service."""
    from bentoml._internal.context import server_context

    return max(0, (server_context.worker_index or 1) - 1)


def runner_map() -> Mapping[str, str]:
    """Where BentoML says that services are, by name."""
    from bentoml._internal.container import BentoMLContainer

    found: dict[str, str] = BentoMLContainer.remote_runner_mapping.get()
    return found


def _log_as_bentoml_does() -> None:
    from bentoml._internal.log import configure_server_logging

    configure_server_logging()  # type: ignore[no-untyped-call]  # BentoML's own
    for found in logging.root.manager.loggerDict.values():
        if isinstance(found, logging.Logger):
            found.disabled = False  # BentoML's configuration turns off whatever it does not name


def make_dispatcher(
    service: str, run: RunBatch, endpoint: EndpointDefinition, traffic: TrafficConfig
) -> AdaptiveDispatcher:
    """Make the dispatcher of one endpoint of *service*."""
    limit_s = traffic.timeout_s if endpoint.timeout_s is None else endpoint.timeout_s
    return AdaptiveDispatcher(
        run,
        service=service,
        endpoint=endpoint.name,
        max_batch=traffic.max_batch,
        patience_s=PATIENCE_S if limit_s is None else limit_s,
    )


class AdaptiveDispatcher:
    """BentoML's adaptive dispatcher for one endpoint: it decides which calls go together, and when.

    Args:
        run: Runs a batch; takes the inputs of each call and gives the results of each.
        service: Name of the service.
        endpoint: Name of the endpoint.
        max_batch: Inputs of one batch.
        patience_s: Seconds that a call may wait.
    """

    def __init__(
        self,
        run: RunBatch,
        *,
        service: str,
        endpoint: str,
        max_batch: int,
        patience_s: float,
    ) -> None:
        from bentoml._internal.marshal.dispatcher import CorkDispatcher

        self._run = run
        self._sizes = _batch_sizes(service, endpoint)
        self._dispatcher: CorkDispatcher[Sequence[Any], list[Any]] = CorkDispatcher(
            max_latency_in_ms=max(1, int(patience_s * 1000)),
            max_batch_size=max_batch,
            fallback=_drop,
            get_batch_size=len,
        )
        self._dispatch = self._dispatcher(self._run_counted)

    async def dispatch(self, inputs: Sequence[Any]) -> Any:
        """Wait for a batch with *inputs* in it, and give their results.

        Raises:
            BatchDroppedError: It waited too long, or was cancelled.
        """
        return await self._dispatch(inputs)

    async def aclose(self) -> None:
        """Give up what still waits, and end the dispatcher's task."""
        controller = self._dispatcher._controller
        self._dispatcher.shutdown()
        if controller is not None:
            await asyncio.wait([controller])

    async def _run_counted(self, batches: Sequence[Sequence[Any]]) -> list[list[Any]]:
        self._sizes.observe(sum(map(len, batches)))
        return await self._run(batches)


def _drop() -> NoReturn:
    raise BatchDroppedError


def call_seconds(service: str, endpoint: str, end: str) -> Callable[[float], None]:
    """What takes the seconds of each call that ended in this way, for BentoML's page of metrics.

    Args:
        service: Name of the service.
        endpoint: Name of the endpoint.
        end: How calls ended; few different ones.
    """
    observe: Callable[[float], None] = (
        _call_seconds().labels(service=service, endpoint=endpoint, end=end).observe
    )
    return observe


@functools.cache
def _call_seconds() -> Any:
    from bentoml._internal.container import BentoMLContainer

    return BentoMLContainer.metrics_client.get().Histogram(
        name="dynamo_call_seconds",
        documentation="Seconds of a call of an endpoint, over HTTP or from another service, by how it ended",
        labelnames=["service", "endpoint", "end"],
        buckets=CALL_SECONDS,
    )


@functools.cache
def _batch_size_histogram() -> Any:
    """The metric under which BentoML counts sizes of batches."""
    from bentoml._internal.container import BentoMLContainer

    return BentoMLContainer.metrics_client.get().Histogram(
        namespace="bentoml_service",
        name="adaptive_batch_size",
        documentation="Service adaptive batch size",
        labelnames=["runner_name", "worker_index", "method_name", "service_version", "service_name"],
        buckets=[float(2**power) for power in range(11)],
    )


def _batch_sizes(service: str, endpoint: str) -> Any:
    from bentoml._internal.context import server_context

    return _batch_size_histogram().labels(
        runner_name=service,
        worker_index=server_context.worker_index,
        method_name=endpoint,
        service_version=server_context.bento_version,
        service_name=server_context.bento_name,
    )


# --- in a supervisor ----------------------------------------------------------------------------------------


def assign_gpus(wanted: Mapping[str, float]) -> dict[str, list[int]]:
    """Numbers of the devices that BentoML's allocator gives to each service.

    Args:
        wanted: How many devices, or which share of one, by service; above 0.
    """
    from _bentoml_impl.server.allocator import ResourceAllocator

    allocator = ResourceAllocator()
    return {name: allocator.assign_gpus(int(gpu) if gpu == int(gpu) else gpu) for name, gpu in wanted.items()}


def turn_usage_reporting_off() -> None:
    """Keep BentoML from telling its makers that it is used, unless the user has decided about it."""
    from bentoml._internal.utils.analytics.usage_stats import do_not_track

    os.environ.setdefault(usage_reporting.VARIABLE, "True")
    do_not_track.cache_clear()


def find_bento(tag: str) -> Path:
    """Where a Bento of BentoML's store is."""
    return Path(bentoml.get(tag).path)


def note_origin(service: bentoml.Service[Any], module: str) -> None:
    """Let BentoML know in which module the service has its name; it would take the one that made it."""
    service._caller_module = module


# --- in a process that serves, started by BentoML's own command ---------------------------------------------


@attrs.frozen(kw_only=True)
class BentoRequest:
    """What BentoML was asked to serve, read from what it would have started.

    Attributes:
        identifier: What workers load.
        arguments: Arguments of the Bento.
        entry: Name of the service that HTTP reaches.
        workers: Number of processes by service.
        variables: What BentoML sets in the environment of each service's processes.
        addresses: Where services are that run elsewhere, by name.
        working_dir: Where processes run.
        host: Address that HTTP listens on.
        port: TCP port.
        tls_certificate: Path of a certificate; None for plain HTTP.
        tls_key: Path of its key.
        keep_alive_s: Seconds an idle connection stays open; None for the configured time.
        grace_s: Seconds for requests to finish at the end; None for the configured time.
        wants_reload: Whether workers are to be replaced when files change.
    """

    identifier: str
    arguments: Mapping[str, Any]
    entry: str
    workers: Mapping[str, int]
    variables: Mapping[str, Mapping[str, str]]
    addresses: Mapping[str, str]
    working_dir: str
    host: str
    port: int
    tls_certificate: str | None
    tls_key: str | None
    keep_alive_s: float | None
    grace_s: float | None
    wants_reload: bool


class ArbiterInterface(Protocol):
    """What BentoML's command needs of an arbiter."""

    exit_stack: contextlib.ExitStack

    def start(self, cb: Callable[[Any], Any] | None = None) -> None:
        """Serve; unless it was asked for a thread, until the end."""

    def stop(self) -> None:
        """End."""

    @property
    def running(self) -> bool:
        """Whether it serves."""


ArbiterMaker = Callable[[BentoRequest, bool], ArbiterInterface]


def replace_next_arbiter(services: Collection[str], make: ArbiterMaker) -> None:
    """Have the next arbiter that BentoML builds for *services* be one that *make* gives.

    Args:
        services: Names of the services that are about to be served.
        make: Takes the request, and whether the arbiter has a thread of its own.
    """
    from bentoml._internal.utils import circus

    if isinstance(circus.Arbiter, functools.partial):
        return  # it is replaced already: BentoML tells of each service
    originals = circus.Arbiter, circus.ThreadedArbiter

    def take(is_threaded: bool, watchers: list[Any], **options: Any) -> Any:
        _set_arbiters(*originals)
        request = _read_request(watchers, options)
        if request is None or not set(request.workers) <= set(services):
            return originals[is_threaded](watchers, **options)
        return make(request, is_threaded)

    _set_arbiters(functools.partial(take, False), functools.partial(take, True))


def _set_arbiters(plain: Any, threaded: Any) -> None:
    """Change what BentoML builds as an arbiter, for the next time that it does."""
    from bentoml._internal.utils import circus

    circus.Arbiter = plain  # type: ignore[misc]  # BentoML offers no other place
    circus.ThreadedArbiter = threaded  # type: ignore[misc]


def _read_request(watchers: list[Any], options: Mapping[str, Any]) -> BentoRequest | None:
    """What the watchers that BentoML has made were to run; None when they are of another kind."""
    commands = {}
    for watcher in watchers:
        words = [str(word) for word in watcher.args]
        if words[:2] != ["-m", WORKER_MODULE]:
            return None
        commands[_option(words, "--service-name")] = watcher, words
    entry, (watcher, words) = next(
        (name, found) for name, found in commands.items() if found[0].name == "service"
    )
    listener = next(found for found in options["sockets"] if found.name == API_SOCKET)
    variables = {name: dict(found.env or {}) for name, (found, _) in commands.items()}
    runner_map = json.loads(variables[entry].get("BENTOML_RUNNER_MAP", "{}"))
    return BentoRequest(
        identifier=words[2],
        arguments=json.loads(_option(words, "--args") or "{}"),
        entry=entry,
        workers={name: int(found.numprocesses) for name, (found, _) in commands.items()},
        variables=variables,
        addresses={
            name: url.replace("tcp://", "http://")
            for name, url in runner_map.items()
            if name not in commands and url.startswith(("http://", "https://", "tcp://"))
        },
        working_dir=watcher.working_dir,
        host=listener.host,
        port=listener.port,
        tls_certificate=_option(words, "--ssl-certfile") or None,
        tls_key=_option(words, "--ssl-keyfile") or None,
        keep_alive_s=_seconds(_option(words, "--timeout-keep-alive")),
        grace_s=_seconds(_option(words, "--timeout-graceful-shutdown")),
        wants_reload=bool(options.get("plugins")),
    )


def _option(words: Sequence[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words else ""


def _seconds(text: str) -> float | None:
    return float(text) if text else None
