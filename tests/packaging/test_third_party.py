"""A third party's provider and extension: made, built, installed beside core alone, chosen, run, and uninstalled."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_OK, EXIT_PROVIDER

from ..examples.served_for_tests import EXAMPLES, ROOT, Command, private_runs, serve
from .test_wheels import make_environment, run

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(600)]

THIRD_PARTY = EXAMPLES / "third_party_provider"
EVENT_LOG = EXAMPLES / "event_log_extension"
GRAPH = EXAMPLES / "hello_world" / "hello_world.py"
CONFIG = EXAMPLES / "hello_world" / "config.yaml"
SERVE = f"dynamo serve {GRAPH}:Frontend -f {CONFIG}"
CURL = (
    """curl -N -X POST 127.0.0.1:8000/generate -H 'content-type: application/json' -d '{"text": "hello"}'"""
)
WANTED = '"Frontend: Middle: Backend: hello"\n'


def build(project: Path, folder: Path) -> Path:
    """The wheel of a project."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project)
    return next(folder.glob("*.whl"))


@attrs.frozen
class Site:
    """An environment with core alone, into which a third party's wheels come and go."""

    programs: Path

    def pip(self, *words: str | Path) -> None:
        run(self.programs / "python", "-m", "pip", "-qq", *words)

    def dynamo(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with private_runs(dynamo=[str(self.programs / "dynamo")], variables=variables) as command:
            return command.run("dynamo " + " ".join(words), check=False)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Core with what its extra ``http`` needs, and nothing of anybody else's."""
    wheel = build(ROOT, tmp_path_factory.mktemp("core_wheel"))
    return Site(make_environment(tmp_path_factory.mktemp("core"), f"{wheel}[http,testing]"))


@pytest.fixture
def install(core: Site, tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Builds and installs projects for one test."""
    names: list[str] = []

    def build_and_install(project: Path) -> None:
        wheel = build(project, tmp_path / f"dist{len(names)}")
        core.pip("install", "--no-deps", wheel)
        names.append(wheel.name.partition("-")[0])

    yield build_and_install
    core.pip("uninstall", "-y", *names)


@pytest.fixture
def command(core: Site, tmp_path: Path) -> Iterator[Command]:
    """The commands of that environment, with the provider chosen by variable."""
    with private_runs(
        cwd=tmp_path,
        dynamo=[str(core.programs / "dynamo")],
        python=str(core.programs / "python"),
        variables={"DYNAMO_PROVIDER": "tiny"},
    ) as found:
        yield found


def test_provider_is_installed_chosen_run_and_uninstalled(
    core: Site, install: Callable[[Path], None], command: Command
) -> None:
    """From its wheel, by nothing but a variable; when it is gone, the message says so."""
    install(THIRD_PARTY)
    (row,) = [
        line for line in command.run("dynamo providers list").stdout.splitlines() if "dynamo-tiny" in line
    ]
    assert row.split()[:3] == ["*", "tiny", "dynamo-tiny"]
    assert command.run("dynamo providers check tiny").returncode == EXIT_OK
    with serve(command, SERVE) as served:
        assert served.send(CURL).text == WANTED
        assert command.run("""dynamo call Frontend.generate '{"text": "hello"}'""").stdout == WANTED
        assert " tiny " in command.run("dynamo ps").stdout
        assert command.run("dynamo scale Backend 2").returncode == EXIT_OK
    core.pip("uninstall", "-y", "dynamo-tiny")
    assert "dynamo-tiny" not in command.run("dynamo providers list").stdout
    gone = command.run(SERVE, check=False)
    assert gone.returncode == EXIT_PROVIDER
    assert "no provider is named 'tiny' (from DYNAMO_PROVIDER)" in gone.stderr


def test_grade_comes_along_with_the_wheel(
    core: Site, install: Callable[[Path], None], command: Command, tmp_path: Path
) -> None:
    """The kit is run on what is installed; its report goes into the next wheel, and is stale once that changes."""
    install(THIRD_PARTY)
    report = tmp_path / "report.json"
    done = subprocess.run(
        command.words_of(f"dynamo providers test tiny --report {report} --junit {tmp_path / 'junit.xml'}"),
        env=command.environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == EXIT_OK, done.stdout + done.stderr
    assert json.loads(report.read_text("utf-8"))["grade"] == "platinum"
    assert "<testsuite " in (tmp_path / "junit.xml").read_text("utf-8")
    project = tmp_path / "project"
    shutil.copytree(THIRD_PARTY, project)
    shutil.copy(report, project / "dynamo_tiny" / "dynamo-conformance.json")
    core.pip("uninstall", "-y", "dynamo-tiny")
    install(project)
    assert "platinum (self-reported)" in command.run("dynamo providers list").stdout
    installed = next(core.programs.parent.glob("lib/python*/site-packages/dynamo_tiny/engine.py"))
    installed.write_text(installed.read_text("utf-8") + "\n# changed\n", "utf-8")
    assert "platinum (stale)" in command.run("dynamo providers list").stdout


def test_extension_hears_of_what_a_provider_does(
    install: Callable[[Path], None], command: Command, tmp_path: Path
) -> None:
    """Both from their wheels; the provider knows nothing of it."""
    install(THIRD_PARTY)
    install(EVENT_LOG)
    path = tmp_path / "events.jsonl"
    command.variables = {**command.variables, "EVENT_LOG_FILE": str(path)}
    with serve(command, SERVE) as served:
        assert served.send(CURL).text == WANTED
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    kinds = {(line["kind"], line["service"]) for line in lines}
    assert {("bound", "Backend"), ("edge", "backend"), ("ready", "Backend"), ("stopped", "Frontend")} <= kinds
    path.unlink()
    command.variables = {**command.variables, "DYNAMO_DISABLE_PLUGINS": "event-log"}
    with serve(command, SERVE):
        assert not path.exists()


Change = Callable[[Path], None]


def edit(name: str, before: str, after: str) -> Change:
    """Change one file of the package."""

    def change(project: Path) -> None:
        path = project / name
        text = path.read_text("utf-8")
        assert before in text, f"{before!r} is not in {name}"
        path.write_text(text.replace(before, after), "utf-8")

    return change


BROKEN = {
    "raises on import": (
        edit(
            "dynamo_tiny/__init__.py", "from dynamo_tiny", "raise RuntimeError('no luck')\nfrom dynamo_tiny"
        ),
        "importing 'dynamo_tiny' raised RuntimeError: no luck",
    ),
    "wrong contract": (
        edit("dynamo_tiny/dynamo-provider.toml", ">=1.0,<2", ">=7.0"),
        "upgrade dynamo-core",
    ),
    "misspelt hook": (
        edit("dynamo_tiny/provider.py", "def run_services", "def run_servises"),
        "did you mean 'run_services'",
    ),
    "missing manifest": (
        lambda project: (project / "dynamo_tiny" / "dynamo-provider.toml").unlink(),
        "it has no dynamo-provider.toml",
    ),
    "hook returning nothing": (
        edit(
            "dynamo_tiny/provider.py",
            "return WorkerService(definition, config)",
            "WorkerService(definition, config)",
        ),
        "nobody answered: it returned None",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_provider_is_told_and_ends_nothing_else(
    kind: str, core: Site, install: Callable[[Path], None], tmp_path: Path
) -> None:
    """Choosing it fails with its cause and one code; the list goes on; others can be chosen."""
    change, cause = BROKEN[kind]
    project = tmp_path / "project"
    shutil.copytree(THIRD_PARTY, project)
    change(project)
    install(project)
    served = core.dynamo("serve", f"{GRAPH}:Frontend", "--provider", "tiny", "--port", "0")
    assert served.returncode == EXIT_PROVIDER, served.stderr
    assert cause in served.stderr
    assert "Traceback" not in served.stderr
    listed = core.dynamo("providers", "list", "--json")
    assert listed.returncode == EXIT_OK
    assert {row["distribution"] for row in json.loads(listed.stdout)} == {"dynamo-core", "dynamo-tiny"}
    checked = core.dynamo("providers", "check", "tiny")
    assert checked.returncode in {EXIT_PROVIDER, EXIT_CHECK_FAILED}
    assert cause in checked.stdout + checked.stderr
    other = core.dynamo("providers", "explain", "--provider", "inprocess")
    assert other.returncode == EXIT_OK
    assert "chosen: inprocess" in other.stdout


def test_duplicate_name_is_refused_by_both_distributions(
    core: Site, install: Callable[[Path], None], tmp_path: Path
) -> None:
    """Until one is asked for by its distribution."""
    project = tmp_path / "project"
    shutil.copytree(THIRD_PARTY, project)
    edit("pyproject.toml", 'name = "dynamo-tiny"', 'name = "dynamo-tiny-too"')(project)
    install(THIRD_PARTY)
    install(project)
    refused = core.dynamo("providers", "explain", "--no-check", "--provider", "tiny")
    assert refused.returncode == EXIT_PROVIDER
    assert "claimed by several distributions: dynamo-tiny, dynamo-tiny-too" in refused.stderr
    chosen = core.dynamo("providers", "explain", "--no-check", "--provider", "dynamo-tiny-too:tiny")
    assert chosen.returncode == EXIT_OK
    ill = core.dynamo("providers", "doctor")
    assert ill.returncode == EXIT_CHECK_FAILED
    assert "python -m pip uninstall dynamo-tiny-too" in ill.stdout


def test_hanging_import_is_ended(core: Site, install: Callable[[Path], None], tmp_path: Path) -> None:
    """Checks end it in time; lists do not import it."""
    project = tmp_path / "project"
    shutil.copytree(THIRD_PARTY, project)
    edit("dynamo_tiny/__init__.py", "from dynamo_tiny", "import time\ntime.sleep(3600)\nfrom dynamo_tiny")(
        project
    )
    install(project)
    checked = core.dynamo("providers", "check", "tiny", "--timeout", "1")
    assert checked.returncode == EXIT_CHECK_FAILED
    assert "it could not be imported within 1 s" in checked.stdout
    assert core.dynamo("providers", "list").returncode == EXIT_OK
