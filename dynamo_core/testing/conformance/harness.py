"""How the tests of the kit get at a running graph, without asking for any pytest plugin.

Each graph runs on a thread with an event loop of its own, once for all tests of a class.
A test is a coroutine that :func:`on_loop` sends there.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import attrs
import pytest

from dynamo_core.config import Settings
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.provider import load_provider, select_provider
from dynamo_core.provider.binding import run_graph
from dynamo_core.provider.loop_thread import LoopThread
from dynamo_core.testing.conformance.ledger import Ledger
from dynamo_core.testing.conformance.needs import lacking, lacking_capability, skip_for

if TYPE_CHECKING:
    from dynamo_core.provider import DeploymentTarget, Manifest, RunningServices, ServiceEvent

T = TypeVar("T")

TEST_LIMIT_S: Final = 50.0
"""Seconds that one test may take on the loop; without it a provider that hangs would hang its tests."""

_limit_s = TEST_LIMIT_S

NO_OPTIONS: Final[Mapping[str, Any]] = MappingProxyType({})
_OPEN_RUNS: Final[pytest.StashKey[dict[object, OpenRun]]] = pytest.StashKey()


class Provider:
    """One installed provider, chosen by its exact name.

    Args:
        name: The name.
        options: What its ``run_services`` is given.

    Attributes:
        target: The loaded provider.
        manifest: What it says of itself.
        options: What its ``run_services`` is given.
    """

    target: DeploymentTarget
    manifest: Manifest
    options: Mapping[str, Any]

    def __init__(self, name: str, options: Mapping[str, Any] = NO_OPTIONS) -> None:
        selection = select_provider(
            name, environ={}, cwd=Path.cwd(), explicit_source="the fixture provider_name"
        )
        candidate = selection.candidate
        assert candidate is not None, f"select_provider() chose nothing for {name!r}"
        assert candidate.manifest is not None, f"provider {name!r} has no manifest"
        self.manifest = candidate.manifest
        self.target = load_provider(candidate)
        self.options = options

    @property
    def name(self) -> str:
        """Its name."""
        return self.manifest.name

    def run(self, graph: ServiceGraph, *listeners: Callable[[ServiceEvent], None]) -> Any:
        """Run a graph with it; what comes back is for ``async with`` or a plain ``with``."""
        return run_graph(self.target, graph, options=self.options, listeners=listeners)


class OpenRun:
    """A graph that runs on a thread of its own until :meth:`close`.

    Args:
        provider: Runs it.
        graph: What is run.

    Attributes:
        provider: Runs it.
        graph: What is run.
        services: The provider's ``RunningServices``; to be used on the loop.
    """

    services: RunningServices

    def __init__(self, provider: Provider, graph: ServiceGraph) -> None:
        self.provider = provider
        self.graph = graph
        self._thread = LoopThread(f"conformance-{graph.name}")
        self._is_open = threading.Event()
        self._end = asyncio.Event()
        self._thread.start(self._main)
        self._is_open.wait()
        if not hasattr(self, "services"):
            self._thread.join()  # raises why

    async def _main(self) -> None:
        try:
            async with self.provider.run(self.graph) as services:
                self.services = services
                self._is_open.set()
                await self._end.wait()
        finally:
            self._is_open.set()

    def client(self, service: type[T]) -> T:
        """A client for one of the services; to be used on the loop."""
        return self.services.client(service)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* on the loop, within the time limit of a test."""
        return self._thread.call(_limited(work))

    def http_url(self, service: str) -> str:
        """Where HTTP reaches a service."""
        status = self.do(self.services.status()).find_service(service)
        assert status is not None, f"the status does not speak of {service!r}"
        assert status.http_url is not None, (
            f"{service!r} has @api endpoints, and its status gives no http_url"
        )
        return status.http_url

    def close(self) -> None:
        """Stop the graph, and raise what went wrong in that."""
        self._thread.call_soon(self._end.set)
        self._thread.join()


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a coroutine an ordinary test, done on the loop of the fixture ``run``, which it asks for."""

    @functools.wraps(test)
    def do(self: Conformance, run: OpenRun, **fixtures: Any) -> None:
        run.do(test(self, run=run, **fixtures))

    return do


def on_own_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a coroutine an ordinary test, done on an event loop of its own: for tests that start and stop runs."""

    @functools.wraps(test)
    def do(self: Conformance, **fixtures: Any) -> None:
        asyncio.run(_limited(test(self, **fixtures)))

    return do


def limit_tests(seconds: float) -> None:
    """Let a test take that many seconds, and a ledger be waited for no longer; for providers known to hang."""
    global _limit_s  # noqa: PLW0603  # tests are functions, which nothing else can tell
    _limit_s = seconds
    Ledger.patience_s = min(Ledger.patience_s, seconds)


async def _limited(work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(_limit_s):
        return await work


def with_settings(graph: ServiceGraph, **settings: object) -> ServiceGraph:
    """The same graph, with these settings for every service."""
    given = Settings({name: str(value) for name, value in settings.items()})
    return graph.with_configs(
        {each.name: attrs.evolve(each.config, settings=given) for each in graph.services}
    )


class Conformance:
    """What all classes of the kit have in common; a subclass gives the fixture ``provider_name``.

    Attributes:
        entry: The service whose graph the tests run against.
    """

    entry: ClassVar[type]

    @pytest.fixture
    def provider_options(self) -> Mapping[str, Any]:
        """Options for ``run_services``; a subclass may give others."""
        return NO_OPTIONS

    @pytest.fixture
    def provider(
        self, provider_name: str, provider_options: Mapping[str, Any], request: pytest.FixtureRequest
    ) -> Provider:
        """The provider, if it can do what the test needs."""
        provider = Provider(provider_name, provider_options)
        reason = lacking(provider.manifest, type(self), request.function)
        if reason:
            missing = lacking_capability(provider.manifest, type(self), request.function)
            skip_for(request.node, missing, reason)
        return provider

    @pytest.fixture
    def keep_open(
        self, provider: Provider, request: pytest.FixtureRequest
    ) -> Callable[[object, Callable[[], OpenRun]], OpenRun]:
        """Gives the run of a key; it is started once for all tests of the class, and closed after them."""
        holder = request.node.getparent(pytest.Class)
        runs: dict[object, OpenRun] = holder.stash.setdefault(_OPEN_RUNS, {})

        def find_or_open(key: object, start: Callable[[], OpenRun]) -> OpenRun:
            key = (provider.name, key)
            if key not in runs:
                runs[key] = start()
                holder.addfinalizer(lambda: runs.pop(key).close())
            return runs[key]

        return find_or_open

    @pytest.fixture
    def open_run(
        self, provider: Provider, keep_open: Callable[[object, Callable[[], OpenRun]], OpenRun]
    ) -> Callable[[type], OpenRun]:
        """Gives the run of the graph of a service; it is started once for all tests of the class."""
        return lambda entry: keep_open(entry, lambda: OpenRun(provider, collect(entry)))

    @pytest.fixture
    def run(self, open_run: Callable[[type], OpenRun]) -> OpenRun:
        """The running graph of :attr:`entry`."""
        return open_run(self.entry)

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        """A fresh file in which workers note what happens to them."""
        return Ledger(tmp_path / "ledger")
