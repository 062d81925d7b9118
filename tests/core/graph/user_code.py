"""Modules of users, written to files; wrong lines carry ``# ! text``, where the text is in the message."""

from __future__ import annotations

import itertools
import re
import textwrap
from typing import TYPE_CHECKING

from dynamo_core.errors import GraphError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, AsyncGenerator, Generator, Iterable, Iterator
from typing import Any, Protocol

from dynamo_core import api, depends, endpoint, link, on_shutdown, on_start, service
"""

_MARK = re.compile(r"#\s*! (?P<text>.+)$")
_numbers = itertools.count()


def write_module(folder: Path, code: str, *, head: str = HEAD) -> Path:
    """Write *code* below the usual imports into a module whose name no other test has."""
    path = folder / f"user_module_{next(_numbers)}.py"
    path.write_text(head + textwrap.dedent(code), encoding="utf-8")
    return path


def marked_lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of each mark; several marks of one line are separated by ``&&``."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark = _MARK.search(line)
        if mark is not None:
            found += [(number, text.strip()) for text in mark["text"].split("&&")]
    return found


def assert_told(error: GraphError, path: Path) -> None:
    """Every marked line is told, in order, once, and nothing else."""
    told = [
        (problem.location.line, problem.message)
        for problem in error.problems
        if problem.location is not None and problem.location.file == str(path)
    ]
    assert len(told) == len(error.problems), error
    expected = marked_lines(path)
    assert [line for line, _ in told] == [line for line, _ in expected], error
    for (_, message), (line, text) in zip(told, expected, strict=True):
        assert text in message, (line, text, message)
