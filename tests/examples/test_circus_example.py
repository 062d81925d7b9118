"""``examples/circus_example.py`` runs as it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .served_for_tests import EXAMPLES, Command

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("dynamo_circus")


def test_answers_come_from_the_worker_it_starts(command: Command, tmp_path: Path) -> None:
    """From any folder, by a worker command of its own; both ways of asking lead to that worker."""
    command.cwd = tmp_path
    done = command.run(f"python {EXAMPLES}/circus_example.py")
    found = re.fullmatch(r"hello \(from process (\d+)\)\nhello again \(from process (\d+)\)\n", done.stdout)
    assert found is not None, done.stdout
    assert found[1] == found[2]
