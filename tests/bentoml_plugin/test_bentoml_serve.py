"""``bentoml serve`` on what we make, and Bentos of ``dynamo build``."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from .attacks import Canary, send_circus_command, tcp_ports_of
from .runs_for_tests import BENTOML, GRAPHS, Runs, Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVE = (*BENTOML, "serve", "chain_service:service", "--working-dir", str(GRAPHS))


@pytest.fixture(scope="class")
def served(shared_runs: Runs) -> Iterator[Serving]:
    """The graph, served by BentoML's own command."""
    with shared_runs.serving([*SERVE, "--port", "0"], FRONTEND_SECRET="s") as serving:
        yield serving


@pytest.fixture(scope="class")
def client(served: Serving) -> Iterator[httpx.Client]:
    """An HTTP client of it."""
    url = served.wait_for(r"Frontend listens on (http://127\.0\.0\.1:\d+)")[1]
    with httpx.Client(base_url=url, timeout=40, trust_env=False) as found:
        yield found


class TestBentomlServe:
    """One run, many questions."""

    def test_answers_are_core_ones(self, client: httpx.Client) -> None:
        """Of endpoints, through the graph, and of errors."""
        assert client.post("/greet", json={"name": "you", "times": 2}).json() == ["Backend: you"] * 2
        refused = client.post("/add", json={"a": "one"})
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
        assert client.get("/healthz").status_code == 200
        assert client.get("/docs.json").status_code == 200
        assert client.post("/hidden", json={"path": "/nowhere"}).status_code == 404

    def test_listens_on_this_machine_only_and_takes_no_commands(
        self, client: httpx.Client, shared_runs: Runs, tmp_path: Path
    ) -> None:
        """The port on which BentoML takes any command does not exist, nor sockets that take pickles."""
        canary = Canary(tmp_path / "canary")
        ports = tcp_ports_of([pid for pid, _ in shared_runs.processes()])
        assert ports == {client.base_url.port}
        for command in canary.circus_commands():
            assert send_circus_command(client.base_url.port, command) is None
        headers = {"content-type": "application/vnd.bentoml+pickle"}
        for path in ("/greet", "/_bentoml/greet"):
            assert client.post(path, content=canary.pickled(), headers=headers).status_code == 415
        assert not canary.has_sung

    def test_commands_of_dynamo_reach_it(self, client: httpx.Client, shared_runs: Runs) -> None:
        """It is a run like any other."""
        assert "Frontend" in shared_runs.dynamo("ps").stdout
        assert json.loads(shared_runs.dynamo("call", "Backend.canary").stdout) == "none"
        shared_runs.dynamo("restart", "Frontend")
        assert client.post("/add", json={"a": 1}).json() == 3

    def test_usage_reporting_is_off(self, client: httpx.Client, shared_runs: Runs) -> None:
        """In workers too."""
        environ = json.loads(shared_runs.dynamo("call", "Backend.environ").stdout)
        assert environ["BENTOML_DO_NOT_TRACK"] == "True"

    def test_access_log_is_bentomls(self, client: httpx.Client, served: Serving) -> None:
        """Whoever uses its command finds its lines."""
        client.post("/add", json={"a": 1})
        served.wait_for(r"Frontend/0 \| .*path=/add")


class TestEnds:
    """How it ends, and what it says when it cannot start."""

    def test_sigint_ends_it(self, runs: Runs) -> None:
        """With nothing left."""
        with runs.serving([*SERVE, "--port", "0"]) as serving:
            serving.wait_for("Starting production")
            assert serving.end(signal.SIGINT) == 0
            eventually(lambda: not runs.leftovers(), runs.leftovers)

    def test_killed_command_leaves_nothing(self, runs: Runs) -> None:
        """Plain BentoML's workers go on."""
        with runs.serving([*SERVE, "--port", "0"]) as serving:
            serving.wait_for("Starting production")
            serving.process.kill()
            eventually(lambda: not runs.leftovers(), runs.leftovers)

    def test_failed_start_is_told(self, runs: Runs) -> None:
        """With the worker's last words, and a failure as exit code."""
        text = "from dynamo_bentoml import bentoml_service\nfrom crashing import Unstartable\n"
        (runs.cwd / "broken.py").write_text(f"{text}service = bentoml_service(Unstartable)\n")
        shutil.copy(GRAPHS / "crashing.py", runs.cwd)
        done = runs.do([*BENTOML, "serve", "broken:service", "--port", "0"], check=False)
        assert done.returncode != 0
        assert "no licence for this" in done.stdout + done.stderr
        assert "Unstartable" in done.stdout + done.stderr

    def test_python_api_of_bentoml_serves_beside_a_program(self, runs: Runs) -> None:
        """``bentoml.serve`` is not blocking."""
        code = f"""
import pathlib, socket, sys
sys.path.insert(0, {str(GRAPHS)!r})
import bentoml, httpx
with socket.create_server(("127.0.0.1", 0)) as free:  # BentoML's own client asks under the number that it is given
    port = free.getsockname()[1]
with bentoml.serve("chain_service:service", working_dir={str(GRAPHS)!r}, port=port) as server:
    answer = httpx.post(f"http://127.0.0.1:{{port}}/add", json={{"a": 1}}).json()
    pathlib.Path("seen").write_text(f"running {{server.running}}, answered {{answer}}")
"""
        runs.do([sys.executable, "-W", "ignore", "-c", code])
        assert (runs.cwd / "seen").read_text() == "running True, answered 3"


class TestPlacedApart:
    """Services that BentoML starts one by one, and tells of each other."""

    def test_dependency_is_called_where_the_runner_map_says(self, runs: Runs) -> None:
        """Over HTTP; endpoints without a route are not reached."""
        shutil.copy(GRAPHS / "apart.py", runs.cwd)
        with runs.serving([*BENTOML, "serve", "apart:far_service", "--port", "0"]) as far:
            url = far.wait_for(r"Far listens on (http://127\.0\.0\.1:\d+)")[1]
            code = f"""
import sys
sys.path.insert(0, ".")
from _bentoml_impl.loader import load
from _bentoml_impl.server import serve_http
from bentoml._internal.log import configure_server_logging
configure_server_logging()
load("apart:near_service", ".").inject_config()
serve_http("apart:near_service", working_dir=".", port=0, service_name="Near", dependency_map={{"Far": {url!r}}})
"""
            with runs.serving([sys.executable, "-W", "ignore", "-c", code]) as near:
                own = near.wait_for(r"Near listens on (http://127\.0\.0\.1:\d+)")[1]
                with httpx.Client(base_url=own, timeout=30, trust_env=False) as client:
                    assert client.post("/ask", json={"text": "x"}).json() == "far: x"
                    assert client.post("/items", json={"count": 3}).text.split() == ["0", "1", "2"]
                    hidden = client.post("/hidden").json()
                    assert hidden["kind"] == "ServiceUnavailableError"

    def test_unknown_place_is_an_error_before_the_start(self, runs: Runs) -> None:
        """Nothing is guessed."""
        shutil.copy(GRAPHS / "apart.py", runs.cwd)
        code = """
import sys
sys.path.insert(0, ".")
from _bentoml_impl.loader import load
from _bentoml_impl.server import serve_http
load("apart:near_service", ".").inject_config()
serve_http("apart:near_service", working_dir=".", port=0, service_name="Near")
"""
        done = runs.do([sys.executable, "-W", "ignore", "-c", code], check=False)
        assert done.returncode != 0
        assert "BENTOML_RUNNER_MAP does not say where" in done.stderr


class TestBuild:
    """``dynamo build`` and what BentoML makes of it."""

    def test_bento_serves_from_an_empty_folder(self, runs: Runs, tmp_path: Path) -> None:
        """With the configuration that it was built with, and without the files that it was built from."""
        context = tmp_path / "context"
        context.mkdir()
        shutil.copy(GRAPHS / "chain.py", context)
        (context / "config.yaml").write_text("Backend:\n  ServiceArgs:\n    workers: 1\n")
        done = runs.dynamo(
            "build",
            "chain.py:Frontend",
            *("--context", str(context), "-f", str(context / "config.yaml")),
            *("--version", "v1", "--package", "einops", "--json"),
        )
        built = json.loads(done.stdout)
        assert built["name"] == "frontend:v1"
        folder = Path(built["path"])
        assert folder.is_relative_to(runs.home)
        assert not list(context.glob("dynamo_service*"))
        shutil.rmtree(context)
        with runs.serving([*BENTOML, "serve", "frontend:v1", "--port", "0"]) as serving:
            url = serving.wait_for(r"Frontend listens on (http://\S+)")[1]
            answer = httpx.post(f"{url}/greet", json={"name": "you"}, trust_env=False)
            assert answer.json() == ["Backend: you"]
            assert len(runs.workers()) == 2
        check_dockerfile((folder / "env" / "docker" / "Dockerfile").read_text("utf-8"))
        requirements = (folder / "env" / "python" / "requirements.txt").read_text("utf-8").split()
        assert "einops" in requirements
        assert any(each.startswith("dynamo-bentoml==") for each in requirements)

    def test_image_of_the_configuration_is_in_the_dockerfile(self, runs: Runs) -> None:
        """Base image, system packages, commands; and wheels that no index has."""
        shutil.copy(GRAPHS / "chain.py", runs.cwd)
        wheel = runs.cwd / "dynamo_bentoml-0.1.0-py3-none-any.whl"
        wheel.write_bytes(b"")
        image = {"base_image": "python:3.12-slim", "system_packages": ["curl"], "run": ["echo done"]}
        done = runs.dynamo(
            "build",
            "chain.py:Frontend",
            f"--Frontend.ServiceArgs.image={json.dumps(image)}",
            *("--wheel", str(wheel), "--json"),
        )
        folder = Path(json.loads(done.stdout)["path"])
        text = (folder / "env" / "docker" / "Dockerfile").read_text("utf-8")
        instructions = check_dockerfile(text)
        assert ("FROM", "python:3.12-slim AS base-container") in instructions
        assert any(name == "RUN" and "curl" in rest for name, rest in instructions)
        assert any(name == "RUN" and "echo done" in rest for name, rest in instructions)
        copies = [rest for name, rest in instructions if name == "COPY"]
        assert any("./src/wheels" in rest for rest in copies)
        requirements = (folder / "env" / "python" / "requirements.txt").read_text("utf-8")
        assert "./wheels/dynamo_bentoml-0.1.0-py3-none-any.whl" in requirements
        assert "dynamo-bentoml==" not in requirements

    def test_class_outside_of_the_folder_is_refused(self, runs: Runs) -> None:
        """Before anything is built."""
        done = runs.dynamo("build", f"{GRAPHS}/chain.py:Frontend", check=False)
        assert done.returncode != 0
        assert "--context" in done.stderr

    def test_what_bentoml_refuses_is_told(self, runs: Runs) -> None:
        """In one line."""
        shutil.copy(GRAPHS / "chain.py", runs.cwd)
        done = runs.dynamo("build", "chain.py:Frontend", "--version", "no good version!", check=False)
        assert done.returncode != 0
        assert "BentoML could not build the graph" in done.stderr

    def test_other_providers_build_nothing(self, runs: Runs) -> None:
        """And say so."""
        shutil.copy(GRAPHS / "chain.py", runs.cwd)
        done = runs.dynamo("build", "chain.py:Frontend", "--provider", "inprocess", check=False)
        assert done.returncode != 0
        assert "build_services" in done.stderr


KNOWN = frozenset(
    {"FROM", "ENV", "ARG", "RUN", "COPY", "WORKDIR", "EXPOSE", "USER", "ENTRYPOINT", "CMD", "LABEL"}
)


def check_dockerfile(text: str) -> list[tuple[str, str]]:
    """Read a Dockerfile as a builder does, and check what every valid one has; gives its instructions."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    instructions = []
    for line in joined.splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            assert name in KNOWN, line
            assert rest.strip(), line
            instructions.append((name, rest.strip()))
    names = [name for name, _ in instructions]
    assert names[0] == "FROM"
    assert names.count("ENTRYPOINT") == 1
    assert ("EXPOSE", "3000") in instructions
    assert dict(reversed(instructions))["USER"] == "bentoml"
    for name, rest in instructions:
        if name == "ENTRYPOINT":
            assert json.loads(rest) == ["/home/bentoml/bento/env/docker/entrypoint.sh"]
    return instructions
