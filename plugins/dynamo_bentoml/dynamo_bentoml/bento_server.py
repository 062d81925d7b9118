"""``bentoml serve`` on a service of ours: BentoML's command finds this supervisor where it would build its arbiter."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

import attrs
from bentoml.exceptions import BentoMLException

from dynamo_bentoml.notices import find_notices
from dynamo_bentoml.plan import (
    BentoSource,
    Elsewhere,
    HttpAddress,
    RunPlan,
    ServicePlan,
    caller_path,
    http_address,
    plan_service,
)
from dynamo_bentoml.serve import stopped_by_signals
from dynamo_bentoml.serving import BentoRequest, replace_next_arbiter
from dynamo_bentoml.supervisor import changes
from dynamo_bentoml.supervisor.launcher import METRICS_VARIABLE
from dynamo_bentoml.supervisor.supervisor import Supervisor
from dynamo_core.errors import DynamoError, ServiceFailedError, StartError
from dynamo_core.import_target import ImportTarget
from dynamo_core.logs.printing import LinePrinter
from dynamo_core.provider.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider import ServiceEvent

logger = logging.getLogger("bentoml.dynamo")

STDOUT: Final = 1
RUNNER_MAP_VARIABLE: Final = "BENTOML_RUNNER_MAP"


def prepare_to_serve(graph: ServiceGraph) -> None:
    """Called by BentoML in the process that is about to serve *graph*, before it builds its arbiter."""
    replace_next_arbiter(
        {service.name for service in graph.services},
        lambda request, is_threaded: BentoServer(graph, request, is_threaded=is_threaded),
    )


class BentoServer:
    """Stands where BentoML's command wants an arbiter.

    Args:
        graph: What is served.
        request: What BentoML was asked for.
        is_threaded: Whether :meth:`start` returns at once.

    Attributes:
        exit_stack: What BentoML wants to be closed in the end.
    """

    def __init__(self, graph: ServiceGraph, request: BentoRequest, *, is_threaded: bool) -> None:
        self.exit_stack = contextlib.ExitStack()
        self._plan = make_bento_plan(graph, request)
        self._request = request
        self._is_threaded = is_threaded
        self._supervisor: Supervisor | None = None
        self._thread: LoopThread | None = None
        self._is_up = threading.Event()
        for service in graph.services:
            for text in find_notices(service, service.config):
                logger.info("%s: %s", service.name, text)

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._supervisor is not None and self._supervisor.ready.is_set()

    def start(self, cb: Callable[[Any], Any] | None = None) -> None:
        """Serve until the end; with a thread of its own, return once everything is ready.

        Raises:
            BentoMLException: It was not started, or failed later.
        """
        if self._is_threaded:
            self._thread = LoopThread(f"bentoml-{self._plan.graph}")
            self._thread.start(lambda: self._run(cb))
            self._is_up.wait()
            if not self.running:
                self._join()
            return
        with self.exit_stack:
            _reporting(lambda: asyncio.run(self._run(cb)))

    def stop(self) -> None:
        """End; returns once everything is gone."""
        if self._thread is not None:
            self._thread.call_soon(self._request_stop)
            self._join()

    def _request_stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.request_stop("BentoML asked")

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            with self.exit_stack:
                _reporting(thread.join)

    async def _run(self, cb: Callable[[Any], Any] | None) -> None:
        try:
            printer = LinePrinter(STDOUT)
            self._supervisor = supervisor = Supervisor(
                self._plan, emit=_log_event, environ=dict(os.environ), show_lines=printer.show
            )
            async with contextlib.AsyncExitStack() as stack:
                stack.callback(printer.close)
                if not self._is_threaded:
                    stack.enter_context(stopped_by_signals(supervisor))
                helpers = [self._tell_ready(supervisor, cb)]
                if self._request.wants_reload:
                    helpers.append(_reload(supervisor, self._request.working_dir))
                tasks = [asyncio.get_running_loop().create_task(each) for each in helpers]
                stack.push_async_callback(_cancel, tasks)
                await supervisor.run()
        finally:
            self._is_up.set()

    async def _tell_ready(self, supervisor: Supervisor, cb: Callable[[Any], Any] | None) -> None:
        await supervisor.ready.wait()
        if cb is not None:
            cb(None)
        self._is_up.set()


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _reload(supervisor: Supervisor, folder: str) -> None:
    """Replace every worker when a Python file has changed; new workers that fail leave the old ones."""
    from watchfiles import PythonFilter, awatch  # BentoML requires it

    async for _ in awatch(folder, watch_filter=PythonFilter()):
        for group in supervisor.groups:
            try:
                await changes.restart(group)
            except ServiceFailedError as exc:
                logger.error("not reloaded: %s", exc)
                for line in exc.last_lines:
                    logger.error("  %s", line)


def _reporting(work: Callable[[], None]) -> None:
    """Do *work*, and raise what goes wrong as BentoML's command shows it."""
    try:
        work()
    except (StartError, ServiceFailedError) as exc:
        lines = "".join(f"\n  {line}" for line in exc.last_lines)
        raise BentoMLException(f"{exc}{lines}") from exc
    except DynamoError as exc:
        raise BentoMLException(str(exc)) from exc


def _log_event(event: ServiceEvent) -> None:
    worker = event.service if event.slot is None else f"{event.service}/{event.slot}"
    if event.kind in {"died", "failed", "degraded"}:
        logger.warning("%s %s: %s", worker, event.kind, event.detail)
    elif event.kind == "listening" and event.url is not None:
        logger.info("%s listens on %s", worker, event.url)
    else:
        logger.debug("%s %s %s", worker, event.kind, event.detail)


# --- the plan -----------------------------------------------------------------------------------------------


def make_bento_plan(graph: ServiceGraph, request: BentoRequest) -> RunPlan:
    """The plan of what BentoML was asked to serve.

    Services that BentoML would not start here are called where its runner map says that they are.

    Raises:
        StartError: A service depends on one that is neither started here nor known to be elsewhere.
    """
    services = tuple(
        _plan_service(graph, service, request)
        for service in graph.services
        if service.name in request.workers
    )
    return RunPlan(
        graph=graph.name,
        entry=request.entry,
        services=services,
        working_dir=request.working_dir,
        sys_path=caller_path(),
        source=BentoSource(identifier=request.identifier, arguments=request.arguments),
    )


def _plan_service(graph: ServiceGraph, service: ServiceDefinition, request: BentoRequest) -> ServicePlan:
    is_entry = service.name == request.entry
    config = attrs.evolve(service.config, workers=request.workers[service.name])
    if is_entry:
        config = _as_asked(config, request)
    http = http_address(attrs.evolve(service, config=config), is_entry=is_entry)
    if is_entry:
        http = HttpAddress(host=request.host, port=request.port)
    plan = plan_service(
        attrs.evolve(service, config=config),
        http=http,
        env_vars=_variables(graph, request, service.name),
        access_log=True,
    )
    here, elsewhere = {}, dict(plan.elsewhere)
    for attribute, name in plan.dependencies.items():
        if name in request.workers:
            here[attribute] = name
        elif name in request.addresses:
            target = ImportTarget.of(graph.find_service(name).inner)
            elsewhere[attribute] = Elsewhere(url=request.addresses[name], name=name, target=target)
        else:
            raise StartError(
                service.name,
                f"it depends on {name}, which is not started here, and BENTOML_RUNNER_MAP does not say where it is",
            )
    return attrs.evolve(plan, dependencies=here, elsewhere=elsewhere)


def _variables(graph: ServiceGraph, request: BentoRequest, name: str) -> dict[str, str]:
    """What BentoML alone knows to set: it gives the variables of its entry to every service, secrets and all."""
    known = {METRICS_VARIABLE, RUNNER_MAP_VARIABLE}
    for service in graph.services:
        known |= {*service.config.envs, *service.config.secrets}
    return {key: value for key, value in request.variables[name].items() if key not in known}


def _as_asked(config: ServiceConfig, request: BentoRequest) -> ServiceConfig:
    """The entry's configuration with what the command line of BentoML says."""
    http: dict[str, Any] = {"host": request.host, "port": request.port}
    if request.tls_certificate is not None:
        http.update(tls_certificate=request.tls_certificate, tls_key=request.tls_key)
    if request.keep_alive_s is not None:
        http["keep_alive_s"] = request.keep_alive_s
    config = attrs.evolve(config, http=attrs.evolve(config.http, **http))
    if request.grace_s is not None:
        supervision = attrs.evolve(config.supervision, stop_timeout_s=request.grace_s)
        config = attrs.evolve(config, supervision=supervision)
    return config
