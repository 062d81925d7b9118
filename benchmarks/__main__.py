"""Measure everything side by side in one run, and print it as Markdown.

    python -m benchmarks                       all of it: some 20 minutes
    python -m benchmarks --quick               one round: to see that it works
    python -m benchmarks --only calls          one part
    python -m benchmarks --write-docs          and put the result into docs/explanation/performance.md

Figures are medians over the rounds, with the least and the greatest of them; rounds are interleaved.
A side that needs packages of its own can run with another interpreter: --python ray_serve=/path/to/python
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import attrs

from benchmarks import calls, discovery, lifecycle, page, parts, scaling
from benchmarks.figures import Figure
from benchmarks.sides import SIDES
from benchmarks.tables import to_markdown

Measure = Callable[[int], list[Figure]]

NAMES = {**SIDES, "bare": "bare socket", "starlette": "bare Starlette"}
ROUNDS = 5


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="starts of each, %(default)s if not given")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument(
        "--only", action="append", choices=PARTS, metavar="PART", help=f"one of {', '.join(PARTS)}"
    )
    parser.add_argument(
        "--side", action="append", choices=SIDES, metavar="SIDE", help=f"one of {', '.join(SIDES)}"
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="SIDE=PATH", help="an interpreter for a side"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the values go too")
    parser.add_argument("--write-docs", action="store_true", help="renew the page of the documentation")
    given = parser.parse_args()
    for assignment in given.python:
        side, separator, path = assignment.partition("=")
        if not separator or side not in SIDES or not Path(path).is_file():
            parser.error(f"--python takes SIDE=PATH, the path of an interpreter, got {assignment!r}")
        calls.INTERPRETERS[side] = path
    if given.side:
        calls.CHOSEN[:] = given.side
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # starts are measured as they are where it is installed
    figures: list[Figure] = []
    failed = []
    for part in given.only or PARTS:
        try:
            measured = PARTS[part](1 if given.quick else max(1, given.rounds))
        except Exception:  # noqa: BLE001  # told, and the other parts are measured
            traceback.print_exc()
            failed.append(part)
            continue
        figures += measured
        print(to_markdown(measured, NAMES), flush=True)
        if given.json is not None:
            values = [attrs.asdict(figure) for figure in figures]
            given.json.write_text(json.dumps(values, indent=1) + "\n", "utf-8")
        if given.write_docs:
            page.write(measured, NAMES)
    missed = [figure for figure in figures if figure.is_met is False]
    for figure in missed:
        print(f"budget not met: {figure.part}, {figure.place or '-'}, {figure.work}", file=sys.stderr)
    for part in failed:
        print(f"failed, see above: {part}", file=sys.stderr)
    return 1 if failed else 0


PARTS: dict[str, Measure] = {
    "calls": calls.measure,
    "payloads": parts.measure_payloads,
    "ingress": parts.measure_ingress,
    "startup": lifecycle.measure,
    "scaling": scaling.measure,
    "discovery": discovery.measure,
}

if __name__ == "__main__":
    sys.exit(main())
