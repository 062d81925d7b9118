"""Short private folders for sockets, and sockets in them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .serving_for_tests import SlotSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(name="folder")
def folder_fixture() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="dyn") as name:
        yield Path(name)


@pytest.fixture(name="make_socket")
def make_socket_fixture(folder: Path) -> Iterator[Callable[..., SlotSocket]]:
    """Makes slot sockets, and closes them."""
    made: list[SlotSocket] = []

    def make(name: str = "", **options: int) -> SlotSocket:
        made.append(SlotSocket(folder / (name or str(len(made))), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
