"""The distributions, built, installed into environments that have nothing else, and used."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from ..examples.served_for_tests import EXAMPLES, ROOT, private_runs, serve

if TYPE_CHECKING:
    from email.message import Message

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(300)]

PLUGINS = {path.parent.name: path.parent for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))}
PROJECTS = {"dynamo_core": ROOT, **PLUGINS}
CONSTRAINTS = {"dynamo_bentoml": "bentoml.txt"}
CURL = (
    """curl -N -X POST 127.0.0.1:8000/generate -H 'content-type: application/json' -d '{"text": "hello"}'"""
)
WANTED = '"Frontend: Middle: Backend: hello"\n'


@attrs.frozen
class Wheel:
    """A built distribution."""

    path: Path

    @property
    def names(self) -> list[str]:
        with zipfile.ZipFile(self.path) as archive:
            return archive.namelist()

    def read(self, ending: str) -> str:
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(next(name for name in archive.namelist() if name.endswith(ending))).decode()

    @property
    def metadata(self) -> Message:
        return email.message_from_string(self.read(".dist-info/METADATA"))


@attrs.frozen
class Installed:
    """An environment with a provider in it.

    Attributes:
        provider: The provider's name.
        programs: The folder of the environment's programs.
    """

    provider: str
    programs: Path

    @property
    def options(self) -> dict[str, Any]:
        """How commands use it."""
        return {"dynamo": [str(self.programs / "dynamo")], "python": str(self.programs / "python")}


def run(*command: str | Path, cwd: Path = ROOT, patience_s: float = 240) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=patience_s)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    """A wheel of each distribution, built by way of its source distribution."""
    found = {}
    for name, project in PROJECTS.items():
        folder = tmp_path_factory.mktemp(f"dist_{name}")
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project)
        found[name] = Wheel(next(folder.glob("*.whl")))
    return found


def make_environment(folder: Path, *requirements: Path, constraints: str = "dev.txt") -> Path:
    """An environment with *requirements* at the pinned versions; gives its folder of programs."""
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-qq", "-c", ROOT / "constraints" / constraints, *requirements)
    return python.parent


@pytest.fixture(scope="module", params=PLUGINS)
def with_plugin(
    request: pytest.FixtureRequest, wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """Core and one plugin; each in turn, since not all of them go together."""
    wanted = [wheels["dynamo_core"].path, wheels[request.param].path]
    constraints = CONSTRAINTS.get(request.param, "dev.txt")
    programs = make_environment(tmp_path_factory.mktemp(request.param), *wanted, constraints=constraints)
    return Installed(provider=request.param.removeprefix("dynamo_"), programs=programs)


@pytest.fixture(scope="module")
def core_alone(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Core without any extra."""
    return make_environment(tmp_path_factory.mktemp("core_alone"), wheels["dynamo_core"].path)


@pytest.mark.parametrize("name", PROJECTS)
def test_wheel_holds_the_package_and_nothing_else(wheels: dict[str, Wheel], name: str) -> None:
    """Every file of the package, its marker for type checkers, its licence; no tests."""
    wheel = wheels[name]
    package = PROJECTS[name] / name
    files = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {each for each in wheel.names if ".dist-info/" not in each}
    assert held == files
    assert f"{name}/py.typed" in held
    assert any(each.endswith(".dist-info/licenses/LICENSE") for each in wheel.names)


@pytest.mark.parametrize("name", PROJECTS)
def test_metadata_says_what_the_project_says(wheels: dict[str, Wheel], name: str) -> None:
    """Licence, Python, and a version that is the package's own."""
    metadata = wheels[name].metadata
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert f'"{metadata["Version"]}"' in (PROJECTS[name] / name / "_version.py").read_text("utf-8")
    assert "dynamo.providers" in wheels[name].read("entry_points.txt")


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_wants_the_core_it_was_made_for(wheels: dict[str, Wheel], name: str) -> None:
    """A plugin goes with one minor version of the core."""
    major, minor, _ = wheels["dynamo_core"].metadata["Version"].split(".")
    wanted = wheels[name].metadata.get_all("Requires-Dist") or []
    core = next(each for each in wanted if each.startswith("dynamo-core"))
    assert f">={major}.{minor}" in core
    assert f"<{major}.{int(minor) + 1}" in core


def test_example_is_served_from_wheels(with_plugin: Installed) -> None:
    """Core and a plugin serve the first example, and leave nothing behind after Ctrl-C."""
    example = EXAMPLES / "hello_world"
    line = f"dynamo serve {example}/hello_world.py:Frontend -f {example}/config.yaml"
    line = f"{line} --provider {with_plugin.provider}"
    with private_runs(**with_plugin.options) as command, serve(command, line) as served:
        assert served.send(CURL).text == WANTED
        assert command.run("""dynamo call Frontend.generate '{"text": "hello"}'""").stdout == WANTED


@pytest.mark.parametrize("with_plugin", ["dynamo_circus"], indirect=True)
def test_program_runs_services_from_wheels(with_plugin: Installed, tmp_path: Path) -> None:
    """The example of a program, with its own worker command."""
    with private_runs(cwd=tmp_path, **with_plugin.options) as command:
        assert command.run(f"python {EXAMPLES}/circus_example.py").stdout.startswith("hello (from process ")


def test_core_alone_runs_a_graph_in_one_process(core_alone: Path, tmp_path: Path) -> None:
    """Without HTTP, without a provider of its own; the only one there is serves."""
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\n"
        "from dynamo_core import endpoint, service\n"
        "from dynamo_core.testing import running\n"
        "@service\n"
        "class Greeter:\n"
        "    @endpoint\n"
        "    async def greet(self, name: str) -> str:\n"
        "        return f'hello, {name}'\n"
        "async def main() -> None:\n"
        "    async with running(Greeter) as greeter:\n"
        "        print(await greeter.greet('Ada'))\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n",
        "utf-8",
    )
    assert run(core_alone / "python", program, cwd=tmp_path) == "hello, Ada\n"
    assert "inprocess" in run(core_alone / "dynamo", "providers", "list", cwd=tmp_path)


def test_core_alone_says_how_to_get_http(core_alone: Path, tmp_path: Path) -> None:
    """A graph with routes needs the extra; the message names it."""
    graph = tmp_path / "graph.py"
    graph.write_text(
        "from dynamo_core import api, service\n"
        "@service\n"
        "class Greeter:\n"
        "    @api\n"
        "    async def greet(self, name: str) -> str:\n"
        "        return name\n",
        "utf-8",
    )
    with private_runs(cwd=tmp_path, dynamo=[str(core_alone / "dynamo")]) as command:
        done = command.run("dynamo serve graph.py:Greeter --provider inprocess --port 0", check=False)
    assert done.returncode != 0
    assert "dynamo-core[http]" in done.stderr
    assert "Traceback" not in done.stderr
