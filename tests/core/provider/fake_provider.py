"""A provider that runs nothing and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.definition import DependencyDefinition, EndpointDefinition, EndpointKind, ServiceDefinition
from dynamo_core.errors import Location, ServiceNotFoundError
from dynamo_core.provider import (
    BoundGraph,
    DependencyInterface,
    DeploymentTarget,
    LogLine,
    RunningServices,
    RunStatus,
    ServiceInterface,
    hookimpl,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Echo:
    """A service as users write them."""

    async def echo(self, text: str) -> str:
        return text

    async def stream(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    def sync(self, text: str) -> str:
        return text.upper()

    async def fail(self) -> None:
        raise ValueError("on purpose")

    async def wait(self) -> None:
        await asyncio.Event().wait()


def define(
    cls: type = Echo, *, depends_on: dict[str, type] | None = None, name: str = ""
) -> ServiceDefinition:
    """The definition of a class, without the machinery that reads it."""
    kinds = {"echo": EndpointKind.UNARY, "stream": EndpointKind.STREAM, "sync": EndpointKind.SYNC}
    here = Location("here.py", 1)
    config: Any = SimpleNamespace(envs={"A": "1"}, dynamo=SimpleNamespace(namespace="space", name=None))
    target: Any = f"here:{cls.__name__}"
    return ServiceDefinition(
        name=name or cls.__name__,
        inner=cls,
        config=config,
        endpoints={n: EndpointDefinition(name=n, attribute=n, kind=kind) for n, kind in kinds.items()},
        dependencies={
            attribute: DependencyDefinition(
                attribute=attribute, on=on, location=here, service_name=on.__name__
            )
            for attribute, on in (depends_on or {}).items()
        },
        location=here,
        target=target,
    )


class FakeDependency(DependencyInterface):
    def get(self) -> Any:
        return Echo()


class FakeRunning(RunningServices):
    """Answers at once."""

    plain = 7

    def __init__(self, asked: list[Any]) -> None:
        self.asked = asked
        self.closed_streams = 0
        self.waiting = asyncio.Event()

    async def status(self) -> RunStatus:
        return RunStatus(graph="Echo", provider="fake", state="ready")

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        self.asked.append(("wait_ready", timeout_s))

    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        self.asked.append(("scale", service, workers, reason))

    async def restart(self, service: str, *, reason: str | None = None) -> None:
        self.asked.append(("restart", service, reason))

    async def stop(self, *, reason: str | None = None) -> None:
        self.asked.append(("stop", reason))

    async def logs(self, service: str | None = None) -> AsyncIterator[LogLine]:
        try:
            for number in range(1000):
                yield LogLine(service=service or "Echo", slot=0, text=str(number))
        finally:
            self.closed_streams += 1

    def client(self, service: Any) -> Any:
        if service not in {Echo, "Echo"}:
            raise ServiceNotFoundError(str(service), known=["Echo"])
        return Echo()

    async def extra(self, number: int) -> int:
        return number + 1

    def later(self) -> Any:
        """Written with def, and asynchronous all the same."""
        return self.extra(1)

    async def wait_for_ever(self) -> None:
        self.waiting.set()
        await asyncio.Event().wait()


class FakeHooks:
    """Every hook, with what it was asked; *at_start* and *at_end* run inside the context."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.running: FakeRunning | None = None
        self.seen: list[BaseException | None] = []
        self.fail_at_start: BaseException | None = None
        self.fail_at_end: BaseException | None = None
        self.on_enter: Any = None

    @hookimpl
    def create_service(self, definition: ServiceDefinition, config: Any, options: Any) -> ServiceInterface:
        self.asked.append(("create_service", definition.name, options.color))
        return FakeService(definition, config)

    @hookimpl
    def create_dependency(
        self, definition: DependencyDefinition, on: Any, options: Any
    ) -> DependencyInterface:
        self.asked.append(("create_dependency", definition.attribute, None if on is None else on.name))
        return FakeDependency(definition, on)

    @hookimpl
    def run_services(self, services: BoundGraph, options: Any) -> Any:
        return self.run(services, options)

    @contextlib.asynccontextmanager
    async def run(self, services: BoundGraph, options: Any) -> AsyncIterator[FakeRunning]:
        self.asked.append(("start", services.name, options.color))
        if self.on_enter is not None:
            await self.on_enter()
        if self.fail_at_start is not None:
            raise self.fail_at_start
        self.running = FakeRunning(self.asked)
        try:
            yield self.running
        except BaseException as exc:
            self.seen.append(exc)
            raise
        finally:
            self.asked.append(("end",))
        if self.fail_at_end is not None:
            raise self.fail_at_end

    @hookimpl
    def serve_services(self, services: BoundGraph, options: Any) -> int:
        self.asked.append(("serve", services.name, options.color))
        return 7


class FakeService(ServiceInterface):
    pass


@attrs.frozen(kw_only=True)
class FakeOptions:
    color: str = attrs.field(default="red", validator=attrs.validators.in_(["red", "blue"]))
    size: int = attrs.field(default=1, converter=int)


class FakeTarget(DeploymentTarget):
    options_type = FakeOptions

    def __init__(self) -> None:
        self.given = FakeHooks()

    def hooks(self) -> FakeHooks:
        return self.given


def graph(*definitions: ServiceDefinition) -> Any:
    """A checked graph; the last one is its entry."""
    return SimpleNamespace(name=definitions[-1].name, entry=definitions[-1], services=definitions)
