"""From a text to a graph, and what is said when it leads nowhere."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import EXIT_DECLARATION, DeclarationError, GraphError, GraphLoadError
from dynamo_core.loader import load_graph
from dynamo_core.module_loading import refuse_while_importing

from .user_code import assert_told, write_module

if TYPE_CHECKING:
    from pathlib import Path

CHAIN = """
    @service
    class Backend:
        @endpoint
        async def generate(self, text: str) -> str:
            return text

    @service
    class Frontend:
        backend = depends(Backend)

    number = 1
    class Helper: ...
"""


@pytest.fixture
def chain(imports: Path) -> Path:
    """A module with two services."""
    return write_module(imports, CHAIN)


def refused(target: str) -> GraphLoadError:
    """The error that loading *target* gives."""
    with pytest.raises(GraphLoadError) as caught:
        load_graph(target)
    assert caught.value.exit_code == EXIT_DECLARATION
    assert caught.value.target == target
    assert "\n" not in str(caught.value)
    return caught.value


def line_with(path: Path, text: str) -> int:
    """Number of the first line that has *text*."""
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


# --- what is found ----------------------------------------------------------------------------------------


def test_class_of_a_file(chain: Path) -> None:
    """Its folder is where it finds modules from then on."""
    graph = load_graph(f"{chain}:Frontend")
    assert [each.name for each in graph.services] == ["Backend", "Frontend"]
    assert sys.path[0] == str(chain.parent)


def test_class_of_a_file_by_a_relative_path(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the current folder."""
    monkeypatch.chdir(chain.parent)
    assert load_graph(f"./{chain.name}:Frontend").name == "Frontend"
    assert load_graph(f"{chain.name}:Frontend").entry.target.path == str(chain)


def test_two_loads_give_one_module(chain: Path, imports: Path) -> None:
    """By whatever path it is named, and by its name as well."""
    link = imports / "link.py"
    link.symlink_to(chain)
    first = load_graph(f"{chain}:Frontend").entry.inner
    assert load_graph(f"{chain}:Frontend").entry.inner is first
    assert load_graph(f"{link}:Frontend").entry.inner is first
    assert load_graph(f"{chain.stem}:Frontend").entry.inner is first


def test_class_of_a_module_in_the_current_folder(imports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``python -m`` would find it."""
    (imports / "user_package").mkdir()
    (imports / "user_package" / "graph.py").write_text("from user_package.parts import Frontend\n")
    parts = write_module(imports / "user_package", CHAIN)
    parts.rename(parts.with_name("parts.py"))
    monkeypatch.chdir(imports)
    graph = load_graph("user_package.graph:Frontend")
    assert graph.entry.target.module == "user_package.parts"


def test_class_inside_a_class(imports: Path) -> None:
    """With dots."""
    path = write_module(imports, "class Outer:\n    @service\n    class Inner: ...\n")
    assert load_graph(f"{path}:Outer.Inner").name == "Inner"


def test_graph_that_link_made(imports: Path) -> None:
    """It is taken as it is."""
    path = write_module(imports, CHAIN + "\n    alone = link(Frontend)\n")
    graph = load_graph(f"{path}:alone")
    assert [each.name for each in graph.services] == ["Frontend"]
    assert load_graph(f"{path}:alone") is graph


def test_bindings_reach_the_graph(imports: Path) -> None:
    """For a class and for a linked graph."""
    code = """
        class Store(Protocol):
            async def read(self) -> str: ...

        class Memory:
            @endpoint
            async def read(self) -> str: ...

        @service
        class Frontend:
            store = depends(Store)

        graph = link(Frontend)
    """
    path = write_module(imports, code)
    for name in ("Frontend", "graph"):
        graph = load_graph(f"{path}:{name}", bindings={("Frontend", "store"): "Memory"})
        assert graph.entry.dependencies["store"].service_name == "Memory"


def test_name_may_be_left_out_when_there_is_one_root(chain: Path, imports: Path) -> None:
    """The service that no other depends on, or the graph."""
    assert load_graph(str(chain)).name == "Frontend"
    linked = write_module(imports, CHAIN + "\n    graph = link(Backend)\n")
    assert load_graph(str(linked)).name == "Backend"


def test_what_the_module_prints_goes_through(imports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is swallowed."""
    path = write_module(imports, CHAIN + "\n    print('hello')\n")
    load_graph(f"{path}:Frontend")
    assert capsys.readouterr().out == "hello\n"


# --- what is not ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module_here:Frontend", "there is no module named 'no_such_module_here'; looked in "),
        ("no_such_package.module:Frontend", "there is no module named 'no_such_package'"),
        ("json.tooll:Frontend", "there is no module named 'json.tooll'"),
        ("json.decoder.JSONDecoder", "did you mean 'json.decoder:JSONDecoder'?"),
        ("json:JSONDecodr", "module 'json' has no 'JSONDecodr', did you mean 'JSONDecoder'?"),
        ("json:JSONDecoder.decod", "'JSONDecoder' has no 'decod', did you mean 'decode'?"),
        ("json:JSONDecoder", "JSONDecoder is no service: it has neither @service nor"),
        ("json:dumps", "dumps is a function; wanted a class"),
        ("json:decoder", "decoder is an instance of module; wanted a class"),
        ("json", "its module has no graph and no class with @service"),
        ("not/there.py:Frontend", "'not/there.py' is no file"),
        ("not-there.py", "'not-there.py' is no file"),
        ("/:Frontend", "'/' is a folder"),
        ("a b:Frontend", "'a b' is neither the name of a module nor the path of a .py file"),
        ("json:a b", "'a b' is no name of a class"),
        (":Frontend", "it names no module"),
        ("", "it names no module"),
        ("json:", "'' is no name of a class; wanted 'module:Class'"),
    ],
)
def test_target_that_leads_nowhere(imports: Path, target: str, message: str) -> None:
    """The message says what was looked for, and what was near."""
    assert message in str(refused(target))


def test_missing_name_has_the_file(chain: Path) -> None:
    """And the nearest name."""
    error = refused(f"{chain}:Frontent")
    assert "has no 'Frontent', did you mean 'Frontend'?" in str(error)
    assert error.location is not None
    assert error.location.file == str(chain)


def test_class_that_is_no_service_has_its_line(chain: Path) -> None:
    """So that it is found at once."""
    error = refused(f"{chain}:Helper")
    assert error.location is not None
    assert (error.location.file, error.location.line) == (str(chain), line_with(chain, "class Helper"))


def test_several_roots_are_named(imports: Path) -> None:
    """To choose from."""
    path = write_module(imports, CHAIN + "\n    @service\n    class Other: ...\n")
    assert f"name one: '{path}:Frontend', '{path}:Other'" in str(refused(str(path)))


# --- modules that cannot be imported ----------------------------------------------------------------------

BROKEN = {
    "syntax": ("def broken(:  # HERE\n    pass\n", "SyntaxError: invalid syntax"),
    "indentation": ("if True:\nprint()  # HERE\n", "IndentationError: expected an indented block"),
    "missing import": (
        "import os\nimport no_such_library  # HERE\n",
        "ModuleNotFoundError: No module named 'no_such_library'",
    ),
    "missing name": (
        "from os import no_such_name  # HERE\n",
        "ImportError: cannot import name 'no_such_name'",
    ),
    "import of itself": ("import json\nimport json.nothing  # HERE\n", "No module named 'json.nothing'"),
    "exception": ("x = 1\nx.nothing  # HERE\n", "AttributeError: 'int' object has no attribute 'nothing'"),
    "exception below": (
        "import json\ndef read():\n    return json.loads('{')  # HERE\nread()\n",
        "JSONDecodeError: Expecting property name",
    ),
    "exception of several lines": ("raise ValueError('one\\n  two')  # HERE\n", "ValueError: one two"),
    "exception without a text": ("raise ValueError  # HERE\n", "cannot load graph"),
    "exception that cannot be shown": (
        "class Odd(Exception):\n    def __str__(self):\n        raise OSError\nraise Odd  # HERE\n",
        ": Odd",
    ),
    "exit": ("import sys\nsys.exit(3)  # HERE\n", "importing it called sys.exit(3)"),
    "exit without a status": ("raise SystemExit  # HERE\n", "importing it called sys.exit()"),
    "code that has no file": ("exec('1 +')  # HERE\n", "SyntaxError: invalid syntax (<string>, line 1)"),
    "configuration": (
        "from dynamo_core import ServiceConfig\nServiceConfig(  # HERE\n    workers=0,\n)\n",
        "ConfigError: workers must be",
    ),
    "null bytes": ("x = '\0'\n", "SyntaxError: source code string cannot contain null bytes"),
}


@pytest.mark.parametrize(("code", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_module_is_told_with_its_line(imports: Path, code: str, message: str) -> None:
    """Whatever it raises; the innermost line that is the user's own."""
    path = write_module(imports, code, head="")
    error = refused(f"{path}:Frontend")
    assert message in str(error)
    if "# HERE\n" in code:
        assert error.location is not None
        assert (error.location.file, error.location.line) == (str(path), line_with(path, "# HERE"))


def test_broken_neighbour_is_told_with_its_own_line(imports: Path) -> None:
    """Not with that of the module which imports it."""
    broken = write_module(imports, "1 / 0  # HERE\n", head="")
    path = write_module(imports, f"import {broken.stem}\n", head="")
    location = refused(f"{path}:Frontend").location
    assert location is not None
    assert (location.file, location.line) == (str(broken), 1)


def test_broken_module_is_imported_anew_once_it_is_mended(imports: Path) -> None:
    """A failed import leaves nothing behind, under any name."""
    for name in ("user_app.py", "user-app.py"):
        path = imports / name
        path.write_text("raise ValueError\n")
        refused(f"{path}:Frontend")
        path.write_text("from dynamo_core import service\n\n@service\nclass Frontend: ...\n")
        assert load_graph(f"{path}:Frontend").name == "Frontend"


def test_interrupt_is_left_alone(imports: Path) -> None:
    """Ctrl-C while a module is imported ends the program as usual."""
    path = write_module(imports, "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_graph(f"{path}:Frontend")


def test_wrong_declaration_is_told_as_it_is(imports: Path) -> None:
    """Its own error has the place."""
    path = write_module(imports, "@service(workers=0)\nclass Frontend: ...\n")
    with pytest.raises(
        DeclarationError, match=rf"^{re.escape(str(path))}:\d+: @service on Frontend: workers must"
    ):
        load_graph(f"{path}:Frontend")


def test_wrong_link_is_told_as_it_is(imports: Path) -> None:
    """With all of its mistakes."""
    code = """
        @service
        class Frontend:
            @endpoint
            async def generate(self, text) -> str: ...  # ! has no annotation for 'text'

            @endpoint
            async def again(self) -> Missing: ...  # ! cannot be resolved

        graph = link(Frontend)
    """
    path = write_module(imports, code)
    with pytest.raises(GraphError) as caught:
        load_graph(f"{path}:graph")
    assert_told(caught.value, path)


def test_run_that_begins_during_the_import_is_refused(imports: Path) -> None:
    """A worker that imports a script must not start what the script starts as the main program."""
    code = (
        CHAIN
        + """
    from dynamo_core.inprocess import InProcessDeploymentTarget

    provider = InProcessDeploymentTarget()
    provider.create_service(Frontend)
    with provider.run_services():  # HERE
        pass
    """
    )
    path = write_module(imports, code)
    error = refused(f"{path}:Frontend")
    assert f"run_services() was called while {path}:Frontend was being imported" in str(error)
    assert "belongs under 'if __name__ == \"__main__\":'" in str(error)
    assert error.location is not None
    assert (error.location.file, error.location.line) == (str(path), line_with(path, "# HERE"))


def test_refusal_ends_with_the_import(chain: Path) -> None:
    """Nothing is being imported then."""
    load_graph(f"{chain}:Frontend")
    refuse_while_importing("run_services()")
