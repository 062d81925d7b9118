"""Calls and streams, side by side: every start of every side in a process of its own, interleaved."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import NOT_INSTALLED, Figure
from benchmarks.pinning import APART, ONE_CORE, PLACE_VARIABLE, PLACES
from benchmarks.sides import NEEDS, SIDES
from benchmarks.work import FIRST, MANY, MODEL_RATE, ONE_P50, RATE, READY, ROWS, SUSPENDING

ROOT = Path(__file__).resolve().parents[1]
START_S = 180.0
STOP_S = 30.0
BASE = "floor"

BUDGETS = {
    (APART, ONE_P50): 1.3,
    (ONE_CORE, ONE_P50): 2.0,
    (APART, RATE): 0.5,
    (ONE_CORE, RATE): 0.5,
    **{(place, row): 1.0 for place in PLACES for row in (READY, SUSPENDING, MANY)},
    **{(place, FIRST): 2.0 for place in PLACES},
}
MODEL_BUDGET = 0.3
"""Calls with a pydantic model each way, over the floor's calls with a dict: the floor has no models."""


INTERPRETERS: dict[str, str] = {}
"""Interpreters of sides that do not run with this one."""

CHOSEN: list[str] = list(SIDES)


def measure(rounds: int) -> list[Figure]:
    """Measure the chosen sides, as far as they are installed."""
    sides, places = CHOSEN, list(PLACES)
    missing = [
        side
        for side, module in NEEDS.items()
        if side in sides and side not in INTERPRETERS and not is_installed(module)
    ]
    for side in missing:
        print(f"{SIDES[side]}: not installed, left out", file=sys.stderr)
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    notes: dict[tuple[str, str], dict[str, str]] = {
        (place, row.name): dict.fromkeys(missing, NOT_INSTALLED) for place in places for row in ROWS
    }
    for turn in range(rounds):
        for place in places:
            for side in sides:
                if side in missing:
                    continue
                print(f"round {turn + 1} of {rounds}, {place}: {SIDES[side]}", file=sys.stderr, flush=True)
                told = start(side, place)
                for name, value in told["figures"].items():
                    found.setdefault((place, name), {}).setdefault(side, []).append(value)
                for name, text in told["errors"].items():
                    failed = told["failed"].get(name)
                    count = f"{failed[0]} of {failed[1]} calls failed, the last with " if failed else ""
                    notes.setdefault((place, name), {})[side] = f"{count}{text}"
    figures = []
    for place in places:
        for row in ROWS:
            values = found.get((place, row.name), {})
            budget = BUDGETS.get((place, row))
            if row is MODEL_RATE:
                values = {"floor": found.get((place, RATE.name), {}).get(BASE, []), **values}
                budget = MODEL_BUDGET
            figures.append(
                Figure(
                    part="calls",
                    place=place,
                    work=row.name,
                    unit=row.unit,
                    more_is_better=row.more_is_better,
                    values={side: values[side] for side in sides if values.get(side)},
                    notes=notes.get((place, row.name), {}),
                    base=BASE,
                    budget=budget,
                )
            )
    return figures


def start(side: str, place: str) -> dict[str, Any]:
    """Measure one start of one side; a side that fails as a whole says so for every row."""
    command = [INTERPRETERS.get(side, sys.executable), "-m", f"benchmarks.sides.{side}"]
    environ = {**os.environ, PLACE_VARIABLE: place, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            printed, complaints = process.communicate(timeout=START_S)
        except subprocess.TimeoutExpired:
            printed, complaints = "", f"no figures in {START_S:.0f} s"
            interrupt(process)
    lines = [line for line in printed.splitlines() if line.startswith('{"figures"')]
    if not lines:
        last = [*complaints.strip().splitlines(), f"exit status {process.returncode}"][-2:]
        return {"figures": {}, "failed": {}, "errors": {row.name: last[0][:200] for row in ROWS}}
    told: dict[str, Any] = json.loads(lines[-1])
    return told


def interrupt(process: subprocess.Popen[str]) -> None:
    """End a side that takes too long, so that it ends what it has started."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()


def is_installed(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
