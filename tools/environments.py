"""Make the virtual environments that ``make`` works in, and the constraints that pin what is in them.

Needs Python 3.11 or later and its ``venv``, nothing else.
An environment is made again only when the constraints, a ``pyproject.toml`` or this file have changed.

    python3 tools/environments.py make dev        an environment, by its name below
    python3 tools/environments.py refresh         constraints/*.txt, from the newest releases
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CONSTRAINTS: Final = ROOT / "constraints"
OLDEST_PYTHON: Final = (3, 11)
STAMP: Final = "made-from"
HEADER: Final = (
    "# Pinned versions of everything in the environments of `make`; refreshed by `make constraints`.\n"
)


@dataclass(frozen=True)
class Environment:
    """One virtual environment.

    Attributes:
        folder: Where it is, below the root of the repository.
        projects: The distributions of this repository in it, as pip wants them; they are installed editable.
        groups: Dependency groups of the root ``pyproject.toml`` in it.
        constraints: Name of the file in ``constraints/`` that pins it.
        later: Distributions of this repository that are installed after the others, one by one.
    """

    folder: str
    projects: tuple[str, ...]
    groups: tuple[str, ...]
    constraints: str = "dev.txt"
    later: tuple[str, ...] = ()

    @property
    def constraints_file(self) -> Path:
        """The file that pins it."""
        return CONSTRAINTS / self.constraints


ENVIRONMENTS: Final = {
    "dev": Environment(".venv", (".[http,uvloop]", "plugins/dynamo_circus"), ("dev",)),
    "core": Environment(".venvs/core", (".[http]",), ("build", "types", "test")),
    # BentoML brings a fork of circus under circus's own name: whichever is installed later is the one there is
    "bentoml": Environment(
        ".venvs/bentoml",
        (".[http,uvloop]", "plugins/dynamo_bentoml"),
        ("build", "types", "test"),
        "bentoml.txt",
    ),
    "circus-first": Environment(
        ".venvs/circus-first",
        (".[http,uvloop]", "plugins/dynamo_circus"),
        ("build", "types", "test"),
        "bentoml.txt",
        later=("plugins/dynamo_bentoml",),
    ),
    "bentoml-first": Environment(
        ".venvs/bentoml-first",
        (".[http,uvloop]", "plugins/dynamo_bentoml"),
        ("build", "types", "test"),
        "bentoml.txt",
        later=("plugins/dynamo_circus",),
    ),
    "bench": Environment(
        ".venvs/bench",
        (".[http,uvloop]", "plugins/dynamo_circus"),
        ("build", "bench"),
        "bench.txt",
        later=("plugins/dynamo_bentoml",),
    ),
}
REFRESHED: Final = ("dev", "circus-first", "bench")
"""One environment for each file of constraints, with everything that the file pins."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make").add_argument("name", choices=ENVIRONMENTS)
    commands.add_parser("refresh")
    arguments = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return _refuse(
            f"Python {wanted} or later is wanted, this is {sys.version.split()[0]} ({sys.executable})"
        )
    try:
        if arguments.command == "make":
            make(ENVIRONMENTS[arguments.name])
        else:
            refresh()
    except subprocess.CalledProcessError as exc:
        return _refuse(f"this failed with exit status {exc.returncode}: {' '.join(map(str, exc.cmd))}")
    return 0


def make(environment: Environment) -> None:
    """Bring one environment up to date; does nothing when it is.

    Args:
        environment: Which.
    """
    folder = ROOT / environment.folder
    stamp = folder / STAMP
    wanted = _stamp_of(environment)
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    print(f"making the environment {environment.folder} (once, some 30 seconds)", file=sys.stderr)
    stamp.unlink(missing_ok=True)
    if not _is_of_this_python(folder):
        shutil.rmtree(folder, ignore_errors=True)
    _install(folder, environment, ["--constraint", environment.constraints_file])
    stamp.write_text(wanted, "utf-8")


def refresh() -> None:
    """Write the constraints anew, from the newest releases that go together."""
    for name in REFRESHED:
        environment = ENVIRONMENTS[name]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "venv"
            _install(folder, environment, [])
            freeze = ["-m", "pip", "freeze", "--all", "--exclude-editable", "--exclude", "setuptools"]
            frozen = _run([_python(folder), *freeze], capture=True).strip()
        environment.constraints_file.write_text(f"{HEADER}{frozen}\n", "utf-8")


def _install(folder: Path, environment: Environment, constraints: list[str | Path]) -> None:
    """Fill an environment: a pip that knows dependency groups, the groups, then our own distributions."""
    _run([sys.executable, "-m", "venv", folder])
    python = _python(folder)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", *constraints]
    _run([*pip, "--upgrade", "pip"])
    groups = [word for group in environment.groups for word in ("--group", group)]
    _run([*pip, *groups])
    projects = [word for project in environment.projects for word in ("--editable", project)]
    _run([*pip, "--no-build-isolation", *projects])
    for project in environment.later:
        _run([*pip, "--no-build-isolation", "--editable", project])
    _run([python, "-m", "compileall", "-q", folder / "lib"])


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _is_of_this_python(folder: Path) -> bool:
    """Whether an environment stands there and was made by this very version."""
    try:
        settings = (folder / "pyvenv.cfg").read_text("utf-8").split()
    except OSError:
        return False
    return sys.version.split()[0] in settings


def _stamp_of(environment: Environment) -> str:
    """What an environment depends on, as one text."""
    sources = [
        environment.constraints_file,
        Path(__file__),
        ROOT / "pyproject.toml",
        *ROOT.glob("plugins/*/pyproject.toml"),
    ]
    digest = hashlib.sha256(repr((environment, str(ROOT), sys.version)).encode())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _run(command: Sequence[str | Path], *, capture: bool = False) -> str:
    variables = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        command, cwd=ROOT, env=variables, check=True, text=True, stdout=subprocess.PIPE if capture else None
    )
    return done.stdout or ""


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
