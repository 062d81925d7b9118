"""Runs trials one after another, each in a process of its own, and prints what was seen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cases import Case
from harness.processes import kill_all

RUN = Path(__file__).parents[1] / "run.py"
LINES_TOLD = 30
LONGEST_TOLD = 500
NARROWEST = 160


@dataclass
class Outcome:
    """What one trial came to."""

    case: Case
    seed: int
    seconds: float
    seen: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def name(self) -> str:
        return f"{self.case.name} seed {self.seed}" if self.case.is_random else self.case.name


def run_case(case: Case, seed: int, *, is_timed: bool) -> Outcome:
    """Run one trial in a process of its own, kill it when it takes too long, and leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="f-"))
    words = [sys.executable, str(RUN), "--child", case.name, "--seed", str(seed), "--folder", str(folder)]
    began = time.monotonic()
    try:
        with (folder / "output").open("w+") as output:
            child = subprocess.Popen(
                [*words, *([] if is_timed else ["--order"])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=_environment(),
                text=True,
                start_new_session=True,
            )
            problems: list[str] = []
            try:
                printed, _ = child.communicate(timeout=case.limit_s)
            except subprocess.TimeoutExpired:
                problems.append(f"the case did not end within {case.limit_s:g} s")
                child.send_signal(signal.SIGKILL)
                kill_all(str(folder))
                printed, _ = child.communicate()
            problems += [f"left after the case: {found}" for found in kill_all(str(folder))]
            output.seek(0)
            outcome = Outcome(case, seed, time.monotonic() - began, problems=problems, output=output.read())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _take_report(outcome, printed, child.returncode)
    return outcome


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DYNAMO_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _take_report(outcome: Outcome, printed: str, status: int) -> None:
    report: dict[str, Any] = {}
    with contextlib.suppress(ValueError, IndexError):
        report = json.loads(printed.splitlines()[-1])
    outcome.seen = report.get("seen", [])
    outcome.problems += report.get("problems", [])
    if not report and not outcome.problems:
        outcome.problems.append(f"the case's process ended with status {status} and no report")


def run_cases(trials: list[tuple[Case, int]], *, is_timed: bool) -> list[Outcome]:
    """Run trials one after another; tells each as it ends."""
    outcomes = []
    for case, seed in trials:
        outcome = run_case(case, seed, is_timed=is_timed)
        outcomes.append(outcome)
        word = "failed" if outcome.problems else "ok"
        print(f"{outcome.name}: {word}, {outcome.seconds:.1f} s", flush=True)
        for problem in outcome.problems:
            print(f"    {problem}", flush=True)
        if outcome.problems:
            for line in outcome.output.splitlines()[-LINES_TOLD:]:
                print(f"    | {line[:LONGEST_TOLD]}", flush=True)
    return outcomes


def print_table(outcomes: list[Outcome]) -> None:
    """Case, expected, seen, time."""
    console = Console(highlight=False)
    if console.width < NARROWEST:
        console = Console(width=NARROWEST, highlight=False)
    table = Table("case", "expected", "seen", "time", "", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    for outcome in outcomes:
        seen = "; ".join([*outcome.seen, *(f"WRONG: {problem}" for problem in outcome.problems)])
        word = Text("failed", style="red") if outcome.problems else Text("ok", style="green")
        time_text = Text(f"{outcome.seconds:.1f} s")
        table.add_row(Text(outcome.name), Text(outcome.case.expected), Text(seen), time_text, word)
    console.print(table)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    console.print(f"{len(outcomes)} trials, {failed} failed")
