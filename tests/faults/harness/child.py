"""The process of one trial."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from pathlib import Path

from harness.cases import case_files, load_case
from harness.processes import become_subreaper
from harness.trial import Trial


def run_trial(name: str, seed: int, folder: Path, *, is_timed: bool) -> int:
    """Run one trial, and print what it saw as one line of JSON; the exit status."""
    become_subreaper()
    trial = Trial(folder, seed, is_timed=is_timed)
    case = load_case(case_files()[name])
    began = time.monotonic()
    try:
        asyncio.run(case.body(trial))
    except Exception as error:
        traceback.print_exc()
        trial.problems.append(f"{type(error).__name__}: {error}")
    trial.finish()
    report = {
        "case": name,
        "expected": case.expected,
        "seed": seed,
        "seen": trial.seen,
        "problems": trial.problems,
        "seconds": time.monotonic() - began,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if trial.problems else 0
