"""The tutorial about publishing a provider, followed word for word in a fresh environment."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import EXIT_OK

from ..docs.pages_for_tests import DOCS, Block
from ..examples.served_for_tests import ROOT, Command, Served, private_runs, serve
from .test_third_party import build
from .test_wheels import make_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(900)]

PAGE = next(page for page in DOCS if page.name == "docs/tutorials/publish-a-provider.md")
LARGEST_LINES = 150
PATIENCE_S = 600
INSTEAD = re.compile(r"# instead of class (\w+) in (\S+)\n")
AT_THE_END = re.compile(r"# at the end of (\S+)\n")


def split_console(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a block, and what the block shows after it."""
    command, shown = "", ""
    for line in [*block.lines, "$ "]:
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), ""
        else:
            shown += f"{line}\n"


class Reader:
    """Somebody who types along, in one folder after the other."""

    def __init__(self, command: Command, programs: Path, run: contextlib.ExitStack) -> None:
        self._command = command
        self._programs = programs
        self._run = run
        self._served: Served | None = None

    @property
    def folder(self) -> Path:
        return self._command.cwd

    def type(self, line: str, *, code: int) -> str | None:
        """Do what *line* says; gives what is shown, or None for a run that goes on."""
        first, *words = shlex.split(line)
        if first == "cd":
            self._command.cwd /= words[0]
            return ""
        if line.startswith("dynamo serve"):
            self._served = self._run.enter_context(serve(self._command, line))
            return None
        if first == "curl":
            assert self._served is not None
            return f"{self._served.send(line).text}\n"
        own = {name: str(self._programs / name) for name in ("dynamo", "pip", "python")}
        done = subprocess.run(
            [own.get(first, first), *words],
            cwd=self.folder,
            env={**self._command.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, f"{line}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, block: Block) -> None:
        """Save a file, or change one as the first line of the block says."""
        if block.file_name is not None:
            (self.folder / block.file_name).write_text(block.text, "utf-8")
        elif found := INSTEAD.match(block.text):
            path = self.folder / found[2]
            old = re.search(
                rf"(^@attrs.*\n)?^class {found[1]}\b.*\n(?:(?:[ \t].*)?\n)*",
                path.read_text("utf-8"),
                re.MULTILINE,
            )
            assert old is not None, found[1]
            new = f"{block.text[found.end() :]}\n\n"
            path.write_text(path.read_text("utf-8").replace(old[0], new), "utf-8")
        elif found := AT_THE_END.match(block.text):
            path = self.folder / found[1]
            path.write_text(f"{path.read_text('utf-8')}\n{block.text[found.end() :]}", "utf-8")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page says to install, from this very source."""
    wheel = build(ROOT, tmp_path_factory.mktemp("core"))
    return make_environment(tmp_path_factory.mktemp("reader"), f"{wheel}[http,testing]")


def test_everything_on_the_page_works(programs: Path, tmp_path: Path) -> None:
    """Files are saved and changed, commands run; where the page shows an answer, it is the answer."""
    before = ""
    count = 0
    with (
        contextlib.ExitStack() as run,
        private_runs(
            cwd=tmp_path, dynamo=[str(programs / "dynamo")], python=str(programs / "python")
        ) as command,
    ):
        reader = Reader(command, programs, run)
        for block in PAGE.blocks:
            code = _code_before(block)
            if block.language == "console":
                if "curl" not in block.text:
                    run.close()  # Ctrl-C, before anything else is done
                for line, shown in split_console(block):
                    printed = reader.type(line, code=code)
                    assert not shown or printed == shown, line
                    before, count = printed or "", count + 1
            elif block.language in {"python", "toml"}:
                reader.write(block)
        package = tmp_path / "dynamo-lantern" / "dynamo_lantern"
    assert count == 18
    assert '"grade": "platinum"' in before
    assert '"stale": []' in before
    assert sum(len(path.read_text("utf-8").splitlines()) for path in package.glob("*.py")) < LARGEST_LINES


def _code_before(block: Block) -> int:
    """The exit code that a comment before a block announces."""
    above = PAGE.text.splitlines()[: block.line - 2]
    found = re.fullmatch(r"<!-- fails: (\d+) -->", next((line for line in reversed(above) if line), ""))
    return EXIT_OK if found is None else int(found[1])
