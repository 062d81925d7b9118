"""Calls and streams, side by side: every start of every side in a process of its own, interleaved."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import NOT_INSTALLED, Figure
from benchmarks.pinning import APART, ONE_CORE, PLACE_VARIABLE, PLACES
from benchmarks.sides import NEEDS, SIDES
from benchmarks.work import FIRST, MANY, MODEL_RATE, ONE_P50, RATE, READY, ROWS, SUSPENDING

ROOT = Path(__file__).resolve().parents[1]
START_S = 180.0
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


def start(side: str, place: str) -> dict[str, dict[str, object]]:
    """Measure one start of one side; a side that fails as a whole says so for every row."""
    command = [INTERPRETERS.get(side, sys.executable), "-m", f"benchmarks.sides.{side}"]
    environ = {**os.environ, PLACE_VARIABLE: place, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
        told = str(getattr(exc, "stderr", "") or exc).strip().splitlines()[-1:] or ["no output"]
        return {"figures": {}, "failed": {}, "errors": {row.name: told[0][:200] for row in ROWS}}
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"figures"')]
    told: dict[str, dict[str, object]] = json.loads(lines[-1])
    return told


def is_installed(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
