"""``dynamo serve``: what workers write, for people and as records, and options that are the provider's."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from dynamo_core.errors import EXIT_CONFIG, EXIT_NOT_STARTED, EXIT_PROVIDER, EXIT_USAGE

from ..provider.fake_site import FakeSite

PROVIDER = """
import json, logging, os, sys, warnings
import attrs
from dynamo_core.errors import StartError
from dynamo_core.provider import (
    DependencyInterface, DeploymentTarget, LogLine, ServiceEvent, ServiceInterface, hookimpl
)

@attrs.frozen(kw_only=True)
class Options:
    reload: bool = False
    log_format: str = "text"
    log_dir: object = None
    log_max_bytes: int = 0
    color: str = "red"
    workers_at_once: int | None = None
    names: list[str] = attrs.field(factory=list)

class Dependency(DependencyInterface):
    def get(self):
        return None

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
        print(json.dumps(attrs.asdict(options), default=str))
        services.emit(ServiceEvent(kind="ready", service="Backend", slot=0, pid=17, seconds=0.25))
        services.show_lines([
            LogLine(service="Backend", slot=0, text="WARNING: app: hot", stream="stderr",
                    time="2026-11-23T10:00:00.000Z", level="warning"),
        ])
        logging.getLogger("other").warning("a record")
        warnings.warn("mind this")
        if options.log_format == "json":
            sys.stderr.write("half ")
            sys.stderr.write("a line, \\x1b[2J\\nand one without end")
        services.emit(ServiceEvent(kind="died", service="Backend", slot=0, detail="exit status 3"))
        if "FAIL" in os.environ:
            raise StartError("Backend", "exit status 1", slot=0, last_lines=["Traceback"])
        return 0

class Target(DeploymentTarget):
    options_type = Options

    def hooks(self):
        return Hooks()
"""

GRAPH = """
import sys
from dynamo_core import endpoint, service

sys.stderr.write("imported\\n")

@service
class Backend:
    @endpoint
    async def echo(self, text: str) -> str:
        return text
"""

UNTOUCHED = {"color": "red", "workers_at_once": None, "names": []}


@pytest.fixture
def app(site: FakeSite) -> FakeSite:
    site.add_provider("telling", PROVIDER)
    site.write("graph.py", GRAPH)
    return site


def serve(app: FakeSite, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return app.run(
        "-m", "dynamo_core", "serve", "graph.py", *arguments, **{"DYNAMO_PROVIDER": "telling", **environ}
    )


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_lines_of_workers_stand_behind_who_wrote_them(app: FakeSite) -> None:
    """Among the messages of the run, in order, without colours off a terminal."""
    lines = serve(app).stderr.splitlines()
    assert "Backend/0 | WARNING: app: hot" in lines
    assert lines.index("  Backend  ready in 0.25 s") < lines.index("Backend/0 | WARNING: app: hot")
    assert lines.index("Backend/0 | WARNING: app: hot") < lines.index("Backend/0 died: exit status 3")


def test_every_line_is_a_record(app: FakeSite) -> None:
    """What workers write, what the run says, what the user's module prints, and what libraries warn of."""
    found = records(serve(app, "--log-format", "json"))
    names = {"time", "level", "service", "slot", "stream", "text"}
    assert all(names <= set(record) for record in found)
    assert all(datetime.fromisoformat(record["time"]).tzinfo == UTC for record in found)
    by_text = {record["text"]: record for record in found}
    assert by_text["WARNING: app: hot"] == {
        "time": "2026-11-23T10:00:00.000Z",
        "level": "warning",
        "service": "Backend",
        "slot": 0,
        "stream": "stderr",
        "text": "WARNING: app: hot",
    }
    ready = by_text["Backend  ready in 0.25 s"]
    assert (ready["event"], ready["service"], ready["slot"], ready["pid"]) == ("ready", "Backend", 0, 17)
    assert (ready["stream"], ready["level"], ready["seconds"]) == ("run", "info", 0.25)
    died = by_text["Backend/0 died: exit status 3"]
    assert (died["event"], died["level"]) == ("died", "warning")
    assert by_text["a record"]["level"] == "warning"
    for text in ("imported", "half a line, \\x1b[2J", "and one without end"):
        assert (by_text[text]["stream"], by_text[text]["service"]) == ("stderr", "")
    assert any("mind this" in text for text in by_text)


def test_records_keep_their_order(app: FakeSite) -> None:
    """The module is imported before anything starts."""
    texts = [record["text"] for record in records(serve(app, "--log-format=json"))]
    assert texts[0] == "imported"
    assert texts.index("WARNING: app: hot") < texts.index("Backend/0 died: exit status 3")


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "text"),
    [
        ((), {"FAIL": "1"}, EXIT_NOT_STARTED, "service Backend/0 did not start: exit status 1"),
        (("--Bakend.size=1",), {}, EXIT_CONFIG, "did you mean 'Backend'?"),
        (("--no-such-option",), {}, EXIT_USAGE, "No such option"),
        (("--log-keep", "many"), {}, EXIT_USAGE, "'many' is not a valid integer"),
    ],
)
def test_failure_is_a_record_too(
    app: FakeSite, arguments: tuple[str, ...], environ: dict[str, str], code: int, text: str
) -> None:
    """Whatever goes wrong."""
    done = serve(app, *arguments, "--log-format", "json", **environ)
    assert done.returncode == code
    found = [record for record in records(done) if text in record["text"]]
    assert found
    if "FAIL" in environ:
        assert (found[0]["level"], found[0]["last_lines"]) == ("error", ["Traceback"])


def test_provider_gets_what_was_given_and_nothing_else(app: FakeSite) -> None:
    """What is left out is left to it."""
    assert json.loads(serve(app).stdout) == {
        "reload": False,
        "log_format": "text",
        "log_dir": None,
        "log_max_bytes": 0,
        **UNTOUCHED,
    }
    done = serve(app, "--reload", "--log-format=json", "--log-dir", "logs", "--log-max-bytes", "2000000")
    assert json.loads(done.stdout) == {
        "reload": True,
        "log_format": "json",
        "log_dir": "logs",
        "log_max_bytes": 2_000_000,
        **UNTOUCHED,
    }


def test_option_that_the_provider_lacks_is_refused_by_its_name(app: FakeSite) -> None:
    """Nothing is run."""
    done = serve(app, "--reload", "--log-dir", "logs", DYNAMO_PROVIDER="inprocess")
    assert (done.returncode, done.stdout) == (EXIT_PROVIDER, "")
    assert "error: provider 'inprocess' has no --reload and no --log-dir\n" in done.stderr
    assert serve(app, "--log-dir", "logs", "--log-keep", "1").returncode == EXIT_PROVIDER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--log-keep", "1"), "--log-keep goes with --log-dir"),
        (("--log-dir", "logs", "--log-max-bytes", "1000"), "1000 is not in the range"),
        (("--log-format", "xml"), "'xml' is not one of 'text', 'json'"),
    ],
)
def test_wrong_log_option_says_what_was_meant(
    app: FakeSite, arguments: tuple[str, ...], message: str
) -> None:
    """Nothing is run."""
    done = serve(app, *arguments)
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert message in done.stderr


def test_options_of_the_provider_are_given_by_name(app: FakeSite) -> None:
    """Read as their types want: a text stays one, a list is JSON."""
    words = ("--option", "color=5", "-o", "workers_at_once=3", "-o", 'names=["a", "b=c"]')
    found = json.loads(serve(app, *words).stdout)
    assert (found["color"], found["workers_at_once"], found["names"]) == ("5", 3, ["a", "b=c"])
    assert json.loads(serve(app, "-o", "workers_at_once=null").stdout)["workers_at_once"] is None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-o", "colour=red"], EXIT_CONFIG, "no option 'colour', did you mean 'color'?"),
        (
            ["-o", "workers_at_once=many"],
            EXIT_CONFIG,
            "option workers_at_once of provider 'telling': expected ",
        ),
        (["-o", "color"], EXIT_USAGE, "--option takes NAME=VALUE, got 'color'"),
        (["-o", "reload=true", "--reload"], EXIT_USAGE, "reload: given as an option of the command, too"),
    ],
)
def test_wrong_option_of_the_provider_is_an_error(
    app: FakeSite, words: list[str], code: int, message: str
) -> None:
    """Before anything starts."""
    done = serve(app, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
