"""Core's own pages: health, readiness, the OpenAPI document, and the page that draws it."""

from __future__ import annotations

import asyncio
import html
import importlib.resources
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.http.asgi import Exchange, Handler, send_body
from dynamo_core.http.problems import RETRY_AFTER_S, ProblemDocument, send_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dynamo_core.host import Host

logger = logging.getLogger(__name__)

HEALTH_PATH: Final = "/healthz"
READY_PATH: Final = "/readyz"
OPENAPI_PATH: Final = "/openapi.json"
DOCS_PATH: Final = "/docs"

_CHECK_TIMEOUT_S: Final = 5.0
_NO_STORE: Final = (b"cache-control", b"no-store")
_REVALIDATE: Final = (b"cache-control", b"no-cache")
_POLICY: Final = (
    b"content-security-policy",
    (
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
)
_REFERRER: Final = (b"referrer-policy", b"no-referrer")
_FILES: Final[Mapping[str, bytes]] = {
    "docs.css": b"text/css; charset=utf-8",
    "docs.js": b"text/javascript; charset=utf-8",
}


def make_pages(host: Host, *, title: str, describe: Callable[[], bytes]) -> dict[str, Handler]:
    """Make core's pages by path; all answer GET.

    Args:
        host: Says whether the service is alive and ready.
        title: Name of the API.
        describe: Gives the OpenAPI document as JSON.
    """
    pages: dict[str, Handler] = {
        HEALTH_PATH: _CheckPage(host.name, "alive", host.is_alive),
        READY_PATH: _CheckPage(host.name, "ready", host.is_ready),
        OPENAPI_PATH: _OpenApiPage(describe),
        DOCS_PATH: _FilePage("docs.html", b"text/html; charset=utf-8", title),
    }
    for name, content_type in _FILES.items():
        pages[f"{DOCS_PATH}/{name}"] = _FilePage(name, content_type)
    return pages


class _CheckPage:
    def __init__(self, service: str, state: str, check: Callable[[], Awaitable[bool]]) -> None:
        self._service = service
        self._state = state
        self._check = check
        self._body = msgspec.json.encode({"service": service, "status": state})

    async def __call__(self, exchange: Exchange) -> None:
        if await self._passes():
            await send_body(exchange.send, 200, b"application/json", self._body, (_NO_STORE,))
            return
        problem = ProblemDocument(
            status=503,
            detail=f"service {self._service!r} is not {self._state}",
            members={"kind": "ServiceUnavailableError", "service": self._service},
            headers=((b"retry-after", b"%d" % RETRY_AFTER_S), _NO_STORE),
        )
        await send_problem(exchange.send, problem)

    async def _passes(self) -> bool:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                return await self._check()
        except Exception:
            logger.exception("the check whether %s is %s failed", self._service, self._state)
            return False


class _OpenApiPage:
    def __init__(self, describe: Callable[[], bytes]) -> None:
        self._describe = describe
        self._body: bytes | None = None

    async def __call__(self, exchange: Exchange) -> None:
        if self._body is None:
            self._body = self._describe()
        await send_body(exchange.send, 200, b"application/json", self._body, (_REVALIDATE,))


class _FilePage:
    def __init__(self, name: str, content_type: bytes, title: str | None = None) -> None:
        self._name = name
        self._content_type = content_type
        self._title = title
        self._body: bytes | None = None

    async def __call__(self, exchange: Exchange) -> None:
        if self._body is None:
            self._body = await asyncio.to_thread(self._load)
        await send_body(exchange.send, 200, self._content_type, self._body, (_POLICY, _REFERRER, _REVALIDATE))

    def _load(self) -> bytes:
        text = (importlib.resources.files("dynamo_core.http") / "static" / self._name).read_text("utf-8")
        if self._title is not None:
            text = text.replace("{{title}}", html.escape(self._title))
        return text.encode()
