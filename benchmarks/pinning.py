"""Which processor runs what: on few cores, that decides the time of a call."""

from __future__ import annotations

import os
from pathlib import Path

APART = "apart"
ONE_CORE = "one core"
PLACES: dict[str, tuple[set[int], set[int]]] = {APART: ({0}, {1}), ONE_CORE: ({0}, {0})}
"""Cores of the caller and of the callee."""

PLACE_VARIABLE = "BENCHMARK_PLACE"


def pin(cores: set[int]) -> None:
    """Keep this process, all its threads and those to come on *cores*."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def pin_caller() -> None:
    """Keep this process where the callers of this measurement belong, if it belongs anywhere."""
    _pin_to(0)


def pin_callee() -> None:
    """Keep this process where what is called belongs, if it belongs anywhere."""
    _pin_to(1)


def _pin_to(which: int) -> None:
    place = os.environ.get(PLACE_VARIABLE)
    if place:
        pin(PLACES[place][which])
