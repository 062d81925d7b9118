"""What answers HTTP: BentoML's application, with core's as a middleware in it.

A request goes through BentoML's own middlewares, so that its metrics and traces have it, to core's application. Only
BentoML's own routes go further: ``/metrics``, ``/docs.json`` and ``/schema.json``, and those of endpoints under
``/_bentoml/``; core's checks of hosts, origins and sizes hold for them as well, and they take JSON only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dynamo_bentoml.stand_in import ROUTES, offered_routes
from dynamo_core.http import build_application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from dynamo_bentoml.stand_in import StandInFacts

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGES: Final = frozenset({"/metrics", "/docs.json", "/schema.json"})
"""Pages of BentoML that stay where BentoML has them."""


class CoreIngress:
    """The middleware: core's application before BentoML's routes.

    Args:
        app: What BentoML has further in.
        facts: What the BentoML service stands for.
    """

    def __init__(self, app: Application, facts: StandInFacts) -> None:
        self._bentoml = app
        self._facts = facts
        self._served: _Served | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on; BentoML's lifespan is its own."""
        if scope["type"] == "lifespan":
            await self._bentoml(scope, receive, send)
            return
        served = self._served
        if served is None or served.host is not self._facts.host:
            served = self._served = _Served(self._bentoml, self._facts)
        is_passed = scope["type"] == "http" and scope["path"] in served.passed
        await (served.guarded if is_passed else served.core)(scope, receive, send)


class _Served:
    """Core's applications of one host.

    Attributes:
        host: Runs the endpoints.
        core: Its endpoints and pages.
        guarded: Core's checks around BentoML's routes; an endpoint with the path of one of them comes first there too.
        passed: Paths that go to BentoML.
    """

    def __init__(self, app: Application, facts: StandInFacts) -> None:
        host, definition = facts.host, facts.definition
        assert host is not None, "BentoML answers no request before the start hooks are done"
        http = host.config.http
        self.host = host
        self.core = build_application(host, http, title=host.name, app=definition.app)
        self.guarded = build_application(host, http, title=host.name, app=JsonOnly(app))
        self.passed = offered_routes(definition) | PAGES - static_paths(definition.app)


class JsonOnly:
    """Refuses what BentoML would take besides JSON, before anything of it is read: pickles above all.

    Args:
        app: BentoML's application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on one request if its body is JSON, or none is to be read."""
        if scope["path"].startswith(ROUTES) and not _is_json(scope):
            from starlette.responses import JSONResponse

            problem = {
                "type": "about:blank",
                "title": "Unsupported Media Type",
                "status": 415,
                "detail": "send application/json",
            }
            refusal = JSONResponse(
                problem,
                status_code=415,
                media_type="application/problem+json",
                headers={"connection": "close"},  # the body is not read
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    encodings = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return (
        len(types) == 1 and types[0].split(b";")[0].strip().lower() == b"application/json" and not encodings
    )


def make_http_application(facts: StandInFacts, bentoml_app: Application) -> Application:
    """The whole application of a worker.

    Only requests whose path is known go through BentoML's middlewares: its metrics keep every path they have seen,
    and anybody can ask for paths without end.

    Args:
        facts: What the BentoML service stands for.
        bentoml_app: BentoML's application, in which core's is a middleware.
    """
    host, definition = facts.host, facts.definition
    assert host is not None, "it has been started"
    core = build_application(host, host.config.http, title=host.name, app=definition.app)
    known = {endpoint.api.path for endpoint in definition.api_endpoints if endpoint.api is not None}
    known |= PAGES | offered_routes(definition) | static_paths(definition.app)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        inner = bentoml_app if scope["type"] == "http" and scope["path"] in known else core
        await inner(scope, receive, send)

    return application


def static_paths(app: object) -> frozenset[str]:
    """Paths without parameters that the service's own application has routes for."""
    routes = getattr(app, "routes", ())
    paths = [getattr(route, "path", "") for route in routes]
    return frozenset(path for path in paths if path and "{" not in path)
