"""``python tests/faults/run.py [--order] [--busy] [--seeds N] [CASE ...]``: run the cases of faults and print a table.

With ``--order`` only outcome and order are looked at, with short knobs; without it, time bounds too.
The exit status is 1 if a case failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cases import Case, case_files, load_case

MOST_ORDER_SEEDS = 3


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="such as O01, or O01,O07; all when none is named"
    )
    parser.add_argument("--order", action="store_true", help="no time bounds, short knobs")
    parser.add_argument("--busy", action="store_true", help="keep every core busy meanwhile")
    parser.add_argument("--seeds", type=int, default=3, help="trials of each case that is random")
    parser.add_argument("--seed", type=int, help="this one seed only")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        from harness.child import run_trial

        return run_trial(arguments.child, arguments.seed, arguments.folder, is_timed=not arguments.order)
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    from harness.busy import busy_cores
    from harness.table import print_table, run_cases

    files = case_files()
    names = [name.upper() for text in arguments.cases for name in text.split(",") if name]
    unknown = sorted(set(names) - files.keys())
    if unknown:
        print(f"there is no case {', '.join(unknown)}", file=sys.stderr)
        return 2
    cases = [load_case(files[name]) for name in (names or files)]
    trials = [(case, seed) for case in cases for seed in _seeds(case, arguments)]
    with busy_cores(arguments.busy):
        outcomes = run_cases(trials, is_timed=not arguments.order)
    print_table(outcomes)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def _seeds(case: Case, arguments: argparse.Namespace) -> list[int]:
    if arguments.seed is not None:
        return [arguments.seed]
    if not case.is_random:
        return [1]
    count = min(case.order_seeds, MOST_ORDER_SEEDS) if arguments.order else arguments.seeds
    return list(range(1, count + 1))


if __name__ == "__main__":
    sys.exit(main())
