"""A newcomer can type what the tutorial shows, in its order, and sees what it shows."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ..examples.served_for_tests import Command, Served, private_runs, serve
from .pages_for_tests import DOCS, Block

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("dynamo_circus")

PAGE = next(page for page in DOCS if page.name == "docs/tutorials/getting-started.md")


def split_console(block: Block) -> list[tuple[str, str]]:
    """Each command of a block, and what the block shows after it."""
    found: list[tuple[str, str]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), ""))
        else:
            command, shown = found[-1]
            found[-1] = (command, f"{shown}{line}\n")
    return found


class Reader:
    """Somebody who types along; ends a run with Ctrl-C before starting the next."""

    def __init__(self, command: Command, run: contextlib.ExitStack) -> None:
        self.command = command
        self.served: Served | None = None
        self._run = run

    def type(self, line: str) -> str | None:
        """Do what *line* says; gives what is shown, or None for a run that goes on."""
        if line.startswith("dynamo serve"):
            self._run.close()
            self.served = self._run.enter_context(serve(self.command, line))
            return None
        if line.startswith("curl"):
            assert self.served is not None
            return self.served.send(line).text
        return self.command.run(line).stdout


@pytest.mark.timeout(120)
def test_everything_on_the_page_works(tmp_path: Path) -> None:
    """Files are saved, commands run; where the page shows an answer, it is the answer."""
    count = 0
    with private_runs(cwd=tmp_path) as command, contextlib.ExitStack() as run:
        reader = Reader(command, run)
        for block in PAGE.blocks:
            if block.file_name is not None:
                (tmp_path / block.file_name).write_text(block.text, "utf-8")
            elif block.language == "console":
                for line, shown in split_console(block):
                    printed = reader.type(line)
                    assert not shown or printed == shown, line
                    count += 1
    assert count == 8
