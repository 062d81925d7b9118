"""``dynamo build``: a Bento of a graph.

BentoML builds what it finds in a folder. The caller's folder is left alone: its files are linked into another one,
beside a module that makes the BentoML service, and a process of BentoML's own builds that. So what is built is known
to load where only its own files are.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dynamo_bentoml import usage_reporting
from dynamo_bentoml._version import __version__
from dynamo_bentoml.built import DESCRIPTION_FILE, MODULE
from dynamo_core.errors import DynamoError, NotImportableError
from dynamo_core.provider import BuiltArtifact

if TYPE_CHECKING:
    from dynamo_core.provider import BoundGraph, BuildRequest

IGNORED: Final = (
    ".git",
    ".hg",
    ".venv",
    ".venvs",
    "venv",
    "node_modules",
    "__pycache__",
    "*.pyc",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
)
WHEELS: Final = "wheels"
BUILD_TIMEOUT_S: Final = 1800.0

_MODULE_TEXT: Final = '''"""Made by ``dynamo build``: what BentoML serves."""

from dynamo_bentoml.built import load_built

service = load_built(__file__)
'''


class BuildError(DynamoError):
    """BentoML could not build.

    Attributes:
        output: What it wrote last.
    """

    def __init__(self, cause: str, *, output: str = "") -> None:
        super().__init__(f"BentoML could not build the graph: {cause}")
        self.output = output


def build_bento(graph: BoundGraph, request: BuildRequest) -> BuiltArtifact:
    """Build a Bento, and keep it in BentoML's store.

    Args:
        graph: The graph, with its configuration.
        request: Where from, and under which name.

    Raises:
        NotImportableError: A class of the graph is not in the folder that is built.
        BuildError: BentoML refused.
    """
    _check_targets(graph, request.context)
    with tempfile.TemporaryDirectory(prefix="dynamo-build-") as scratch:
        stage = Path(scratch) / "context"
        shutil.copytree(
            request.context, stage, copy_function=_link_or_copy, ignore=shutil.ignore_patterns(*IGNORED)
        )
        _write_module(stage, graph, request)
        _write_bentofile(stage, graph, request)
        tag = _run_bentoml(stage, request)
    from dynamo_bentoml.serving import find_bento  # imports BentoML

    path = find_bento(tag)
    return BuiltArtifact(
        name=tag, path=path, next_steps=(f"bentoml serve {tag}", f"bentoml containerize {tag}")
    )


def _check_targets(graph: BoundGraph, context: Path) -> None:
    """Classes that are imported by path have to be among what is built."""
    for service in graph.services:
        path = service.definition.target.path
        if path is not None and not Path(path).is_relative_to(context):
            raise NotImportableError(
                service.inner.__qualname__, f"its file {path!r} is outside of {str(context)!r} (--context)"
            )


def _link_or_copy(source: str, destination: str) -> str:
    try:
        os.link(source, destination)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, destination)
    return destination


def _write_module(stage: Path, graph: BoundGraph, request: BuildRequest) -> None:
    if (stage / f"{MODULE}.py").exists():
        raise BuildError(f"the folder has a file {MODULE}.py, which is the name of the one to be made")
    description = {
        "target": _relative_target(request),
        "bindings": [[owner, edge, bound] for (owner, edge), bound in request.bindings.items()],
        "configs": {service.name: service.config.to_data() for service in graph.services},
        "has_wheels": bool(request.wheels),
    }
    (stage / f"{MODULE}.py").write_text(_MODULE_TEXT, "utf-8")
    (stage / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1), "utf-8")


def _relative_target(request: BuildRequest) -> str:
    source, colon, name = request.target.partition(":")
    path = Path(source)
    if path.is_absolute() and path.is_relative_to(request.context):
        source = str(path.relative_to(request.context))
    return f"{source}{colon}{name}"


def _write_bentofile(stage: Path, graph: BoundGraph, request: BuildRequest) -> None:
    wheels = []
    if request.wheels:
        (stage / WHEELS).mkdir(exist_ok=True)
        for wheel in request.wheels:
            shutil.copy2(wheel, stage / WHEELS / wheel.name)
            wheels.append(f"./{WHEELS}/{wheel.name}")
    own = (
        []
        if any(wheel.name.startswith("dynamo_bentoml-") for wheel in request.wheels)
        else [_own_requirement()]
    )
    content: dict[str, Any] = {
        "service": f"{MODULE}:service",
        "include": ["*"],
        "python": {"packages": [*own, *wheels, *request.packages], "lock_packages": False},
    }
    if doc := (graph.entry.inner.__doc__ or "").strip():
        content["description"] = doc
    (stage / "bentofile.yaml").write_text(json.dumps(content, indent=1), "utf-8")  # YAML takes JSON


def _own_requirement() -> str:
    return f"dynamo-bentoml=={__version__}"


def _run_bentoml(stage: Path, request: BuildRequest) -> str:
    """Have BentoML build; gives the Bento's tag."""
    command = [sys.executable, "-m", "bentoml", "build", str(stage), "--output", "tag"]
    if request.name is not None:
        command += ["--name", request.name]
    if request.version is not None:
        command += ["--version", request.version]
    environ = {usage_reporting.VARIABLE: "True", **os.environ, "PYTHONWARNINGS": "ignore"}
    environ.pop("DYNAMO_CONFIG", None)  # what it says is in the configuration already
    done = subprocess.run(
        command, cwd=stage, env=environ, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
    )
    for line in done.stdout.splitlines():
        if line.startswith("__tag__:"):
            return line.removeprefix("__tag__:").strip()
    output = (done.stderr + done.stdout).strip()
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
    raise BuildError(last or f"exit status {done.returncode}", output=output)
