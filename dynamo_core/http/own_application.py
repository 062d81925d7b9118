"""The caller's own application beside core's routes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from starlette.routing import BaseRoute, Match, Mount, Route

from dynamo_core.errors import DeclarationError, Location
from dynamo_core.http.pages import DOCS_PATH, OPENAPI_PATH

if TYPE_CHECKING:
    from dynamo_core.http.asgi import AsgiApplication, Receive, Scope, Send

Document = Mapping[str, Any]  # JSON

_GENERATED_PAGES: Final = {"openapi_url": OPENAPI_PATH, "docs_url": DOCS_PATH}


class OwnApplication:
    """The ASGI application a service brings along, and what is known of its routes.

    A Starlette or FastAPI application tells its routes: those that match are its own, whatever else the path is.
    Any other ASGI callable gets every request that no route of core takes.

    Args:
        app: What the service declares.

    Raises:
        DeclarationError: It is not callable.
    """

    def __init__(self, app: object, location: Location) -> None:
        if not callable(app):
            raise DeclarationError(
                f"app must be an ASGI application, such as FastAPI(), got {type(app).__name__}", location
            )
        self.call = cast("AsgiApplication", app)
        self._app: Any = app  # Starlette, FastAPI, or any ASGI callable
        self._has_routes = hasattr(app, "routes") and hasattr(app, "router")
        self._generated = {
            path for name, path in _GENERATED_PAGES.items() if getattr(app, name, None) == path
        }

    @property
    def routes(self) -> list[BaseRoute]:
        """Its routes; empty when it does not tell."""
        return list(self._app.routes) if self._has_routes else []

    def find_clash(self, method: str, path: str) -> Location | None:
        """Find the route that claims *method* and *path*, too, and say where its function is.

        Mounts do not clash: they get what no endpoint takes.
        The pages that FastAPI generates (``/docs``, ``/openapi.json``) make room for core's, which show both.
        """
        if path in self._generated:
            return None
        for route in self.routes:
            if isinstance(route, Mount) or not isinstance(route, Route):
                continue
            if self._match(route, method, path) is Match.FULL:
                return _locate(route.endpoint)
        return None

    def matches(self, scope: Scope, *, partly: bool = False) -> bool:
        """Whether one of its routes takes the request; *partly*: the path fits, but not the method."""
        if not self._has_routes:
            return True
        wanted = (Match.FULL, Match.PARTIAL) if partly else (Match.FULL,)
        return any(route.matches(scope)[0] in wanted for route in self.routes)

    def describe(self) -> Document | None:
        """Give its OpenAPI document, when core's shows it."""
        if OPENAPI_PATH not in self._generated:
            return None
        describe = cast("Callable[[], Document]", self._app.openapi)
        return describe()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request over."""
        await self.call(scope, receive, send)

    @staticmethod
    def _match(route: BaseRoute, method: str, path: str) -> Match:
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        return route.matches(scope)[0]


def _locate(function: Callable[..., Any]) -> Location:
    for candidate in _unwrapped(function):
        code = getattr(candidate, "__code__", None)
        if code is not None:
            return Location(code.co_filename, code.co_firstlineno)
    return Location("<unknown>", 0)


def _unwrapped(function: Callable[..., Any]) -> Iterator[Any]:
    yield inspect.unwrap(function)
    yield getattr(function, "func", None)
    yield getattr(function, "__call__", None)  # noqa: B004  # an object with __call__ has its code there
