"""The cases: one file each, found by their names."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.trial import Trial

CASES = Path(__file__).parents[1] / "cases"


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: Its number in the list, such as ``O01``.
        expected: What must be seen, in one line.
        body: What it does; it is given a trial, and is run once for each seed.
        limit_s: Seconds after which it is killed.
        is_random: Whether another seed gives another trial.
        order_seeds: How many seeds it gets when only outcome and order are looked at.
    """

    name: str
    expected: str
    body: Callable[[Trial], Coroutine[Any, Any, None]]
    limit_s: float
    is_random: bool
    order_seeds: int


def case(
    name: str, expected: str, *, limit_s: float = 60.0, is_random: bool = False, order_seeds: int = 1
) -> Callable[[Callable[[Trial], Coroutine[Any, Any, None]]], Case]:
    """Make a coroutine function a case."""

    def mark(body: Callable[[Trial], Coroutine[Any, Any, None]]) -> Case:
        return Case(name, expected, body, limit_s, is_random, order_seeds)

    return mark


def case_files() -> dict[str, Path]:
    """The file of every case, by the case's number."""
    return {path.name.split("_")[0].upper(): path for path in sorted(CASES.glob("o[0-9][0-9]_*.py"))}


def load_case(path: Path) -> Case:
    """The case that a file holds.

    Raises:
        ValueError: It holds none, or another than its name says.
    """
    spec = importlib.util.spec_from_file_location(f"case_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [each for each in vars(module).values() if isinstance(each, Case)]
    name = path.name.split("_")[0].upper()
    if [each.name for each in found] != [name]:
        raise ValueError(
            f"{path} must hold the case {name} and no other, has {[each.name for each in found]}"
        )
    return found[0]
