"""BentoML services as BentoML sees them, without processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from .attacks import Canary
from .runs_for_tests import GRAPHS

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = f"""
import sys
sys.path.insert(0, {str(GRAPHS)!r})
"""


def run(code: str, **variables: str) -> str:
    """Run a program that imports BentoML, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SERVICES + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={"PATH": "/bin:/usr/bin", "BENTOML_DO_NOT_TRACK": "True", **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def describe(config: dict[str, Any], **variables: str) -> dict[str, Any]:
    """What BentoML is told of a service with that configuration."""
    code = f"""
import json
from dynamo_bentoml.bento_config import bento_options
from dynamo_core import ServiceConfig, endpoint, api, service
from dynamo_core.inspection import define_service
import attrs
@service
class Plain:
    @api(timeout_s=2)
    async def quick(self) -> None: ...
    @api
    async def slow(self) -> None: ...
definition = attrs.evolve(define_service(Plain), config=ServiceConfig(json.loads({json.dumps(config)!r})))
print(json.dumps(bento_options(definition)))
"""
    found: dict[str, Any] = json.loads(run(code, **variables))
    return found


class TestConfig:
    """Every field in BentoML's words."""

    def test_defaults(self) -> None:
        """Loopback, and limits wider than ours."""
        assert describe({}) == {
            "name": "Plain",
            "workers": 1,
            "traffic": {"timeout": 3600},
            "labels": {},
            "envs": [],
            "http": {"host": "127.0.0.1", "port": 8000},
        }

    def test_every_field(self) -> None:
        """One by one."""
        found = describe(
            {
                "workers": 3,
                "resources": {"cpu": 2, "memory": "1Gi", "gpu": 0.5},
                "traffic": {"timeout_s": 10, "max_concurrency": 4},
                "labels": {"team": "a"},
                "envs": {"A": "1"},
                "secrets": ["TOKEN"],
                "http": {
                    "host": "localhost",
                    "port": 9000,
                    "cors_origins": ["https://app.example.com"],
                    "tls_certificate": "/cert.pem",
                    "tls_key": "/key.pem",
                },
            }
        )
        assert found["workers"] == 3
        assert found["resources"] == {"cpu": 2, "memory": "1024Mi", "gpu": 0.5}
        assert found["traffic"] == {"timeout": 15.0, "concurrency": 12}
        assert found["labels"] == {"team": "a"}
        assert found["envs"] == [{"name": "A", "value": "1"}, {"name": "TOKEN", "stage": "runtime"}]
        assert found["http"] == {
            "host": "127.0.0.1",
            "port": 9000,
            "cors": {"enabled": True, "access_control_allow_origins": ["https://app.example.com"]},
        }
        assert found["ssl"] == {"enabled": True, "certfile": "/cert.pem", "keyfile": "/key.pem"}

    def test_container_keeps_bentomls_address(self) -> None:
        """Unless another one is asked for."""
        assert "http" not in describe({}, BENTOML_CONTAINERIZED="true")
        assert describe({"http": {"port": 9000}}, BENTOML_CONTAINERIZED="true")["http"] == {"port": 9000}

    def test_image(self) -> None:
        """Keys of BentoML's image; an unknown one is an error that names the known ones."""
        code = """
from dynamo_bentoml.bento_image import make_image
from dynamo_core.config import Settings
from dynamo_core.errors import ConfigError
image = make_image(Settings({"python_version": "3.12", "python_packages": ["einops"], "run": ["true"]}))
print(image.base_image, image.python_version, image.lock_python_packages, image.python_requirements.split())
print(make_image(Settings({})))
for wrong in ({"base": "x"}, {"distro": "none such"}):
    try:
        make_image(Settings(wrong))
    except ConfigError as exc:
        print(exc)
"""
        lines = run(code).splitlines()
        assert lines[0] == "python:3.12-slim 3.12 False ['einops']"
        assert lines[1] == "None"
        assert "no key 'base'" in lines[2]
        assert "base_image" in lines[2]
        assert "none such" in lines[3]


class TestApplication:
    """``service.to_asgi()`` under any server, as BentoML's cloud or a test may run it."""

    def test_endpoints_answer_by_the_http_contract(self, tmp_path: Path) -> None:
        """Instances, hooks, errors and BentoML's routes."""
        canary = Canary(tmp_path / "canary")
        code = """
import asyncio, httpx, json, sys
import apart
async def main():
    app = apart.far_service.to_asgi(is_main=False)
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path, options in json.loads(sys.stdin.read()):
                content = options.get("hex")
                if content is not None:
                    options = {"content": bytes.fromhex(content), "headers": options["headers"]}
                answer = await client.post(path, **options)
                print(json.dumps([answer.status_code, answer.headers["content-type"], answer.text]))
asyncio.run(main())
"""
        pickled = {
            "hex": canary.pickled().hex(),
            "headers": {"content-type": "application/vnd.bentoml+pickle"},
        }
        requests = [
            ["/answer", {"json": {"text": "x"}}],
            ["/answer", {"json": {"text": 1}}],
            ["/count", {"json": {"to": 2}}],
            ["/_bentoml/answer", {"json": {"text": "x"}}],
            ["/_bentoml/answer", pickled],
            ["/answer", pickled],
            ["/secret", {"json": {}}],
        ]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SERVICES + code],
            input=json.dumps(requests),
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        assert [status for status, _, _ in answers] == [200, 422, 200, 200, 415, 415, 404], done.stderr
        assert answers[0] == [200, "application/json", '"far: x"']
        assert answers[2] == [200, "application/x-ndjson", "0\n1\n"]
        assert not canary.has_sung

    def test_dependency_that_is_nowhere_is_an_error_at_the_start(self) -> None:
        """It says what to do."""
        code = """
import asyncio
import apart
async def main():
    app = apart.near_service.to_asgi()
    async with app.router.lifespan_context(app):
        pass
try:
    asyncio.run(main())
except Exception as exc:
    print(type(exc).__name__, exc)
"""
        assert "BENTOML_RUNNER_MAP does not say where" in run(code)
