"""How other processes find a class."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from dynamo_core.errors import GraphLoadError, NotImportableError
from dynamo_core.graph import ServiceGraph
from dynamo_core.import_target import ImportTarget
from dynamo_core.loader import load_graph

from .user_code import write_module

if TYPE_CHECKING:
    from pathlib import Path


class Outer:
    class Inner: ...


def run(*arguments: str, cwd: Path, text: str = "", **environ: str) -> Any:
    """Run Python and read the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


SCRIPT = """
import dataclasses, json, pickle, sys
from dynamo_core import endpoint
from dynamo_core.import_target import ImportTarget
from dynamo_core.inspection import define_service
from neighbour import NAME

@dataclasses.dataclass
class Model:
    text: "str"

class Backend:
    @endpoint
    async def say(self, model: "Model") -> "Model":
        return model

print("imported as", __name__, file=sys.stderr)

if __name__ == "__main__":
    target = ImportTarget.of(Backend)
    loaded = target.load()
    module = sys.modules[loaded.__module__]
    say = define_service(loaded).endpoints["say"]
    print(json.dumps({
        "target": target.to_data(),
        "problem": target.problem,
        "module": loaded.__module__,
        "is_other": loaded is not Backend,
        "pickled": pickle.loads(pickle.dumps(module.Model("a"))) == module.Model("a"),
        "resolved": say.result is module.Model,
        "again": target.load() is loaded and ImportTarget.of(loaded).load() is loaded,
    }))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A script, and a module that it finds beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "code" / "neighbour.py").write_text("NAME = 'neighbour'\n")
    path = tmp_path / "code" / "app.py"
    path.write_text(SCRIPT)
    return path.resolve()


def test_class_of_a_script_is_imported_by_path_and_never_as_main(script: Path) -> None:
    """Its other names resolve there, and its folder is where it looks for modules."""
    told = run(str(script), cwd=script.parent.parent / "elsewhere")
    assert told == {
        "target": {"module": None, "path": str(script), "qualname": "Backend"},
        "problem": None,
        "module": "app",
        "is_other": True,
        "pickled": True,
        "resolved": True,
        "again": True,
    }


def test_class_under_the_guard_of_the_main_program_has_a_problem(tmp_path: Path) -> None:
    """Workers never get there."""
    path = tmp_path / "app.py"
    path.write_text(
        "import json\nfrom dynamo_core.import_target import ImportTarget\nclass First: ...\n"
        "if __name__ == '__main__':\n    class Second: ...\n"
        "    print(json.dumps([ImportTarget.of(cls).problem for cls in (First, Second)]))\n"
    )
    first, second = run(str(path), cwd=tmp_path)
    assert first is None
    assert second == "it is defined under 'if __name__ == \"__main__\":', which workers do not run"


@pytest.mark.parametrize("name", ["json.py", "my-app.py", "two.parts.py", "script"])
def test_script_whose_name_leads_elsewhere_gets_one_of_its_own(script: Path, name: str) -> None:
    """Such as one that is called like a module of the library, or like none at all."""
    renamed = script.rename(script.with_name(name))
    import_path = "import sys; sys.path.append(sys.argv[1]); "
    program = (
        "import json\nfrom dynamo_core.import_target import ImportTarget\n"
        "cls = ImportTarget(None, sys.argv[1], 'Backend').load()\n"
        "print(json.dumps([cls.__module__, sys.path[0], ImportTarget.of(cls).to_data()]))"
    )
    module, first, target = run("-c", f"{import_path}\n{program}", str(renamed), cwd=script.parent.parent)
    assert module.startswith("_dynamo_main_")
    assert first == str(script.parent)
    assert target == {"module": None, "path": str(renamed), "qualname": "Backend"}


def test_script_run_as_a_module_is_imported_by_that_name(script: Path) -> None:
    """As ``python -m`` names it."""
    told = run("-m", "app", cwd=script.parent)
    assert told["target"] == {"module": "app", "path": None, "qualname": "Backend"}
    assert (told["problem"], told["module"]) == (None, "app")


SESSION = """
import json
from dynamo_core import endpoint
from dynamo_core.import_target import ImportTarget

class Backend:
    @endpoint
    async def say(self) -> None: ...

target = ImportTarget.of(Backend)
print(json.dumps([str(target), target.problem]))
"""


@pytest.mark.parametrize("arguments", [["-c", SESSION], ["-"]])
def test_class_of_a_session_has_a_problem(tmp_path: Path, arguments: list[str]) -> None:
    """No other process can have it; a notebook's main module has no file either."""
    text, problem = run(*arguments, cwd=tmp_path, text=SESSION)
    assert text == "__main__:Backend"
    assert "notebook or an interactive session" in problem


def test_class_of_a_function_has_a_problem() -> None:
    """Loading it says so, and what to do."""

    class Local: ...

    target = ImportTarget.of(Local)
    assert target.problem == "it is defined inside a function"
    with pytest.raises(NotImportableError, match="provider 'inprocess'"):
        target.load()


def test_class_of_a_module_is_imported_by_name() -> None:
    """Also one inside another class."""
    target = ImportTarget.of(Outer.Inner)
    assert (target.module, target.path, target.qualname) == (__name__, None, "Outer.Inner")
    assert str(target) == f"{__name__}:Outer.Inner"
    assert target.problem is None
    assert target.load() is Outer.Inner


def test_target_travels_as_data() -> None:
    """Through JSON and msgpack."""
    target = ImportTarget.of(Outer)
    assert ImportTarget.from_data(json.loads(json.dumps(target.to_data()))) == target
    assert ImportTarget.from_data(msgspec.msgpack.decode(msgspec.msgpack.encode(target.to_data()))) == target


def test_module_that_its_name_does_not_lead_to_is_imported_by_path(imports: Path) -> None:
    """As test runners and tools load files."""
    path = write_module(imports, "class Backend: ...")
    spec = importlib.util.spec_from_file_location("loaded_by_hand", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["loaded_by_hand"] = module
    spec.loader.exec_module(module)
    target = ImportTarget.of(module.Backend)
    assert target == ImportTarget(None, str(path), "Backend")
    assert target.problem is None
    assert target.load().__module__ == path.stem


def test_module_without_a_file_has_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """It exists in this process only."""
    module = types.ModuleType("made_by_hand")
    monkeypatch.setitem(sys.modules, "made_by_hand", module)
    exec("class Backend: ...", vars(module))
    assert (
        ImportTarget.of(module.Backend).problem == "its module 'made_by_hand' is known in this process only"
    )


def test_class_that_its_module_does_not_have_has_a_problem() -> None:
    """Such as one made by ``type()``, or deleted."""
    made = type("Made", (), {"__module__": __name__})
    assert ImportTarget.of(made).problem == f"module {__name__!r} has nothing of that name"


def test_module_in_an_archive_is_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no file of its own."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("module_in_an_archive.py", "class Backend: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code.zip"))
    module = importlib.import_module("module_in_an_archive")
    target = ImportTarget.of(module.Backend)
    assert (target.module, target.problem) == ("module_in_an_archive", None)
    del sys.modules["module_in_an_archive"]


def test_target_by_name_stays_sound_when_its_file_is_loaded_too(imports: Path) -> None:
    """It is the same module."""
    path = write_module(imports, "@service\nclass Frontend: ...\n")
    sys.path.insert(0, str(imports))
    target = ImportTarget.of(importlib.import_module(path.stem).Frontend)
    assert target.module == path.stem
    assert load_graph(f"{path}:Frontend").entry.target.path == str(path)
    assert target.problem is None
    assert target.load() is load_graph(f"{path}:Frontend").entry.inner


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    """As when a script was moved."""
    target = ImportTarget(None, str(tmp_path / "gone.py"), "Backend")
    assert target.problem == f"its file {str(tmp_path / 'gone.py')!r} is not there"


def test_loading_what_is_no_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it is."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(GraphLoadError, match="getcwd is builtin_function_or_method, no class"):
        ImportTarget("os", None, "getcwd").load()
    with pytest.raises(
        GraphLoadError, match="module 'colorsys' has no 'hls_to_rbg', did you mean 'hls_to_rgb'"
    ):
        ImportTarget("colorsys", None, "hls_to_rbg").load()


def test_two_files_of_one_name_are_two_modules(imports: Path) -> None:
    """Each is found by the class that came from it."""
    targets = []
    for folder in ("first", "second", "third"):
        (imports / folder).mkdir()
        path = imports / folder / "same.py"
        path.write_text(
            f"from dynamo_core import service\n@service\nclass Frontend:\n    folder = {folder!r}\n"
        )
        graph = load_graph(f"{path}:Frontend")
        assert isinstance(graph, ServiceGraph)
        targets.append((folder, graph.entry.target, graph.entry.inner))
    for folder, target, cls in targets:
        assert vars(target.load())["folder"] == folder
        assert ImportTarget.of(cls).load() is cls
