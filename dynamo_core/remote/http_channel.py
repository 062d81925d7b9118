"""The way to a service that runs elsewhere: calls as requests by core's HTTP contract."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import httpx

from dynamo_core.channel import Buffer, CallOptions, Channel
from dynamo_core.error_data import error_from_data
from dynamo_core.errors import (
    CallError,
    CallTimeoutError,
    EndpointNotFoundError,
    ServiceUnavailableError,
    WorkerLostError,
)
from dynamo_core.remote.http_values import JSON, LINES, OCTETS, HttpValues

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dynamo_core.definition import EndpointDefinition

ATTEMPTS: Final = 3
"""How often a call of an idempotent endpoint is made when the connection is lost."""

CONNECT_TIMEOUT_S: Final = 10.0
"""A call without a time limit does not wait for ever for a machine that does not answer."""

KEEP_ALIVE_S: Final = 2.0
"""Idle connections are closed before servers usually do it: a call could meet one that is just being closed."""

TRACE_HEADERS: Final = ("traceparent", "tracestate")
LONGEST_DETAIL: Final = 500


def _trust(url: str) -> ssl.SSLContext:
    """Which certificates are believed: those of the machine or SSL_CERT_FILE, or httpx's own where it has none."""
    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes nobody, and is made at once
    context = ssl.create_default_context()
    return context if context.cert_store_stats()["x509"] else httpx.create_ssl_context()


class NothingThereError(EndpointNotFoundError):
    """What answers at an address is a service, and has no such endpoint."""

    def __init__(self, service: str, endpoint: str, url: str) -> None:
        super().__init__(service, endpoint, known=())
        self.args = (
            f"nothing at {url} answers as endpoint {endpoint!r} of {service!r}; is another service there?",
        )


class HttpChannel(Channel):
    """Calls the ``@api`` endpoints of a service under one address.

    A call that its caller gives up closes its connection, which tells the far side to cancel. Which worker answers is
    for whatever is behind the address to decide, so that routing has no effect here.

    Args:
        service: Name of the service.
        url: Its base address.
        transport: For tests; None goes over the network.
    """

    def __init__(self, service: str, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._service = service
        self._url = url.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),  # a call has its own limit, or none
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE_S
            ),
            verify=_trust(self._url),
            transport=transport,
            trust_env=False,
        )
        self._values: dict[str, HttpValues] = {}

    @property
    def service(self) -> str:
        """Name of the service."""
        return self._service

    async def call(self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions) -> Buffer:
        """Make one call."""
        values = self._values_of(endpoint)
        try:
            async with asyncio.timeout(options.timeout_s):
                response = await self._send(endpoint, values, arguments, options)
                try:
                    body = await response.aread()
                except httpx.HTTPError as exc:
                    raise self._lost(endpoint, exc) from exc
                finally:
                    await response.aclose()
        except TimeoutError as exc:
            if isinstance(exc, CallError):
                raise
            raise CallTimeoutError(self._service, endpoint.name, timeout_s=options.timeout_s) from exc
        if response.status_code != httpx.codes.OK:
            raise self._failure(endpoint, response.status_code, body)
        self._check_type(response, OCTETS if values.gives_bytes else JSON)
        return values.read(json.dumps(_base64(body)).encode() if values.gives_bytes else body)

    async def stream(
        self, endpoint: EndpointDefinition, arguments: bytes, options: CallOptions
    ) -> AsyncGenerator[Buffer, None]:
        """Make one call whose result is a stream."""
        values = self._values_of(endpoint)
        deadline = None
        if options.timeout_s is not None:
            deadline = asyncio.get_running_loop().time() + options.timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._send(endpoint, values, arguments, options)
        except TimeoutError as exc:
            raise CallTimeoutError(self._service, endpoint.name, timeout_s=options.timeout_s) from exc
        try:
            if response.status_code != httpx.codes.OK:
                raise self._failure(endpoint, response.status_code, await self._read_all(response, endpoint))
            self._check_type(response, LINES)
            lines = response.aiter_lines()
            while (line := await self._next_line(lines, endpoint, options, deadline)) is not None:
                if line.startswith('{"error":'):
                    self._raise_if_failure(endpoint, line)
                if line:
                    yield values.read_item(line.encode())
        finally:
            await response.aclose()

    async def _next_line(
        self,
        lines: Any,
        endpoint: EndpointDefinition,
        options: CallOptions,
        deadline: float | None,
    ) -> str | None:
        try:
            async with asyncio.timeout_at(deadline):
                line: str = await anext(lines)
        except StopAsyncIteration:
            return None
        except TimeoutError as exc:
            raise CallTimeoutError(self._service, endpoint.name, timeout_s=options.timeout_s) from exc
        except httpx.HTTPError as exc:
            raise self._lost(endpoint, exc) from exc
        return line

    def _values_of(self, endpoint: EndpointDefinition) -> HttpValues:
        if endpoint.api is None:
            raise ServiceUnavailableError(
                self._service,
                f"it runs at {self._url}, and HTTP reaches its @api endpoints only, not {endpoint.name!r}",
            )
        values = self._values.get(endpoint.name)
        if values is None:
            values = self._values[endpoint.name] = HttpValues(self._service, endpoint)
        return values

    async def _send(
        self, endpoint: EndpointDefinition, values: HttpValues, arguments: bytes, options: CallOptions
    ) -> httpx.Response:
        """Send a request, and wait for the head of its answer."""
        assert endpoint.api is not None
        parts = values.write(arguments)
        headers = {name: text for name, text in options.metadata.items() if name in TRACE_HEADERS}
        headers["accept"] = f"{LINES}, {JSON}"
        if parts.content_type:
            headers["content-type"] = parts.content_type
        for attempt in range(1, ATTEMPTS + 1):
            request = self._client.build_request(
                endpoint.api.method,
                self._url + endpoint.api.path,
                params=parts.query or None,
                content=parts.content,
                headers=headers,
            )
            try:
                return await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as exc:
                raise ServiceUnavailableError(
                    self._service, f"{self._url} cannot be reached: {exc or type(exc).__name__}"
                ) from exc
            except httpx.HTTPError as exc:
                if not endpoint.idempotent or attempt == ATTEMPTS:
                    raise self._lost(endpoint, exc) from exc
        raise AssertionError("the last attempt returns or raises")

    def _check_type(self, response: httpx.Response, wanted: str) -> None:
        """Refuse what no service of the contract would have answered, such as the page of a proxy."""
        found = response.headers.get("content-type", "")
        if found.partition(";")[0].strip() != wanted:
            raise ServiceUnavailableError(
                self._service,
                f"{self._url} does not speak the HTTP contract: it answered {found or 'no type'}, not {wanted}",
            )

    async def _read_all(self, response: httpx.Response, endpoint: EndpointDefinition) -> bytes:
        try:
            return await response.aread()
        except httpx.HTTPError as exc:
            raise self._lost(endpoint, exc) from exc

    def _lost(self, endpoint: EndpointDefinition, exc: httpx.HTTPError) -> WorkerLostError:
        reason = f"the connection to {self._url} was lost: {exc or type(exc).__name__}"
        return WorkerLostError(self._service, 0, endpoint=endpoint.name, reason=reason)

    def _raise_if_failure(self, endpoint: EndpointDefinition, line: str) -> None:
        problem = json.loads(line).get("error")
        if isinstance(problem, Mapping) and isinstance(problem.get("status"), int):
            raise self._failure(endpoint, problem["status"], json.dumps(problem).encode())

    def _failure(self, endpoint: EndpointDefinition, status: int, body: bytes) -> CallError:
        """The error that a problem document stands for."""
        try:
            problem = json.loads(body)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"detail": body[:LONGEST_DETAIL].decode("utf-8", "replace")}
        kind, detail = problem.get("kind"), str(problem.get("detail", ""))
        if not isinstance(kind, str):
            if status == httpx.codes.NOT_FOUND and problem.get("status") == status:
                return NothingThereError(self._service, endpoint.name, self._url)
            return ServiceUnavailableError(self._service, f"{self._url} answered {status}: {detail}")
        errors = problem.get("errors") or []
        facts = {
            "kind": kind,
            "service": problem.get("service"),
            "endpoint": problem.get("endpoint"),
            "problems": {
                each.get("parameter"): each.get("detail") for each in errors if isinstance(each, dict)
            },
            "message": detail,
            "reason": detail,
            "type_name": kind,
        }
        return error_from_data(facts, service=self._service)

    async def aclose(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._client.aclose()


def _base64(body: bytes) -> str:
    import base64

    return base64.b64encode(body).decode()
