"""Putting the application together, and sending each request to whom it belongs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.middleware.cors import CORSMiddleware

from dynamo_core.errors import DeclarationError, Location
from dynamo_core.http.asgi import NO_SNIFF, AsgiApplication, Exchange, Handler, Receive, Scope, Send
from dynamo_core.http.endpoints import make_handler
from dynamo_core.http.guard import RequestGuard
from dynamo_core.http.incoming import check_length, read_headers
from dynamo_core.http.lifespan import run_empty_lifespan
from dynamo_core.http.limited_body import LimitedBody
from dynamo_core.http.openapi import describe_api
from dynamo_core.http.own_application import OwnApplication
from dynamo_core.http.pages import make_pages
from dynamo_core.http.problems import RefusedError, refuse, refuse_unread, send_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.config import HttpConfig
    from dynamo_core.host import Host, HostedEndpoint

logger = logging.getLogger(__name__)

_CORS_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CORS_HEADERS: Final = ("accept", "content-type", "traceparent", "tracestate")

Routes = dict[str, dict[str, Handler]]


def assemble(
    host: Host, http: HttpConfig, *, title: str, version: str, app: object | None
) -> AsgiApplication:
    """Build the application; see :func:`dynamo_core.http.build_application`."""
    endpoints = [hosted for hosted in host.endpoints if hosted.definition.api is not None]
    own = None if app is None else OwnApplication(app, host.definition.location)

    def describe() -> bytes:
        other = None if own is None else own.describe()
        document = describe_api(host.name, endpoints, title=title, version=version, other=other)
        return msgspec.json.encode(document)

    routes = _route_endpoints(host, endpoints, own, http.max_body_bytes)
    for path, page in make_pages(host, title=title, describe=describe).items():
        _check_clash(own, "GET", path, "core's page", None)
        methods = routes.setdefault(path, {})
        methods.setdefault("GET", page)
        methods.setdefault("HEAD", page)
    return HttpApplication(routes, RequestGuard(http), http, own)


def _route_endpoints(
    host: Host, endpoints: Iterable[HostedEndpoint], own: OwnApplication | None, max_body_bytes: int
) -> Routes:
    routes: Routes = {}
    owners: dict[tuple[str, str], str] = {}
    for hosted in endpoints:
        definition = hosted.definition
        assert definition.api is not None
        method, path = definition.api.method, definition.api.path
        first = owners.setdefault((method, path), definition.name)
        if first != definition.name:
            raise DeclarationError(
                f"endpoint {definition.name!r} and endpoint {first!r} both claim {method} {path}; "
                "give one another path: @api(path=...)",
                definition.location,
            )
        _check_clash(own, method, path, f"endpoint {definition.name!r}", definition.location)
        routes.setdefault(path, {})[method] = make_handler(host, hosted, max_body_bytes)
    return routes


def _check_clash(
    own: OwnApplication | None, method: str, path: str, what: str, location: Location | None
) -> None:
    clash = None if own is None else own.find_clash(method, path)
    if clash is not None:
        raise DeclarationError(
            f"{what} and a route of the service's app ({clash}) both claim {method} {path}; give one another path",
            clash if location is None else location,
        )


class HttpApplication:
    """One service's ASGI application.

    Args:
        routes: Core's handlers by path and method.
        guard: Checks hosts and origins.
        http: Origins that CORS lets in, and the limit of bodies.
        own: The caller's own application; its routes come first.
    """

    def __init__(
        self, routes: Routes, guard: RequestGuard, http: HttpConfig, own: OwnApplication | None
    ) -> None:
        self._routes = routes
        self._guard = guard
        self._own = own
        self._max_body_bytes = http.max_body_bytes
        self._cors: AsgiApplication | None = None
        if http.cors_origins:
            self._cors = CORSMiddleware(
                self._answer_behind_cors,
                allow_origins=http.cors_origins,
                allow_methods=_CORS_METHODS,
                allow_headers=_CORS_HEADERS,
                expose_headers=("retry-after",),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        kind = scope["type"]
        if kind == "lifespan":
            await (run_empty_lifespan if self._own is None else self._own)(scope, receive, send)
            return
        try:
            headers = read_headers(scope)
            self._guard.check_host(headers)
            if kind != "http":
                self._guard.check_origin(kind, headers)
        except RefusedError as exc:
            logger.warning("refused a request: %s", exc)
            await (_close_websocket(send) if kind == "websocket" else send_problem(send, exc.problem))
            return
        if kind == "http":
            if self._cors is None:
                await self._answer(Exchange(scope, receive, send, headers))
            else:
                await self._cors(scope, receive, send)
        elif self._own is not None:
            await self._own(scope, receive, send)
        else:
            await _close_websocket(send)

    async def _answer_behind_cors(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(Exchange(scope, receive, send, read_headers(scope)))

    async def _answer(self, exchange: Exchange) -> None:
        scope, headers = exchange.scope, exchange.headers
        try:
            method = scope["method"]
            self._guard.check_origin(method, headers)
            path = _route_path(scope)
            methods = self._routes.get(path)
            handler = None if methods is None else methods.get(method)
            if handler is not None:
                await handler(exchange)
                return
            if self._own is not None and self._own.matches(scope, partly=methods is None):
                check_length(headers, self._max_body_bytes)
                body = LimitedBody(exchange.receive, exchange.send, self._max_body_bytes)
                await body.hand_to(self._own, scope)
                return
            if methods is None:
                raise refuse_unread(404, "nothing is served under this path; /docs lists what is")
            allowed = ", ".join(sorted({*methods, "OPTIONS"})).encode()
            if method != "OPTIONS":
                raise refuse(
                    405, f"this path takes {allowed.decode()}, not {method}", headers=((b"allow", allowed),)
                )
            await _send_options(exchange.send, allowed)
        except RefusedError as exc:
            await send_problem(exchange.send, exc.problem)


async def _close_websocket(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})


async def _send_options(send: Send, allowed: bytes) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed), NO_SNIFF]})
    await send({"type": "http.response.body", "body": b""})


def _route_path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path
