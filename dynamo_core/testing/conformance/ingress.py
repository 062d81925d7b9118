"""HTTP: the contract of ``docs/reference/http-contract.md``, as a client meets it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import pytest

from dynamo_core.testing.conformance.harness import Conformance, OpenRun
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.services.web import Web

if TYPE_CHECKING:
    from dynamo_core.testing.conformance.ledger import Ledger

TIMEOUT_S = 20.0
JSON = "application/json"
PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    """One response.

    Attributes:
        status: Its status.
        headers: Its headers.
        body: What arrived of its body.
        is_complete: Whether all of it did.
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    is_complete: bool

    @property
    def content_type(self) -> str:
        """Its media type, without parameters."""
        return str(self.headers["content-type"]).split(";")[0]

    @property
    def lines(self) -> list[Any]:
        """Its body as lines of JSON."""
        return [json.loads(line) for line in self.body.splitlines()]


class Browser:
    """Sends requests to one service, each on a connection of its own.

    Args:
        url: Where it is.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 0)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request and read the answer, as far as it goes."""
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            try:
                return Answer(response.status, response.headers, response.read(), True)
            except http.client.IncompleteRead as cut:
                return Answer(response.status, response.headers, cut.partial, False)
        finally:
            connection.close()

    def post(self, path: str, arguments: object, **headers: str) -> Answer:
        """Send a JSON document."""
        return self.send("POST", path, json.dumps(arguments).encode(), content_type=JSON, **headers)

    def problem(self, answer: Answer, status: int) -> dict[str, Any]:
        """The problem document of a refused request."""
        assert answer.status == status, answer.body
        assert answer.content_type == PROBLEM
        document: dict[str, Any] = json.loads(answer.body)
        assert document["status"] == status
        assert document["title"]
        return document


@needs("http")
class HttpConformance(Conformance):
    """The same request gets the same status, content type and body on every provider."""

    entry: ClassVar[type] = Web

    @pytest.fixture
    def web(self, run: OpenRun) -> Browser:
        """Sends requests to the running service."""
        return Browser(run.http_url("Web"))

    def test_parameters_by_name(self, web: Browser) -> None:
        """An object of parameters; the result is JSON."""
        answer = web.post("/add", {"a": 1, "b": 41})
        assert (answer.status, answer.content_type, answer.body) == (200, JSON, b"42")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert web.post("/add", {"a": 1}).body == b"3"

    def test_model_as_body(self, web: Browser) -> None:
        """A lone model is the body itself."""
        answer = web.post("/repeat", {"text": "ab", "count": 2})
        assert json.loads(answer.body) == {"text": "abab", "count": 1}

    def test_bytes_as_body(self, web: Browser) -> None:
        """Lone bytes come and go as they are."""
        answer = web.send("POST", "/reverse", b"abc\x00", content_type="application/octet-stream")
        assert (answer.status, answer.content_type) == (200, "application/octet-stream")
        assert answer.body == b"\x00cba"

    def test_query_parameters(self, web: Browser) -> None:
        """GET takes its parameters from the query, at the path that was chosen."""
        answer = web.send("GET", "/search?q=hello&limit=3")
        assert (answer.status, json.loads(answer.body)) == (200, ["hello"] * 3)

    @needs("sync_endpoints")
    def test_blocking_endpoint_through_a_dependency(self, web: Browser) -> None:
        """A ``def`` endpoint answers too, and calls another service."""
        assert web.post("/shout", {"text": "hello"}).body == b'"HELLO"'

    @needs("streams")
    def test_stream_as_lines(self, web: Browser) -> None:
        """Without a wish, a stream is lines of JSON."""
        answer = web.post("/words", {"text": "a stream"})
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        assert answer.body == b'"a"\n"stream"\n'

    @needs("streams")
    def test_stream_as_events(self, web: Browser) -> None:
        """Server-sent events, with one that says that the stream is complete."""
        answer = web.post("/words", {"text": "a stream"}, accept="text/event-stream")
        assert answer.content_type == "text/event-stream"
        assert answer.body == b'data: "a"\n\ndata: "stream"\n\nevent: end\ndata: {}\n\n'

    @needs("streams")
    def test_stream_as_text(self, web: Browser) -> None:
        """Items that are text, with nothing around them."""
        answer = web.post("/words", {"text": "a stream"}, accept="text/plain")
        assert (answer.content_type, answer.body) == ("text/plain", b"astream")

    @needs("streams")
    def test_stream_through_a_dependency(self, web: Browser) -> None:
        """Items of another service, of both kinds of generators."""
        assert web.post("/far_count", {"to": 500}).lines == list(range(500))
        assert web.post("/letters", {"text": "abc"}).lines == ["a", "b", "c"]

    @needs("streams")
    def test_broken_stream_does_not_look_complete(self, web: Browser) -> None:
        """After a failure the last line tells of it, and the body is cut."""
        answer = web.post("/breaking", {"count": 2})
        assert answer.status == 200
        assert not answer.is_complete
        *items, last = answer.lines
        assert items == [0, 1]
        assert last["error"]["status"] == 500
        assert b"only the log" not in answer.body

    @needs("streams")
    def test_stream_that_fails_at_once_has_its_own_status(self, web: Browser) -> None:
        """Nothing was sent yet, so the failure can still be the answer."""
        assert web.problem(web.post("/breaking", {"count": 0}), 500)["kind"] == "RemoteCallError"

    def test_bad_arguments(self, web: Browser) -> None:
        """422 with every bad parameter."""
        problem = web.problem(web.post("/add", {"b": "two", "c": 3}), 422)
        assert problem["kind"] == "InvalidRequestError"
        assert {each["parameter"] for each in problem["errors"]} == {"a", "b", "c"}

    def test_body_that_is_not_json(self, web: Browser) -> None:
        """400."""
        answer = web.send("POST", "/add", b'{"a": 1', content_type=JSON)
        assert web.problem(answer, 400)["kind"] == "MalformedRequestError"

    def test_unknown_path(self, web: Browser) -> None:
        """404; a plain endpoint is not reached either."""
        web.problem(web.post("/nowhere", {}), 404)
        web.problem(web.post("/inner", {}), 404)

    def test_wrong_method(self, web: Browser) -> None:
        """405, with the methods that are allowed."""
        answer = web.send("GET", "/add")
        web.problem(answer, 405)
        assert "POST" in answer.headers["allow"]

    def test_body_that_is_too_large(self, web: Browser) -> None:
        """413, by the service's ``max_body_bytes``."""
        web.problem(web.post("/shout", {"text": "a" * 65536}), 413)

    def test_wrong_media_type(self, web: Browser) -> None:
        """415."""
        form = "application/x-www-form-urlencoded"
        web.problem(web.send("POST", "/add", b"a=1", content_type=form), 415)

    def test_failure_tells_nothing_of_the_inside(self, web: Browser) -> None:
        """500 with a reference to the log, and without the exception's text."""
        answer = web.post("/secretive", {})
        problem = web.problem(answer, 500)
        assert problem["reference"]
        assert b"swordfish" not in answer.body

    @needs("deadlines")
    def test_call_that_takes_too_long(self, web: Browser) -> None:
        """504."""
        assert web.problem(web.post("/too_slow", {}), 504)["kind"] == "CallTimeoutError"

    @needs("cancellation")
    def test_client_that_leaves_cancels_its_call(self, run: OpenRun, web: Browser, ledger: Ledger) -> None:
        """Closing the connection ends the endpoint."""
        body = json.dumps({"ledger": str(ledger)}).encode()
        head = f"POST /wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(web.address, timeout=TIMEOUT_S) as connection:
            connection.sendall(head.encode() + body)
            run.do(ledger.wait_for("began"))
        run.do(ledger.wait_for("ended"))

    def test_foreign_host_and_origin_are_refused(self, web: Browser) -> None:
        """A loopback service answers for loopback names only, and takes no writes from other sites."""
        web.problem(web.post("/add", {"a": 1}, host="evil.example"), 421)
        web.problem(web.post("/add", {"a": 1}, origin="https://evil.example"), 403)

    def test_pages_of_core(self, web: Browser) -> None:
        """Health, the OpenAPI document, and the page that draws it."""
        assert web.send("GET", "/healthz").status == 200
        assert web.send("GET", "/readyz").status == 200
        document = json.loads(web.send("GET", "/openapi.json").body)
        assert document["openapi"].startswith("3.1")
        assert {"/add", "/words", "/search"} <= set(document["paths"])
        assert "/inner" not in document["paths"]
        page = web.send("GET", "/docs")
        assert (page.status, page.content_type) == (200, "text/html")

    def test_readiness_is_the_services_own(self, run: OpenRun, web: Browser) -> None:
        """``/readyz`` asks the service's readiness hook each time; ``/healthz`` does not."""
        service = run.client(Web)
        run.do(service.open_or_close(False))
        try:
            web.problem(web.send("GET", "/readyz"), 503)
            assert web.send("GET", "/healthz").status == 200
        finally:
            run.do(service.open_or_close(True))
        assert web.send("GET", "/readyz").status == 200
