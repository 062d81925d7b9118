"""A host without a service, clients in memory, and real servers on loopback ports."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import socket
import typing
from typing import Any

import attrs
import httpx

from dynamo_core.config import HttpConfig
from dynamo_core.definition import REQUIRED, ApiRoute, EndpointDefinition, EndpointKind, ParameterDefinition
from dynamo_core.errors import CallError, Location, RemoteCallError
from dynamo_core.http import build_application, serve_http
from dynamo_core.values import EndpointCodec

if typing.TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from dynamo_core.host import CallContext

SERVICE = "Frontend"


def route(method: str = "POST", path: str | None = None) -> Callable[[Any], Any]:
    """Choose the route of one of a ``DirectHost``'s functions."""

    def mark(function: Any) -> Any:
        function.route = (method, path)
        return function

    return mark


class DirectEndpoint:
    """Calls one plain function, as a host would."""

    def __init__(self, function: Callable[..., Any], slot: int) -> None:
        hints = typing.get_type_hints(function)
        method, path = getattr(function, "route", ("POST", None))
        result = hints.get("return", Any)
        self.is_stream = inspect.isasyncgenfunction(function)
        if self.is_stream and result is not Any:
            result = typing.get_args(result)[0]
        self.definition = EndpointDefinition(
            name=function.__name__,
            attribute=function.__name__,
            kind=EndpointKind.STREAM if self.is_stream else EndpointKind.UNARY,
            parameters=tuple(
                ParameterDefinition(
                    name=each.name,
                    annotation=hints.get(each.name, Any),
                    default=REQUIRED if each.default is each.empty else each.default,
                )
                for each in inspect.signature(function).parameters.values()
            ),
            result=result,
            api=ApiRoute(method=method, path=path or f"/{function.__name__}"),
            location=Location(__file__, function.__code__.co_firstlineno),
            doc=inspect.getdoc(function) or "",
        )
        self.codec = EndpointCodec(SERVICE, self.definition)
        self.slot = slot
        self.contexts: list[CallContext] = []
        self._function = function

    async def call(self, arguments: dict[str, object], call: CallContext) -> object:
        self.contexts.append(call)
        try:
            return await self._function(**arguments)
        except CallError:
            raise
        except Exception as exc:
            raise self._remote(exc) from exc

    async def stream(self, arguments: dict[str, object], call: CallContext) -> AsyncGenerator[object, None]:
        self.contexts.append(call)
        items = self._function(**arguments)
        try:
            async for item in items:
                yield item
        except CallError:
            raise
        except Exception as exc:
            raise self._remote(exc) from exc
        finally:
            await items.aclose()

    def _remote(self, exc: Exception) -> RemoteCallError:
        return RemoteCallError(
            type(exc).__name__, str(exc), service=SERVICE, slot=self.slot, endpoint=self.definition.name
        )


@attrs.frozen
class _Definition:
    name: str = SERVICE
    location: Location = attrs.field(factory=lambda: Location(__file__, 1))


class DirectHost:
    """A host whose endpoints are plain functions."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self.name = SERVICE
        self.slot = 0
        self.definition = _Definition()
        self.endpoints = tuple(DirectEndpoint(function, self.slot) for function in functions)
        self.ready = True
        self.alive = True

    def endpoint(self, name: str) -> DirectEndpoint:
        return next(each for each in self.endpoints if each.definition.name == name)

    async def is_ready(self) -> bool:
        return self.ready

    async def is_alive(self) -> bool:
        return self.alive


def build(
    *functions: Callable[..., Any],
    direct: DirectHost | None = None,
    app: object | None = None,
    **options: Any,
) -> Any:
    """Build an application over plain functions."""
    host: Any = DirectHost(*functions) if direct is None else direct
    return build_application(host, HttpConfig(**options), title="Frontend API", app=app)


def client_of(application: Any) -> httpx.AsyncClient:
    """Make a client that calls *application* in memory."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://localhost:8000")


@attrs.define
class RunningServer:
    """A server on a loopback port of its own."""

    host: str
    port: int
    stop: asyncio.Event

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    async def send_raw(self, *parts: bytes) -> bytes:
        """Send bytes on a new connection and give everything that comes back until it ends."""
        reader, writer = await self.open()
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                answer += chunk
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer


@contextlib.asynccontextmanager
async def serving(
    application: Any, *, grace_s: float = 5.0, config: HttpConfig | None = None, **options: Any
) -> AsyncIterator[RunningServer]:
    """Serve *application* on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = asyncio.Event()
    http = HttpConfig(**options) if config is None else config
    running = asyncio.create_task(serve_http(application, [listener], http, stop=stop, grace_s=grace_s))
    host, port = listener.getsockname()[:2]
    try:
        yield RunningServer(host, port, stop)
    finally:
        stop.set()
        await running


async def eventually(check: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait until *check* holds; fail loudly when it does not."""
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.005)


def statuses(answer: bytes) -> list[int]:
    """Give the status of every response in *answer*."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]
