"""``dynamo graph``."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.cli import run
from dynamo_core.errors import EXIT_CONFIG, EXIT_DECLARATION, EXIT_OK, EXIT_USAGE

from .user_code import write_module

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
    class Store(Protocol):
        async def read(self, key: str) -> bytes: ...

    class Memory:
        @endpoint(timeout_s=2)
        async def read(self, key: str) -> bytes: ...

    class Billing:
        @api
        async def pay(self) -> None: ...

    @service(workers=2)
    class Backend:
        memory = depends(Memory)

        @endpoint(idempotent=True)
        def items(self, text: str, limit: int = 3) -> Iterator[dict[str, int]]:
            yield {}

    @service
    class Frontend:
        backend = depends(Backend)
        memory = depends(Memory)
        store = depends(Store)
        billing = depends(Billing, url="http://127.0.0.1:9000")

        @api(method="GET", path="/say")
        async def say(self) -> str: ...

    small = link(Frontend, Memory)
"""

TREE = """\
Frontend
├── say() -> str  [GET /say]
├── backend = Backend (2 workers)
│   ├── items(text: str, limit: int = ...) -> stream of dict[str, int]
│   └── memory = Memory
│       └── read(key: str) -> bytes
├── memory = Memory (see above)
├── store = Memory (see above) (for Store)
└── billing = Billing at http://127.0.0.1:9000
"""

CHART = """\
flowchart LR
    s0(["Frontend"])
    s1["Backend"]
    s2["Memory"]
    s0 -->|backend| s1
    s0 -->|memory| s2
    s0 -->|store| s2
    s0 -.->|billing| x0["Billing<br>http://127.0.0.1:9000"]
    s1 -->|memory| s2
"""


@pytest.fixture
def target(imports: Path) -> str:
    """A graph with every sort of edge."""
    return f"{write_module(imports, CODE)}:Frontend"


@pytest.fixture
def settings(imports: Path) -> str:
    """A file that binds its abstract edge."""
    path = imports / "settings.yaml"
    path.write_text("Frontend: {ServiceArgs: {bind: {store: Memory}}}\n")
    return str(path)


def test_text_is_a_tree(target: str, settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Endpoints before dependencies; a service that several depend on is drawn in full once."""
    assert run(["graph", target, "-f", settings]) == EXIT_OK
    out, err = capsys.readouterr()
    assert (out, err) == (TREE, "")


def test_tree_is_plain_where_its_lines_cannot_be_written(
    target: str, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as under ``PYTHONIOENCODING=ascii``."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(["graph", target, "-f", settings]) == EXIT_OK
    sys.stdout.flush()
    lines = raw.getvalue().decode("ascii").splitlines()
    assert lines[1] == "|-- say() -> str  [GET /say]"
    assert lines[3] == "|   |-- items(text: str, limit: int = ...) -> stream of dict[str, int]"
    assert lines[-1].startswith("`-- billing")


def test_what_modules_print_is_kept_out_of_the_data(
    imports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to standard error."""
    path = write_module(imports, "@service\nclass Frontend: ...\nprint('hello')\n")
    assert run(["graph", f"{path}:Frontend", "--json"]) == EXIT_OK
    out, err = capsys.readouterr()
    assert json.loads(out)["name"] == "Frontend"
    assert err == "hello\n"


def test_left_out_edges_show(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A linked graph is drawn as it runs."""
    linked = target.replace(":Frontend", ":small")
    assert run(["graph", linked]) == EXIT_OK
    assert capsys.readouterr().out == (
        "Frontend\n"
        "├── say() -> str  [GET /say]\n"
        "├── backend = Backend (left out)\n"
        "├── memory = Memory\n"
        "│   └── read(key: str) -> bytes\n"
        "├── store = Memory (see above) (for Store)\n"
        "└── billing = Billing at http://127.0.0.1:9000\n"
    )


def test_mermaid_is_a_flowchart(target: str, settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Arrows lead to what is depended on; dotted ones out of the graph."""
    assert run(["graph", target, "-f", settings, "--format", "mermaid"]) == EXIT_OK
    assert capsys.readouterr().out == CHART


def test_json_has_everything(target: str, settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Under both names of the option."""
    assert run(["graph", target, "-f", settings, "--json"]) == EXIT_OK
    data = json.loads(capsys.readouterr().out)
    assert run(["graph", target, "-f", settings, "--format", "json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out) == data
    assert (data["name"], data["entry"]) == ("Frontend", "Frontend")
    services = {each["name"]: each for each in data["services"]}
    assert list(services) == ["Memory", "Backend", "Frontend"]
    assert services["Backend"]["workers"] == 2
    assert services["Frontend"]["class"] == target
    assert services["Frontend"]["not_importable"] is None
    assert services["Frontend"]["dependencies"][2:] == [
        {"attribute": "store", "on": "Store", "service": "Memory", "url": None},
        {"attribute": "billing", "on": "Billing", "service": None, "url": "http://127.0.0.1:9000"},
    ]
    (items,) = services["Backend"]["endpoints"]
    assert items.pop("location").startswith(target.removesuffix(":Frontend"))
    assert items == {
        "name": "items",
        "kind": "sync_stream",
        "parameters": [
            {"name": "text", "type": "str", "required": True},
            {"name": "limit", "type": "int", "required": False},
        ],
        "result": "dict[str, int]",
        "http": None,
        "idempotent": True,
        "batchable": False,
        "timeout_s": None,
        "max_concurrency": None,
    }
    assert services["Frontend"]["endpoints"][0]["http"] == {"method": "GET", "path": "/say"}
    assert services["Memory"]["endpoints"][0]["timeout_s"] == 2


def test_mistakes_end_it_with_their_exit_codes(
    target: str, settings: str, imports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with places; standard output stays empty."""
    assert run(["graph", target]) == EXIT_DECLARATION
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{target.removesuffix(':Frontend')}:" in err
    assert "Frontend.store depends on Store, which is abstract" in err
    assert run(["graph", "no_such_module:Frontend"]) == EXIT_DECLARATION
    assert run(["graph", target, "-f", str(imports / "none.yaml")]) == EXIT_CONFIG
    assert run(["graph"]) == EXIT_USAGE
    assert run(["graph", target, "--format", "dot"]) == EXIT_USAGE


def test_misspelt_binding_is_told_with_its_line(imports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the configuration, once the graph is whole."""
    path = write_module(imports, CODE)
    settings = imports / "settings.yaml"
    settings.write_text("Frontend:\n  ServiceArgs:\n    bind:\n      store: Memory\n      stor: Memory\n")
    assert run(["graph", f"{path}:Frontend", "-f", str(settings)]) == EXIT_CONFIG
    assert f"{settings}:5: " in capsys.readouterr().err
