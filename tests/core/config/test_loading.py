"""Which file is read, and what is told when something cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dynamo_core.config import load_graph_settings, nodes
from dynamo_core.errors import EXIT_CONFIG, ConfigError


@pytest.fixture
def named(tmp_path: Path) -> Path:
    path = tmp_path / "named.yaml"
    path.write_text("Backend: {from: option, both: option}\n")
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "environment.yaml"
    path.write_text("Backend: {from: environment}\n")
    return {"DYNAMO_CONFIG": str(path)}


def test_the_option_names_the_file_before_the_environment_does(named: Path, environ: dict[str, str]) -> None:
    """Then the other file is not read at all."""
    assert nodes.plain(load_graph_settings(named, [], environ).sections) == {
        "Backend": {"from": "option", "both": "option"}
    }


def test_the_environment_names_the_file_otherwise(environ: dict[str, str]) -> None:
    settings = load_graph_settings(None, [], environ)
    assert nodes.plain(settings.sections) == {"Backend": {"from": "environment"}}
    assert settings.note == "from DYNAMO_CONFIG"


@pytest.mark.parametrize("environ", [{}, {"DYNAMO_CONFIG": ""}, {"DYNAMO_CONFIGS": "/absent"}])
def test_without_a_file_there_are_no_settings(environ: dict[str, str]) -> None:
    assert load_graph_settings(None, [], environ).sections == nodes.Table()


def test_the_command_line_comes_before_the_file(named: Path) -> None:
    settings = load_graph_settings(named, ["--Backend.both=line", "--Backend.more"], {})
    assert nodes.plain(settings.sections) == {"Backend": {"from": "option", "both": "line", "more": True}}


def test_an_unreadable_file_says_what_named_it(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.yaml")
    with pytest.raises(
        ConfigError, match=r"the file '.*absent\.yaml' \(from DYNAMO_CONFIG\) cannot be read: No such"
    ):
        load_graph_settings(None, [], {"DYNAMO_CONFIG": absent})
    with pytest.raises(
        ConfigError, match=r"the file '.*absent\.yaml' \(from -f\) cannot be read: No such"
    ) as caught:
        load_graph_settings(Path(absent), [], {})
    assert caught.value.exit_code == EXIT_CONFIG


def test_mistakes_of_file_and_command_line_come_together(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(ConfigError) as caught:
        load_graph_settings(path, ["5"], {})
    assert [str(problem) for problem in caught.value.problems] == [
        f"{path}:2: the key 'a' is given again, first in line 1",
        "'5' is no setting: wanted --Service.key=value",
    ]


def test_importing_the_classes_imports_no_reader() -> None:
    """Every worker imports them."""
    program = (
        "import sys, dynamo_core.config, dynamo_core.context\n"
        "print([name for name in ('yaml', 'msgspec', 'difflib', 'pathlib', 'asyncio', 'click') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", PATHS + program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


PATHS = f"import sys; sys.path[:] = {sys.path!r}\n"
