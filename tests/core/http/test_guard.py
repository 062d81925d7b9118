"""Hosts and origins: DNS rebinding, calls from other sites, CORS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .serving_for_tests import DirectHost, build, client_of, serving, statuses

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]


async def run() -> str:
    return "ran"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "mine.test:80", "a.example.org"]
)
async def test_names_of_a_loopback_bind_and_allowed_ones_are_served(host: str) -> None:
    async with client_of(build(run, allowed_hosts=("mine.test", "*.example.org"))) as client:
        assert (await client.post("/run", headers={"host": host})).json() == "ran"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("example.org", 421),
        ("0.0.0.0", 421),
        ("", 400),
        ("local host", 400),
        ("localhost:x", 400),
        ("localhost@evil.example", 400),
        ("localhost, evil.example", 400),
    ],
)
async def test_other_hosts_are_refused_on_a_loopback_bind(
    host: str, status: int, problem_of: ProblemOf
) -> None:
    direct = DirectHost(run)
    async with client_of(build(direct=direct, allowed_hosts=("*.example.org",))) as client:
        problem_of(await client.post("/run", headers={"host": host}), status)
        problem_of(await client.get("/docs", headers={"host": host}), status)
    assert direct.endpoint("run").contexts == []


async def test_missing_and_repeated_hosts_are_refused() -> None:
    direct = DirectHost(run)
    async with serving(build(direct=direct)) as server:
        line = b"POST /run HTTP/1.1\r\n"
        for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n", b"Host: evil.example\r\n"):
            answer = await server.send_raw(line + hosts + b"Content-Length: 0\r\n\r\n")
            assert statuses(answer) == ([421] if b"evil" in hosts else [400])
    assert direct.endpoint("run").contexts == []


async def test_repeated_single_headers_are_refused_in_memory_too(problem_of: ProblemOf) -> None:
    async with client_of(build(run)) as client:
        request = client.build_request("POST", "/run")
        request.headers = httpx.Headers([(b"host", b"localhost"), (b"host", b"evil.example")])
        problem_of(await client.send(request), 400)


async def test_any_host_is_served_on_a_wide_bind_unless_a_list_says_otherwise(problem_of: ProblemOf) -> None:
    async with client_of(build(run, host="0.0.0.0")) as client:
        assert (await client.post("/run", headers={"host": "any.example"})).json() == "ran"
    async with client_of(build(run, host="0.0.0.0", allowed_hosts=("mine.example",))) as client:
        assert (await client.post("/run", headers={"host": "mine.example:8000"})).json() == "ran"
        problem_of(await client.post("/run", headers={"host": "any.example"}), 421)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:9000", "http://localhost", "", "localhost:8000"],
)
async def test_posts_of_other_sites_are_refused(origin: str, problem_of: ProblemOf) -> None:
    direct = DirectHost(run)
    async with client_of(build(direct=direct)) as client:
        response = await client.post("/run", headers={"origin": origin})
        problem_of(response, 403)
        assert "access-control-allow-origin" not in response.headers
        assert (await client.get("/healthz", headers={"origin": origin})).status_code == 200
    assert direct.endpoint("run").contexts == []


async def test_posts_of_the_own_site_are_served() -> None:
    async with client_of(build(run, host="0.0.0.0")) as client:
        for host, origin in (
            ("localhost:8000", "http://localhost:8000"),
            ("api.example", "https://api.example"),
            ("api.example:443", "https://api.example"),
            ("API.example", "http://api.EXAMPLE"),
        ):
            response = await client.post("/run", headers={"host": host, "origin": origin})
            assert response.json() == "ran", (host, origin)


async def test_cors_lets_in_the_configured_origins_only(problem_of: ProblemOf) -> None:
    async with client_of(build(run, cors_origins=("https://app.example",))) as client:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        good, bad = {"origin": "https://app.example"}, {"origin": "https://evil.example"}
        preflight = await client.options("/run", headers={**good, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        assert (await client.options("/run", headers={**bad, **asked})).status_code == 400
        response = await client.post("/run", headers=good)
        assert response.json() == "ran"
        assert response.headers["access-control-allow-origin"] == "https://app.example"
        problem_of(await client.post("/run", headers=bad), 403)
        missing = await client.post("/nowhere", headers=good)
        assert problem_of(missing, 404)
        assert missing.headers["access-control-allow-origin"] == "https://app.example"


async def test_cors_for_every_origin() -> None:
    async with client_of(build(run, cors_origins=("*",))) as client:
        response = await client.post("/run", headers={"origin": "https://any.example"})
        assert (response.json(), response.headers["access-control-allow-origin"]) == ("ran", "*")
