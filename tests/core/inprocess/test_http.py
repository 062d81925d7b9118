"""HTTP of services that run in one process."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dynamo_core import api, current_call, depends, endpoint, service
from dynamo_core.errors import AddressInUseError, ConfigError, StartError
from dynamo_core.graph import collect
from dynamo_core.http import MissingExtraError, interface
from dynamo_core.inprocess import running as running_module

from .running_for_tests import Told, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@service(http={"port": 0})
class Inner:
    @api
    async def inner(self) -> str:
        return "inner"


@service(http={"port": 0}, workers=2)
class Outer:
    inner_service = depends(Inner)

    @api
    async def outer(self) -> str:
        return f"outer of {await self.inner_service.inner()}"

    @api
    async def slot(self) -> int:
        call = current_call()
        return -1 if call is None else call.slot

    @endpoint
    async def hidden(self) -> str:
        return "hidden"


async def ask(url: str | None, path: str) -> Any:
    assert url is not None
    async with httpx.AsyncClient(base_url=url) as client:
        return (await client.post(path)).json()


async def url_of(services: Any, service_name: str) -> str | None:
    url: str | None = (await services.status()).find_service(service_name).http_url
    return url


async def test_every_service_with_routes_listens():
    told = Told()
    async with running(Outer, told, http=True) as services:
        assert await ask(await url_of(services, "Outer"), "/outer") == "outer of inner"
        assert await ask(await url_of(services, "Inner"), "/inner") == "inner"
        told_urls = {event.service: event.url for event in told.events if event.kind == "listening"}
        assert told_urls == {name: await url_of(services, name) for name in ("Inner", "Outer")}


async def test_nothing_listens_when_http_is_off():
    async with running(Outer, http=False) as services:
        assert await url_of(services, "Outer") is None


async def test_http_goes_on_over_restart_and_scale():
    async with running(Outer, http=True) as services:
        url = await url_of(services, "Outer")
        await services.restart("Outer")
        await services.scale("Outer", 1)
        assert await url_of(services, "Outer") == url
        assert [await ask(url, "/slot") for _ in range(5)] == [0] * 5


async def test_nothing_listens_after_the_end():
    async with running(Inner, http=True) as services:
        url = await url_of(services, "Inner")
    with pytest.raises(httpx.ConnectError):
        await ask(url, "/inner")


async def test_port_that_is_taken_is_told_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        graph = collect(Outer)
        config = type(graph.entry.config)({"http": {"port": port}})
        told = Told()
        with pytest.raises(AddressInUseError) as caught:
            async with running(graph.with_configs({"Outer": config}), told, http=True):
                raise AssertionError("the run was given out")
    assert (caught.value.port, caught.value.service) == (port, "Outer")
    assert told.events == []


async def test_host_that_cannot_be_listened_on():
    config = type(collect(Inner).entry.config)({"http": {"host": "192.0.2.1", "port": 0}})
    with pytest.raises(StartError, match=r"192\.0\.2\.1") as caught:
        async with running(collect(Inner).with_configs({"Inner": config}), http=True):
            raise AssertionError("the run was given out")
    assert caught.value.service == "Inner"


async def test_missing_libraries_are_told_when_http_was_asked_for(monkeypatch):
    monkeypatch.setattr(interface, "_NEEDED_BY_APPLICATION", ("no_such_library",))
    with pytest.raises(MissingExtraError, match=r"dynamo-core\[http\]"):
        async with running(Inner, http=True):
            raise AssertionError("the run was given out")


async def test_missing_libraries_leave_http_out_when_it_was_not_asked_for(monkeypatch):
    monkeypatch.setattr(running_module, "_LIBRARIES_OF_HTTP", ("no_such_library",))
    told = Told()
    async with running(Inner, told, http=None) as services:
        assert await url_of(services, "Inner") is None
        assert await services.client(Inner).inner() == "inner"
    assert [event.service for event in told.events if event.kind == "message"] == ["Inner"]


async def test_failing_lifespan_fails_the_start():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    @service(http={"port": 0}, app=app)
    class WithApp:
        @api
        async def hello(self) -> str:
            return "hello"

    with pytest.raises(StartError, match="no database") as caught:
        async with running(WithApp, http=True):
            raise AssertionError("the run was given out")
    assert caught.value.service == "WithApp"


async def test_lifespan_of_an_own_application_is_run():
    from fastapi import FastAPI

    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        steps.append("began")
        yield
        steps.append("ended")

    own = FastAPI(lifespan=lifespan)

    @own.get("/own")
    async def own_route() -> str:
        return "own"

    @service(http={"port": 0}, app=own)
    class WithApp:
        @api
        async def hello(self) -> str:
            return "hello"

    async with running(WithApp, http=True) as services:
        assert steps == ["began"]
        url = await url_of(services, "WithApp")
        assert await ask(url, "/hello") == "hello"
        async with httpx.AsyncClient(base_url=url or "") as client:
            assert (await client.get("/own")).json() == "own"
    assert steps == ["began", "ended"]


async def test_certificate_that_cannot_be_used_fails_the_start(tmp_path):
    config = type(collect(Inner).entry.config)(
        {"http": {"port": 0, "tls_certificate": str(tmp_path / "missing.pem")}}
    )
    with pytest.raises(ConfigError, match=r"missing\.pem"):
        async with running(collect(Inner).with_configs({"Inner": config}), http=True):
            raise AssertionError("the run was given out")
