"""A service's own Starlette, FastAPI or plain ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from dynamo_core.config import HttpConfig
from dynamo_core.errors import DeclarationError, StartError
from dynamo_core.http import serve_http

from .serving_for_tests import build, client_of, serving

if TYPE_CHECKING:
    from starlette.requests import Request

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]


async def run() -> str:
    return "core"


async def own(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"own {request.method} {len(await request.body())}")


async def test_its_routes_stand_beside_the_endpoints(problem_of: ProblemOf) -> None:
    app = Starlette(routes=[Route("/own", own, methods=["GET", "POST"]), Route("/run", own, methods=["GET"])])
    async with client_of(build(run, app=app)) as client:
        assert (await client.get("/own")).text == "own GET 0"
        assert (await client.post("/run")).json() == "core"
        assert (await client.get("/run")).text == "own GET 0"
        problem_of(await client.get("/nowhere"), 404)
        assert (await client.put("/own")).status_code == 405
        assert (await client.get("/healthz")).status_code == 200


async def test_a_mount_gets_what_no_endpoint_takes() -> None:
    app = Starlette(routes=[Mount("/", routes=[Route("/{path:path}", own, methods=["GET", "POST"])])])
    async with client_of(build(run, app=app)) as client:
        assert (await client.post("/run")).json() == "core"
        assert (await client.post("/anything")).text == "own POST 0"


@pytest.mark.parametrize("path", ["/run", "/{name}"])
def test_a_clash_with_an_endpoint_names_both_places(path: str) -> None:
    app = Starlette(routes=[Route(path, own, methods=["POST"])])
    with pytest.raises(DeclarationError, match=r"endpoint 'run'.* POST /run") as caught:
        build(run, app=app)
    assert caught.value.problem.location is not None
    assert caught.value.problem.location.line == run.__code__.co_firstlineno
    assert f"{__file__}:{own.__code__.co_firstlineno}" in str(caught.value)


def test_a_clash_with_a_page_of_core_is_located() -> None:
    app = Starlette(routes=[Route("/healthz", own)])
    with pytest.raises(DeclarationError, match="GET /healthz") as caught:
        build(run, app=app)
    assert caught.value.problem.location is not None
    assert caught.value.problem.location.line == own.__code__.co_firstlineno


def test_what_is_no_application_is_refused() -> None:
    with pytest.raises(DeclarationError, match="ASGI application"):
        build(run, app=object())


async def test_the_guards_hold_for_its_routes_too(problem_of: ProblemOf) -> None:
    app = Starlette(routes=[Route("/own", own, methods=["POST"])])

    async def parts() -> AsyncIterator[bytes]:
        yield b"a" * 6
        yield b"a" * 6

    async with client_of(build(run, app=app, max_body_bytes=10)) as client:
        assert (await client.post("/own", content=b"a" * 10)).text == "own POST 10"
        problem_of(await client.post("/own", content=b"a" * 11), 413)
        problem_of(await client.post("/own", content=parts()), 413)
        problem_of(await client.post("/own", headers={"host": "evil.example"}), 421)
        problem_of(await client.post("/own", headers={"origin": "http://evil.example"}), 403)


async def test_a_plain_asgi_application_gets_the_rest() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await JSONResponse({"path": scope["path"]})(scope, receive, send)

    application = build(run, app=plain)
    async with serving(application) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.post("/run")).json() == "core"
        assert (await client.get("/x")).json() == {"path": "/x"}


async def test_its_lifespan_runs_and_its_state_arrives() -> None:
    events: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"color": "blue"}
        events.append("stop")

    async def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.color)

    app = Starlette(routes=[Route("/own", show)], lifespan=lifespan)
    async with serving(build(run, app=app)) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/own")).text == "blue"
        assert events == ["start"]
    assert events == ["start", "stop"]


async def test_a_lifespan_that_fails_fails_the_start() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    application = build(run, app=Starlette(lifespan=lifespan))
    listener = socket.create_server(("127.0.0.1", 0))
    with pytest.raises(StartError, match="no database"):
        await serve_http(application, [listener], HttpConfig(), stop=asyncio.Event(), grace_s=1)
    assert listener.fileno() == -1


class GeneratedPages(Starlette):
    """Generates a document and a page for it, as FastAPI does."""

    openapi_url = "/openapi.json"
    docs_url = "/docs"

    def openapi(self) -> dict[str, Any]:
        model = {"$ref": "#/components/schemas/Model"}
        problem = {"$ref": "#/components/schemas/Problem"}
        responses = {"200": model, "422": problem}
        return {
            "paths": {"/own": {"get": {"responses": responses}}, "/run": {"get": {"summary": "theirs"}}},
            "components": {
                "schemas": {"Model": {"type": "object"}, "Problem": {"type": "string"}},
                "securitySchemes": {"key": {"type": "apiKey"}},
            },
        }


async def test_generated_pages_make_room_for_cores_which_show_both() -> None:
    app = GeneratedPages(routes=[Route("/openapi.json", own), Route("/docs", own), Route("/redoc", own)])
    async with client_of(build(run, app=app)) as client:
        document = (await client.get("/openapi.json")).json()
        assert "docs.js" in (await client.get("/docs")).text
        assert (await client.get("/redoc")).text == "own GET 0"
    assert document["paths"]["/own"]["get"]["responses"]["422"] == {
        "$ref": "#/components/schemas/Problem_app"
    }
    assert set(document["paths"]["/run"]) == {"get", "post"}
    schemas = document["components"]["schemas"]
    assert schemas["Problem_app"] == {"type": "string"}
    assert schemas["Problem"]["type"] == "object"
    assert "securitySchemes" in document["components"]


async def _open_websocket(application: Any, **headers: str) -> list[str]:
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await application({"type": "websocket", "path": "/own", "headers": pairs}, receive, send)
    return sent


async def test_websockets_are_guarded_where_a_server_offers_them() -> None:
    async def accepting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    application = build(run, app=accepting)
    assert await _open_websocket(application, host="localhost") == ["websocket.accept"]
    assert await _open_websocket(application, host="evil.example") == ["websocket.close"]
    assert await _open_websocket(application, host="localhost", origin="http://evil.example") == [
        "websocket.close"
    ]
    assert await _open_websocket(build(run), host="localhost") == ["websocket.close"]
