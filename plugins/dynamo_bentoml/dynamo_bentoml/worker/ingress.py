"""What answers HTTP: BentoML's application, with core's as a middleware in it.

A request goes through BentoML's own middlewares, so that its metrics and traces have it, to core's application. Only
BentoML's own routes go further: ``/metrics``, ``/docs.json`` and ``/schema.json``, and those of endpoints under
``/_bentoml/``; core's checks of hosts, origins and sizes hold for them as well, and they take JSON only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dynamo_bentoml.bento_service import ROUTES, offered_routes
from dynamo_core.http import build_application

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    import bentoml

    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.host import Host

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
        host: Runs the endpoints.
        definition: The service.
    """

    def __init__(self, app: Application, host: Host, definition: ServiceDefinition) -> None:
        http = host.config.http
        self._bentoml = app
        self._core = build_application(host, http, title=host.name, app=definition.app)
        # Core's checks around BentoML's routes; an endpoint with the path of one of them comes first there too.
        self._guarded = build_application(host, http, title=host.name, app=JsonOnly(app))
        self._passed = offered_routes(definition) | PAGES - _static_paths(definition.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on; BentoML's lifespan is its own."""
        if scope["type"] == "lifespan":
            await self._bentoml(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._passed:
            await self._guarded(scope, receive, send)
        else:
            await self._core(scope, receive, send)


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
            refusal = JSONResponse(problem, status_code=415, media_type="application/problem+json")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    encodings = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return (
        len(types) == 1 and types[0].split(b";")[0].strip().lower() == b"application/json" and not encodings
    )


def make_http_application(
    bento: bentoml.Service[Any], host: Host, definition: ServiceDefinition, bentoml_app: Application
) -> Application:
    """The whole application of a worker.

    Only requests whose path is known go through BentoML's middlewares: its metrics keep every path they have seen,
    and anybody can ask for paths without end.

    Args:
        bento: The BentoML service, whose middleware core's application is.
        host: Runs the endpoints.
        definition: The service.
        bentoml_app: BentoML's application of that service.
    """
    core = build_application(host, host.config.http, title=host.name, app=definition.app)
    known = {endpoint.api.path for endpoint in definition.api_endpoints if endpoint.api is not None}
    known |= PAGES | offered_routes(definition) | _static_paths(definition.app)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        inner = bentoml_app if scope["type"] == "http" and scope["path"] in known else core
        await inner(scope, receive, send)

    return application


def _static_paths(app: object) -> frozenset[str]:
    """Paths without parameters that the service's own application has routes for."""
    routes = getattr(app, "routes", ())
    paths = [getattr(route, "path", "") for route in routes]
    return frozenset(path for path in paths if path and "{" not in path)
