"""One request, one result: bodies, queries, content types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, StreamingResponse

from .serving_for_tests import DirectHost, build, client_of, route

ProblemOf = Callable[[httpx.Response, int], dict[str, Any]]


@dataclasses.dataclass
class Prompt:
    text: str
    count: int = 1


async def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


async def repeat(prompt: Prompt) -> dict[str, Any]:
    return {"text": prompt.text * prompt.count}


async def reverse(data: bytes) -> bytes:
    return data[::-1]


async def wrap(data: bytes, name: str) -> dict[str, bytes]:
    return {name: data}


async def nothing() -> None:
    return None


@route("GET", "/search")
async def search(q: str, limit: int = 10) -> list[str]:
    return [q] * limit


@route("GET", "/find")
async def find(prompt: Prompt) -> str:
    return prompt.text * prompt.count


@route("DELETE", "/items")
async def drop(name: str) -> str:
    return f"dropped {name}"


async def respond() -> Any:
    return JSONResponse({"made": "by hand"}, status_code=418, headers={"x-own": "1"})


async def respond_slowly() -> Any:
    async def parts() -> Any:
        yield b"a"
        yield b"b"

    return StreamingResponse(parts(), media_type="text/csv")


async def unsendable() -> int:
    return "not a number"


FUNCTIONS = (
    add,
    repeat,
    reverse,
    wrap,
    nothing,
    search,
    find,
    drop,
    respond,
    respond_slowly,
    unsendable,
)


@pytest.fixture(name="client")
def client_fixture() -> httpx.AsyncClient:
    return client_of(build(*FUNCTIONS))


async def test_parameters_by_name_make_the_body(client: httpx.AsyncClient) -> None:
    response = await client.post("/add", json={"a": 1, "b": 41})
    assert (response.status_code, response.json()) == (200, 42)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_default_may_be_left_out(client: httpx.AsyncClient) -> None:
    assert (await client.post("/add", json={"a": 1})).json() == 3


async def test_the_only_parameter_of_a_model_type_is_the_body(client: httpx.AsyncClient) -> None:
    response = await client.post("/repeat", json={"text": "ab", "count": 2})
    assert response.json() == {"text": "abab"}


async def test_a_json_media_type_with_suffix_or_charset_is_taken(client: httpx.AsyncClient) -> None:
    for content_type in ("application/vnd.x+json", "application/json; charset=UTF-8", "Application/JSON"):
        response = await client.post("/add", content=b'{"a": 1}', headers={"content-type": content_type})
        assert response.json() == 3, content_type


async def test_bytes_go_through_as_they_are(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/reverse", content=b"\x00\xff1", headers={"content-type": "application/octet-stream"}
    )
    assert response.content == b"1\xff\x00"
    assert response.headers["content-type"] == "application/octet-stream"


async def test_bytes_inside_json_are_base64(client: httpx.AsyncClient) -> None:
    response = await client.post("/wrap", json={"data": "AP8=", "name": "n"})
    assert response.json() == {"n": "AP8="}


async def test_no_parameters_need_no_body_and_none_is_null(client: httpx.AsyncClient) -> None:
    response = await client.post("/nothing")
    assert (response.status_code, response.content) == (200, b"null")
    assert (await client.post("/nothing", json={})).content == b"null"


async def test_get_takes_query_parameters(client: httpx.AsyncClient) -> None:
    assert (await client.get("/search", params={"q": "ä b", "limit": "2"})).json() == ["ä b", "ä b"]
    assert (await client.get("/find", params={"text": "x", "count": "3"})).json() == "xxx"


async def test_get_refuses_a_body(client: httpx.AsyncClient, problem_of: ProblemOf) -> None:
    problem_of(await client.request("GET", "/search", params={"q": "a"}, json={"q": "b"}), 400)


async def test_delete_takes_both(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/items", params={"name": "a"})).json() == "dropped a"
    assert (await client.request("DELETE", "/items", json={"name": "b"})).json() == "dropped b"


async def test_post_ignores_the_query(client: httpx.AsyncClient) -> None:
    assert (await client.post("/add?a=9&zzz=1", json={"a": 1})).json() == 3


async def test_a_response_object_passes_through(client: httpx.AsyncClient) -> None:
    response = await client.post("/respond")
    assert (response.status_code, response.json(), response.headers["x-own"]) == (
        418,
        {"made": "by hand"},
        "1",
    )
    streamed = await client.post("/respond_slowly")
    assert (streamed.text, streamed.headers["content-type"]) == ("ab", "text/csv; charset=utf-8")


async def test_every_bad_parameter_is_named(client: httpx.AsyncClient, problem_of: ProblemOf) -> None:
    document = problem_of(await client.post("/wrap", json={"data": 1, "extra": 2}), 422)
    assert {each["parameter"] for each in document["errors"]} == {"data", "name", "extra"}
    assert document["kind"] == "InvalidRequestError"
    assert (document["service"], document["endpoint"]) == ("Frontend", "wrap")


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("/add", b"not json", 400, "body"),
        ("/add", b"[" * 100_000 + b"]" * 100_000, 422, "body"),
        ("/add", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "a"),
        ("/add", b'{"a": ' + b"9" * 100_000 + b"}", 422, "a"),
        ("/add", b'{"a": NaN}', 400, "body"),
        ("/add", b'{"a": "\xff"}', 422, "a"),
        ("/add", b'{"a": 1, "c": 2}', 422, "c"),
        ("/add", b'{"a": "x"}', 422, "a"),
        ("/add", b"", 422, "a"),
        ("/add", b"[1]", 422, "body"),
        ("/repeat", b'{"text": "a", "more": 1}', 422, "prompt"),
        ("/repeat", b'{"text": 1}', 422, "prompt"),
        ("/repeat", b"{", 400, "prompt"),
        ("/repeat", b"", 422, "prompt"),
    ],
    ids=[
        "not-json",
        "nested-body",
        "nested-parameter",
        "long-number",
        "nan",
        "bad-utf8",
        "unknown-parameter",
        "wrong-type",
        "empty",
        "array",
        "unknown-field",
        "wrong-field",
        "cut-model",
        "empty-model",
    ],
)
async def test_bad_bodies_name_the_parameter_and_never_run_the_method(
    path: str, body: bytes, status: int, named: str, problem_of: ProblemOf
) -> None:
    host = DirectHost(*FUNCTIONS)
    async with client_of(build(direct=host)) as client:
        response = await client.post(path, content=body, headers={"content-type": "application/json"})
    document = problem_of(response, status)
    assert named in {each["parameter"] for each in document["errors"]}
    assert host.endpoint(path[1:]).contexts == []


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/add", {"content-type": "text/plain"}),
        ("/add", {"content-type": "application/x-www-form-urlencoded"}),
        ("/add", {"content-type": "application/octet-stream"}),
        ("/add", {"content-type": "application/json; charset=latin-1"}),
        ("/add", {"content-type": "application/x-python-pickle"}),
        ("/add", {}),
        ("/add", {"content-type": "application/json", "content-encoding": "gzip"}),
        ("/reverse", {"content-type": "application/json"}),
        ("/reverse", {"content-type": "image/png"}),
    ],
)
async def test_other_media_types_are_refused(
    path: str, headers: dict[str, str], client: httpx.AsyncClient, problem_of: ProblemOf
) -> None:
    problem_of(await client.post(path, content=b'{"a": 1}', headers=headers), 415)


async def test_bad_queries_are_refused(client: httpx.AsyncClient, problem_of: ProblemOf) -> None:
    assert problem_of(await client.get("/search?q=a&limit=x"), 422)["errors"][0]["parameter"] == "limit"
    problem_of(await client.get("/search?q=%ff"), 400)
    problem_of(await client.get("/search?q=1" + "&q=1" * 1001), 400)


async def test_a_result_that_does_not_fit_is_an_internal_error(
    client: httpx.AsyncClient, problem_of: ProblemOf, caplog: pytest.LogCaptureFixture
) -> None:
    document = problem_of(await client.post("/unsendable"), 500)
    assert "number" not in document["detail"]
    assert document["reference"] in caplog.text
