"""The two functions of this package, importable without the libraries they need."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import EXIT_NOT_STARTED, DynamoError

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Sequence

    from dynamo_core.config import HttpConfig
    from dynamo_core.host import Host
    from dynamo_core.http.asgi import AsgiApplication

_NEEDED_BY_APPLICATION: Final = ("starlette",)
_NEEDED_BY_SERVER: Final = ("uvicorn", "httptools")


class MissingExtraError(DynamoError, ImportError):
    """Libraries of the extra ``http`` are not installed.

    Attributes:
        missing: Names of the libraries.
    """

    exit_code = EXIT_NOT_STARTED

    def __init__(self, missing: Sequence[str]) -> None:
        names = ", ".join(missing)
        super().__init__(f"HTTP needs {names}, not installed here: pip install 'dynamo-core[http]'")
        self.missing = tuple(missing)


def build_application(
    host: Host,
    http: HttpConfig,
    *,
    title: str,
    version: str = "0.1.0",
    app: object | None = None,
) -> AsgiApplication:
    """Build the ASGI application of one service.

    Args:
        host: Runs the endpoints; need not be started yet.
        http: Limits, allowed hosts and origins.
        title: Name of the API in ``/openapi.json`` and on ``/docs``.
        version: Its version there.
        app: The caller's own Starlette or FastAPI application, or any ASGI callable; its lifespan runs.

    Raises:
        DeclarationError: Two endpoints, or an endpoint and a route of *app*, claim one method and path.
        MissingExtraError: Starlette is not installed.
    """
    _require(_NEEDED_BY_APPLICATION)
    from dynamo_core.http.assembly import assemble  # needs the extra

    return assemble(host, http, title=title, version=version, app=app)


async def serve_http(
    application: AsgiApplication,
    sockets: Sequence[socket.socket],
    http: HttpConfig,
    *,
    stop: asyncio.Event,
    grace_s: float | Callable[[], float],
) -> None:
    """Serve *application* on listening sockets until *stop* is set, then finish what is running.

    Runs in the calling loop; touches no signal handler and no logging configuration.

    Args:
        application: What :func:`build_application` gave, or any ASGI application; an ``HttpGate`` is told once
            connections are accepted.
        sockets: Listening stream sockets; they are closed in the end.
        http: Limits and TLS.
        stop: Set by the caller to stop: nothing more is accepted, idle connections close.
        grace_s: Seconds that requests may then take to finish, or what tells, again and again, how many are left; what
            has not finished by then is cut off.

    Raises:
        ConfigError: The TLS certificate or key cannot be used.
        StartError: The start of the application's lifespan failed.
        MissingExtraError: uvicorn or httptools is not installed.
    """
    _require(_NEEDED_BY_SERVER)
    from dynamo_core.http.serving import serve  # needs the extra

    await serve(application, sockets, http, stop=stop, grace_s=grace_s)


def _require(names: Sequence[str]) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(missing)
