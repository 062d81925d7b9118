"""``dynamo serve``, up to the provider that gets the graph, and what is shown of the events it tells."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dynamo_core.errors import EXIT_CONFIG, EXIT_DECLARATION, EXIT_PROVIDER, EXIT_USAGE
from dynamo_core.exposure import is_loopback

from ..provider.fake_site import FakeSite

PROVIDER = """
import json, logging, os
import attrs
from dynamo_core.errors import StartError
from dynamo_core.provider import DependencyInterface, DeploymentTarget, ServiceEvent, ServiceInterface, hookimpl

@attrs.frozen(kw_only=True)
class Options:
    pass

class Dependency(DependencyInterface):
    def get(self):
        return None

def describe(service):
    http = service.config.http
    return {
        "name": service.name,
        "workers": service.config.workers,
        "http": [http.host, http.port],
        "settings": dict(service.config.settings),
        "edges": {name: each.on.name if each.on else each.definition.url
                  for name, each in service.dependencies.items()},
    }

class Hooks:
    @hookimpl
    def create_service(self, definition, config, options):
        return ServiceInterface(definition, config)

    @hookimpl
    def create_dependency(self, definition, on, options):
        return Dependency(definition, on)

    @hookimpl
    def run_services(self, services, options):
        return None

    @hookimpl
    def serve_services(self, services, options):
        print(json.dumps({"entry": services.entry.name, "services": [describe(s) for s in services.services]}))
        logging.getLogger("dynamo_test").info("a record")
        for event in json.loads(os.environ.get("EVENTS", "[]")):
            services.emit(ServiceEvent(**event))
        if "FAIL" in os.environ:
            raise StartError("Backend", "exit status 1", slot=0, last_lines=["Traceback", "  boom"])
        return int(os.environ.get("CODE", "0"))

class Target(DeploymentTarget):
    options_type = Options

    def hooks(self):
        return Hooks()
"""

GRAPH = """
from abc import abstractmethod
from dynamo_core import api, depends, endpoint, link, service

@service
class Backend:
    @endpoint
    async def echo(self, text: str) -> str:
        return text

@service(workers=2)
class Middle:
    backend = depends(Backend)

    @endpoint
    async def echo(self, text: str) -> str:
        return text

@service
class Frontend:
    middle = depends(Middle)

    @api
    async def echo(self, text: str) -> str:
        return text

graph = link(Frontend, Middle)
"""


@pytest.fixture
def app(site: FakeSite) -> FakeSite:
    """A site with a provider that only tells, and a graph of three services."""
    site.add_provider("telling", PROVIDER)
    site.write("graph.py", GRAPH)
    return site


def serve(app: FakeSite, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return app.run("-m", "dynamo_core", "serve", *arguments, DYNAMO_PROVIDER="telling", **environ)


def served(app: FakeSite, *arguments: str, **environ: str) -> dict[str, dict[str, Any]]:
    """What the provider got, by service."""
    done = serve(app, *arguments, **environ)
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)["services"]}


@pytest.mark.parametrize("target", ["graph.py:Frontend", "graph:Frontend", "./graph.py"])
def test_graph_is_found_as_module_and_as_file(app: FakeSite, target: str) -> None:
    """Dependencies come first."""
    if target == "./graph.py":
        app.write("graph.py", GRAPH.replace("graph = link(Frontend, Middle)", ""))
    assert list(served(app, target)) == ["Backend", "Middle", "Frontend"]


def test_linked_graph_is_served_too(app: FakeSite) -> None:
    """With the edges that it keeps."""
    assert list(served(app, "graph.py:graph")) == ["Middle", "Frontend"]


def test_options_and_overrides_stand_anywhere(app: FakeSite) -> None:
    """Before the target and after it; the command line comes before the file."""
    app.write("config.yaml", "Backend:\n  size: 1\n  model: small\n  ServiceArgs:\n    workers: 3\n")
    got = served(
        app,
        "--Backend.size=2",
        "--port",
        "0",
        "graph.py:Frontend",
        "--host=localhost",
        "-f",
        "config.yaml",
        "--Middle.ServiceArgs.workers=4",
    )
    assert got["Backend"]["settings"] == {"size": 2, "model": "small"}
    assert got["Backend"]["workers"] == 3
    assert got["Middle"]["workers"] == 4
    assert got["Frontend"]["http"] == ["localhost", 0]
    assert got["Backend"]["http"] == ["127.0.0.1", 8000]


def test_file_may_come_from_the_environment(app: FakeSite) -> None:
    """The option comes before it."""
    app.write("one.yaml", "Backend:\n  size: 1\n")
    app.write("two.yaml", "Backend:\n  size: 2\n")
    assert served(app, "graph.py:Frontend", DYNAMO_CONFIG="one.yaml")["Backend"]["settings"] == {"size": 1}
    got = served(app, "graph.py:Frontend", "-f", "two.yaml", DYNAMO_CONFIG="one.yaml")
    assert got["Backend"]["settings"] == {"size": 2}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--Bakend.size=1"], EXIT_CONFIG, "did you mean 'Backend'?"),
        (["--Backend.ServiceArgs.worker=1"], EXIT_CONFIG, "did you mean 'workers'?"),
        (["--prot", "1"], EXIT_USAGE, "--port"),
        (["--port", "70000"], EXIT_USAGE, "0<=x<=65535"),
        (["--Backend.size", "1"], EXIT_USAGE, "a value is given with '=': --Backend.size=1"),
        (["-f", "absent.yaml"], EXIT_CONFIG, "absent.yaml"),
        (["--provider", "absent"], EXIT_PROVIDER, "no provider is named 'absent'"),
        (["--service-name", "Bakend"], EXIT_USAGE, "did you mean 'Backend'?"),
        (["--service-name", "Middle"], EXIT_USAGE, "--depends Backend=unix:/PATH"),
        (["--service-name", "Middle", "--depends", "Frontend=unix:/x"], EXIT_USAGE, "'Frontend'"),
        (["--service-name", "Middle", "--depends", "Backend"], EXIT_USAGE, "SERVICE=unix:/PATH"),
        (["--service-name", "Backend", "--port", "1"], EXIT_USAGE, "Backend has no @api endpoint"),
        (["--depends", "Backend=unix:/x"], EXIT_USAGE, "--depends goes with --service-name"),
    ],
)
def test_wrong_command_line_says_what_was_meant(
    app: FakeSite, arguments: list[str], code: int, message: str
) -> None:
    """Nothing is run."""
    done = serve(app, "graph.py:Frontend", *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


BROKEN = {
    "syntax": ("class (:\n", "broken.py:1"),
    "import": ("import os\nimport absent_library\n", "broken.py:2"),
    "raising": ("import os\n\nraise ValueError('no luck')\n", "broken.py:3"),
    "no service": ("class Frontend:\n    pass\n", "is no service"),
    "nothing": ("", "'Frontend'"),
    "cycle": (
        """
from dynamo_core import depends, service
@service
class Backend:
    frontend = depends("Frontend")
@service
class Frontend:
    backend = depends(Backend)
""",
        "broken.py:4",
    ),
}


@pytest.mark.parametrize("fault", list(BROKEN))
def test_broken_graph_is_told_with_its_place(app: FakeSite, fault: str) -> None:
    """Without a traceback of ours."""
    source, message = BROKEN[fault]
    app.write("broken.py", source)
    done = serve(app, "broken.py:Frontend")
    assert (done.returncode, done.stdout) == (EXIT_DECLARATION, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "dynamo_core/" not in done.stderr


@pytest.mark.parametrize("target", ["absent.py:Frontend", "absent:Frontend", "graph.py:Fronted", ":"])
def test_target_that_leads_nowhere_is_told(app: FakeSite, target: str) -> None:
    """In one line."""
    done = serve(app, target)
    assert done.returncode == EXIT_DECLARATION
    assert f"cannot load graph {target!r}" in done.stderr


def test_one_service_alone_is_led_to_the_addresses_it_is_given(app: FakeSite) -> None:
    """Settings of the others are no mistake."""
    arguments = ("--service-name", "Middle", "--depends", "Backend=unix:/run/b.sock", "--Backend.size=1")
    got = served(app, "graph.py:Frontend", *arguments)
    assert list(got) == ["Middle"]
    assert got["Middle"]["edges"] == {"backend": "unix:/run/b.sock"}


def test_provider_has_the_exit_code(app: FakeSite) -> None:
    """Whatever it is."""
    assert serve(app, "graph.py:Frontend", CODE="7").returncode == 7


def events(*told: dict[str, object]) -> str:
    return json.dumps(told)


UP = events(
    {"kind": "ready", "service": "Backend", "slot": 0, "seconds": 0.1},
    {"kind": "ready", "service": "Middle", "slot": 0, "seconds": 0.1},
    {"kind": "ready", "service": "Middle", "slot": 1, "seconds": 0.2},
    {"kind": "ready", "service": "Frontend", "slot": 0, "seconds": 0.3},
    {"kind": "listening", "service": "Frontend", "url": "http://127.0.0.1:8000"},
    {"kind": "died", "service": "Backend", "slot": 0, "detail": "exit status 3"},
)


def test_progress_is_shown_on_standard_error(app: FakeSite) -> None:
    """Plain, off a terminal."""
    done = serve(app, "graph.py:Frontend", EVENTS=UP)
    assert done.stderr.splitlines() == [
        "  Backend   ready in 0.10 s",
        "  Middle    ready in 0.20 s (2 workers)",
        "  Frontend  ready in 0.30 s",
        "serving Frontend at http://127.0.0.1:8000 (docs at /docs)",
        "Ctrl-C stops it, or 'dynamo stop' from another shell",
        "Backend/0 died: exit status 3",
    ]


def test_quiet_leaves_what_goes_wrong(app: FakeSite) -> None:
    """And what workers write."""
    done = serve(app, "-q", "graph.py:Frontend", EVENTS=UP)
    assert done.stderr == "Backend/0 died: exit status 3\n"


def test_failed_start_ends_with_the_last_lines_of_the_culprit(app: FakeSite) -> None:
    """After what had come up."""
    told = events({"kind": "failed", "service": "Backend", "slot": 0, "detail": "exit status 1"})
    done = serve(app, "graph.py:Frontend", FAIL="1", EVENTS=told)
    assert done.returncode == 6
    assert done.stderr.splitlines() == [
        "  Backend   did not start",
        "error: service Backend/0 did not start: exit status 1",
        "  | Traceback",
        "  |   boom",
    ]


def test_records_are_shown_from_the_level_asked_for(app: FakeSite) -> None:
    """As messages like all others."""
    assert "a record" not in serve(app, "graph.py:Frontend").stderr
    assert "note: a record\n" in serve(app, "graph.py:Frontend", DYNAMO_LOG_LEVEL="info").stderr
    done = serve(app, "graph.py:Frontend", DYNAMO_LOG_LEVEL="loud")
    assert done.returncode == EXIT_CONFIG
    assert "DYNAMO_LOG_LEVEL must be one of debug, info, warning, error, got 'loud'" in done.stderr


def test_wide_bind_is_one_warning(app: FakeSite) -> None:
    """And the usual one none."""
    assert "warning" not in serve(app, "graph.py:Frontend").stderr
    wide = serve(app, "graph.py:Frontend", "--host", "0.0.0.0").stderr
    assert wide.startswith("warning: other machines can reach Frontend (0.0.0.0) over HTTP")
    assert wide.count("\n") == 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("example.com", False),
    ],
)
def test_only_own_addresses_are_loopback(host: str, expected: bool) -> None:
    """A name that is not known to be one is none."""
    assert is_loopback(host) is expected


def test_only_provider_left_is_said_in_one_line(app: FakeSite, tmp_path: Path) -> None:
    """Before anything else happens."""
    script = """
import sys
from dynamo_core.provider import discovery, selection
everything = discovery.discover_providers()
selection.discover_providers = lambda: [c for c in everything if c.name == "inprocess"]
from dynamo_core.cli import run
sys.exit(run(["serve", "absent.py:Frontend"]))
"""
    done = app.run("-c", script, cwd=tmp_path)
    assert done.returncode == EXIT_DECLARATION
    assert done.stderr.startswith(
        "note: no provider is installed: 'inprocess' runs everything in this one process"
    )
