"""Health, readiness, the OpenAPI document and the page that draws it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import httpx

from .serving_for_tests import DirectHost, build, client_of, route

if TYPE_CHECKING:
    import pytest

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]


@dataclasses.dataclass
class Prompt:
    text: str
    count: int = 1


async def repeat(prompt: Prompt) -> Prompt:
    """Say it again.

    As often as asked.
    """
    return prompt


async def words(text: str, sep: str = " ") -> AsyncIterator[str]:
    for word in text.split(sep):
        yield word


@route("GET", "/search")
async def search(q: str, limit: int = 10) -> list[str]:
    return [q] * limit


async def reverse(data: bytes) -> bytes:
    return data[::-1]


FUNCTIONS = (repeat, words, search, reverse)


async def test_health_and_readiness_follow_the_host(problem_of: ProblemOf) -> None:
    host = DirectHost(*FUNCTIONS)
    async with client_of(build(direct=host)) as client:
        for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
            response = await client.get(path)
            assert response.json() == {"service": "Frontend", "status": status}
            assert response.headers["cache-control"] == "no-store"
        host.ready = False
        problem_of(await client.get("/readyz"), 503)
        assert (await client.get("/healthz")).status_code == 200
        host.alive = False
        response = await client.get("/healthz")
        problem_of(response, 503)
        assert response.headers["retry-after"] == "1"
        assert (await client.head("/healthz")).status_code == 503


async def test_a_check_that_raises_fails(problem_of: ProblemOf, caplog: pytest.LogCaptureFixture) -> None:
    host = DirectHost()

    async def broken() -> bool:
        raise LookupError("secret")

    host.is_ready = broken
    async with client_of(build(direct=host)) as client:
        response = await client.get("/readyz")
    problem_of(response, 503)
    assert "secret" not in response.text
    assert "secret" in caplog.text


async def test_the_openapi_document_describes_every_endpoint() -> None:
    async with client_of(build(*FUNCTIONS)) as client:
        response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Frontend API", "version": "0.1.0"}
    assert set(document["paths"]) == {"/repeat", "/words", "/search", "/reverse"}
    operation = document["paths"]["/repeat"]["post"]
    assert (operation["summary"], operation["description"]) == ("Say it again.", "As often as asked.")
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Prompt"}
    assert document["components"]["schemas"]["Prompt"]["required"] == ["text"]
    stream = document["paths"]["/words"]["post"]["responses"]["200"]["content"]
    assert list(stream) == ["application/x-ndjson", "text/event-stream", "text/plain"]
    parameters = document["paths"]["/search"]["get"]["parameters"]
    assert [(each["name"], each["required"]) for each in parameters] == [("q", True), ("limit", False)]
    raw = document["paths"]["/reverse"]["post"]
    assert list(raw["requestBody"]["content"]) == ["application/octet-stream"]
    assert list(raw["responses"]["200"]["content"]) == ["application/octet-stream"]
    references = set(re.findall(r'"\$ref": ?"([^"]+)"', response.text))
    names = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert names <= set(document["components"]["schemas"])


async def test_every_status_of_the_document_is_a_problem() -> None:
    async with client_of(build(*FUNCTIONS)) as client:
        document = (await client.get("/openapi.json")).json()
    for status, response in document["paths"]["/repeat"]["post"]["responses"].items():
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"], status


async def test_the_docs_page_needs_nothing_from_outside() -> None:
    async with client_of(build(*FUNCTIONS)) as client:
        page = await client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "Frontend API" in page.text
        files = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
        assert sorted(files) == ["docs/docs.css", "docs/docs.js"]
        texts = [page.text, *[(await client.get(f"/{name}")).text for name in files]]
    for text in texts:
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
        assert "@import" not in text
    assert " style=" not in page.text
    assert " on" + "click=" not in page.text


async def test_the_title_is_escaped() -> None:
    from dynamo_core.config import HttpConfig
    from dynamo_core.http import build_application

    host: Any = DirectHost()
    async with client_of(build_application(host, HttpConfig(), title="<script>x</script>")) as client:
        assert "<script>x" not in (await client.get("/docs")).text


async def test_pages_answer_head_without_a_body_on_a_server() -> None:
    async with client_of(build(*FUNCTIONS)) as client:
        response = await client.head("/docs")
        assert response.status_code == 200
        assert int(response.headers["content-length"]) > 0
