"""``dynamo serve``: what a person sees of it, and what HTTP gives."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from ..folders_for_tests import everything_in
from .attacks import Canary, send_circus_command, send_to_unix_socket, tcp_ports_of, unix_sockets_of
from .runs_for_tests import DYNAMO, GRAPHS, Runs, Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVE = (*DYNAMO, "serve", f"{GRAPHS}/chain.py:Frontend")
REQUESTS = [
    ("POST", "/add", {"json": {"a": 1, "b": 41}}),
    ("POST", "/add", {"json": {"b": "two", "c": 3}}),
    ("POST", "/add", {"content": b'{"a": 1', "headers": {"content-type": "application/json"}}),
    ("POST", "/add", {"content": b"a=1", "headers": {"content-type": "application/x-www-form-urlencoded"}}),
    ("POST", "/add", {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}),
    ("GET", "/add", {}),
    ("OPTIONS", "/add", {}),
    ("POST", "/greet", {"json": {"name": "you", "times": 2}}),
    ("POST", "/words", {"json": {"text": "a stream"}}),
    ("POST", "/words", {"json": {"text": "a stream"}, "headers": {"accept": "text/event-stream"}}),
    ("POST", "/words", {"json": {"text": "a stream"}, "headers": {"accept": "text/plain"}}),
    ("POST", "/call", {"json": {"text": "x"}}),
    ("POST", "/hidden", {"json": {"path": "/nowhere"}}),
    ("POST", "/nowhere", {}),
    ("GET", "/healthz", {}),
    ("GET", "/readyz", {}),
    ("GET", "/openapi.json", {}),
    ("POST", "/add", {"json": {"a": 1}, "headers": {"host": "evil.example"}}),
    ("POST", "/add", {"json": {"a": 1}, "headers": {"origin": "https://evil.example"}}),
    ("GET", "/", {}),
    ("GET", "/livez", {}),
    ("GET", "/static_content/swagger-ui.css", {}),
]


@pytest.fixture(scope="class")
def served(shared_runs: Runs) -> Iterator[Serving]:
    """The graph, served with nothing said of a provider."""
    with shared_runs.serving(SERVE) as serving:
        yield serving
        assert serving.end() == 0, "\n".join(serving.lines)


@pytest.fixture(scope="class")
def client(served: Serving) -> Iterator[httpx.Client]:
    """An HTTP client of it."""
    with served.client() as found:
        yield found


class TestServe:
    """One run, many questions."""

    def test_answers_equal_those_of_another_provider(self, client: httpx.Client, shared_runs: Runs) -> None:
        """Status, content type and body."""

        def ask(client: httpx.Client) -> list[tuple[object, ...]]:
            found = []
            for method, path, options in REQUESTS:
                answer = client.request(method, path, **options)
                body = answer.text.replace(str(client.base_url), "")
                found.append((path, answer.status_code, answer.headers.get("content-type"), body))
            return found

        with shared_runs.serving([*SERVE, "--provider", "inprocess"]) as other, other.client() as reference:
            wanted = ask(reference)
            assert other.end() == 0
        assert ask(client) == wanted

    def test_failure_tells_nothing_of_the_inside(self, client: httpx.Client, served: Serving) -> None:
        """The log has the reason."""
        answer = client.post("/fail")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "only the log" not in answer.text
        served.wait_for("only the log says this")

    def test_bentoml_pages_are_where_it_has_them(self, client: httpx.Client) -> None:
        """Metrics of requests, and its description of its own routes."""
        client.post("/add", json={"a": 1})
        metrics = client.get("/metrics")
        assert metrics.status_code == 200
        assert 'endpoint="/add"' in metrics.text
        document = client.get("/docs.json").json()
        assert {"/_bentoml/add", "/_bentoml/words"} <= set(document["paths"])
        assert not any("hidden" in path or path == "/_bentoml/call" for path in document["paths"])
        schema = document["paths"]["/_bentoml/add"]["post"]["requestBody"]["content"]["application/json"]
        assert schema["schema"]["properties"]["a"]["type"] == "integer"
        assert client.get("/schema.json").json()["name"] == "Frontend"

    def test_calls_of_every_service_are_counted(self, client: httpx.Client) -> None:
        """By how they ended, in the entry's page: the greeting goes on to another service."""
        client.post("/greet", json={"greeting": {"name": "you"}})
        client.post("/fail")
        client.post("/words", json={"text": "a b"})
        metrics = client.get("/metrics").text
        for labels in (
            'end="ok",endpoint="echo",service="Backend"',
            'end="ok",endpoint="greet",service="Frontend"',
            'end="RemoteCallError",endpoint="fail",service="Frontend"',
            'end="ok",endpoint="words",service="Frontend"',
        ):
            assert f"dynamo_call_seconds_count{{{labels}}}" in metrics

    def test_unknown_paths_leave_no_trace_in_the_metrics(self, client: httpx.Client) -> None:
        """BentoML keeps every path that its metrics have seen."""
        for number in range(20):
            assert client.get(f"/guess-{number}").status_code == 404
            assert client.post(f"/_bentoml/guess-{number}").status_code == 404
        assert "guess" not in client.get("/metrics").text

    def test_endpoints_are_reached_through_bentoml_routes_too(self, client: httpx.Client) -> None:
        """For BentoML's own clients."""
        assert client.post("/_bentoml/add", json={"a": 1, "b": 41}).json() == 42
        assert client.post("/_bentoml/greet", json={"greeting": {"name": "you"}}).json() == ["Backend: you"]
        assert client.post("/_bentoml/words", json={"text": "a b"}).text == 'data: "a"\n\ndata: "b"\n\n'
        refused = client.post("/_bentoml/add", json={"a": "one"})
        assert refused.status_code == 400
        assert "a" in refused.text

    def test_bentoml_client_works(self, client: httpx.Client, shared_runs: Runs) -> None:
        """The one that BentoML's documentation has."""
        code = f"""
import bentoml
with bentoml.SyncHTTPClient({str(client.base_url)!r}) as own:
    print(own.add(a=1, b=41), own.greet(greeting={{"name": "you", "times": 1}}), list(own.words(text="a b")))
"""
        done = shared_runs.do([sys.executable, "-W", "ignore", "-c", code])
        assert done.stdout.strip().startswith("42 ['Backend: you'] [")

    def test_pickles_are_refused_before_they_are_read(self, client: httpx.Client, tmp_path: Path) -> None:
        """On every route, as every type that BentoML knows."""
        canary = Canary(tmp_path / "canary")
        types = (
            "application/vnd.bentoml+pickle",
            "application/octet-stream",
            "multipart/form-data; boundary=x",
        )
        for path in ("/add", "/greet", "/_bentoml/add", "/_bentoml/greet", "/_bentoml/words"):
            for media_type in types:
                headers = {"content-type": media_type}
                answer = client.post(path, content=canary.pickled(), headers=headers)
                assert answer.status_code == 415, (path, media_type, answer.text)
                assert answer.headers["connection"] == "close"
        both = [("content-type", "application/json"), ("content-type", "application/vnd.bentoml+pickle")]
        answer = client.request("POST", "/_bentoml/add", content=canary.pickled(), headers=both)
        assert answer.status_code in {400, 415}
        assert not canary.has_sung

    def test_checks_of_hosts_and_sizes_hold_for_bentoml_routes(self, client: httpx.Client) -> None:
        """As for core's own."""
        for path in ("/_bentoml/add", "/metrics", "/docs.json"):
            assert client.get(path, headers={"host": "evil.example"}).status_code == 421
        foreign = {"origin": "https://evil.example"}
        assert client.post("/_bentoml/add", json={"a": 1}, headers=foreign).status_code == 403
        large = b'{"a": 1, "b": "' + b"x" * (17 * 1024 * 1024) + b'"}'
        answer = client.post("/_bentoml/add", content=large, headers={"content-type": "application/json"})
        assert answer.status_code == 413

    def test_no_port_but_http_and_no_command_of_circus(
        self, client: httpx.Client, shared_runs: Runs, tmp_path: Path
    ) -> None:
        """Plain BentoML takes commands on a TCP port; here nobody does, and the sockets take no pickles."""
        canary = Canary(tmp_path / "canary")
        pids = [pid for pid, _ in shared_runs.processes()]
        ports = tcp_ports_of(pids)
        assert ports == {client.base_url.port}
        for port in ports:
            for command in canary.circus_commands():
                assert send_circus_command(port, command) is None
        sockets = unix_sockets_of(pids)
        ours = str(shared_runs.run_directories)
        assert {path for path in sockets if not path.startswith(ours)} == set()
        paths = list(shared_runs.run_directories.rglob("*.sock"))
        assert len(paths) == 4  # three slots and the control socket
        request = (
            b"POST /_bentoml/add HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.bentoml+pickle\r\n"
        )
        pickled = canary.pickled()
        for path in paths:
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            for content in (
                request + b"content-length: %d\r\n\r\n" % len(pickled) + pickled,
                pickled,
                json.dumps(canary.circus_commands()[0]).encode(),
            ):
                assert b"200 OK" not in send_to_unix_socket(path, content)
        assert not canary.has_sung
        assert client.post("/add", json={"a": 1}).json() == 3

    def test_commands_reach_the_run(self, client: httpx.Client, shared_runs: Runs) -> None:
        """``ps``, ``call``, ``scale``, ``restart``, ``logs``, ``wait``."""
        assert "bentoml" in shared_runs.dynamo("ps").stdout
        assert json.loads(shared_runs.dynamo("call", "Frontend.add", '{"a": 1}').stdout) == 3
        shared_runs.dynamo("scale", "Backend", "3")
        assert len(shared_runs.workers()) == 4
        shared_runs.dynamo("restart", "Backend")
        shared_runs.dynamo("wait")
        assert client.post("/greet", json={"name": "you"}).json() == ["Backend: you"]
        shared_runs.dynamo("scale", "Backend", "2")
        shared_runs.dynamo("call", "Backend.say", '{"text": "said in a test"}')
        eventually(lambda: "said in a test" in shared_runs.dynamo("logs").stdout)


class TestEnds:
    """How a run ends."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signal_ends_the_run_well(self, runs: Runs, number: int) -> None:
        """Nothing is left, and the exit code says that it was asked for."""
        with runs.serving(SERVE) as serving:
            serving.client().close()
            assert serving.end(number) == 0
            eventually(lambda: not runs.leftovers(), runs.leftovers)

    def test_stop_command_ends_the_run_well(self, runs: Runs) -> None:
        """From another shell."""
        with runs.serving(SERVE) as serving:
            serving.client().close()
            runs.dynamo("stop")
            assert serving.process.wait(20) == 0

    def test_killed_supervisor_leaves_nothing(self, runs: Runs) -> None:
        """No worker, no child of one, no directory."""
        with runs.serving(SERVE) as serving:
            serving.client().close()
            runs.dynamo("call", "Backend.start_children")
            serving.process.kill()
            eventually(lambda: not runs.leftovers(), runs.leftovers)

    def test_impatient_signals_end_calls(self, runs: Runs, tmp_path: Path) -> None:
        """The second one does not wait for calls."""
        with runs.serving(SERVE) as serving:
            serving.client().close()
            began = tmp_path / "began"
            call = [*DYNAMO, "call", "Backend.hold", json.dumps({"path": str(began)})]
            with runs.serving(call) as calling:
                eventually(began.exists)
                serving.process.send_signal(signal.SIGINT)
                serving.wait_for("stopping")
                serving.process.send_signal(signal.SIGINT)
                assert serving.process.wait(20) == 0
                assert calling.process.wait(20) != 0

    def test_service_alone_takes_workers_of_another_run(self, runs: Runs) -> None:
        """As ``--depends`` names them."""
        with runs.serving([*DYNAMO, "serve", f"{GRAPHS}/chain.py:Backend"]) as backend:
            backend.wait_for("ready")
            path = eventually(
                lambda: [each for each in everything_in(runs.run_directories) if each.name == "w0-0.sock"]
            )[0]
            alone = ["--service-name", "Frontend", "--depends", f"Backend=unix:{path}"]
            with runs.serving([*SERVE, *alone]) as frontend, frontend.client() as client:
                assert client.post("/greet", json={"name": "you"}).json() == ["Backend: you"]
                assert frontend.end() == 0
            assert backend.end() == 0
