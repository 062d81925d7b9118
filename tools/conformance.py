"""Run the conformance kit on every provider of this repository, print the grades, and keep the reports.

    python tools/conformance.py                     all of them
    python tools/conformance.py circus tiny         some of them

The reports go into ``docs/reference/kit-results``; ``tools/reference.py`` makes the page on compatibility from them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "docs" / "reference" / "kit-results"
DEV: Final = ROOT / ".venv" / "bin" / "python"
BENTOML: Final = ROOT / ".venvs" / "bentoml" / "bin" / "python"
INTERPRETERS: Final = {"inprocess": DEV, "circus": DEV, "tiny": DEV, "bentoml": BENTOML}
THIRD_PARTY: Final = ROOT / "examples" / "third_party_provider"
NOT_KEPT: Final = ("files",)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("providers", nargs="*", metavar="PROVIDER", help=", ".join(INTERPRETERS))
    wanted = parser.parse_args().providers or list(INTERPRETERS)
    if unknown := set(wanted) - INTERPRETERS.keys():
        parser.error(f"no provider of this repository: {', '.join(sorted(unknown))}")
    failed = 0
    for name in wanted:
        grade = run_kit(name)
        print(f"{name}: {grade}", flush=True)
        failed += grade == "none"
    return 1 if failed else 0


def run_kit(name: str) -> str:
    """Test one provider and keep its report; gives its grade."""
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch) / "site"
        environ = dict(os.environ)
        if name == "tiny":  # installed for this run only
            pip = [str(DEV), "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation"]
            subprocess.run([*pip, "--target", str(site), str(THIRD_PARTY)], check=True)
            environ["PYTHONPATH"] = str(site)
        report = Path(scratch) / "report.json"
        words = ("-m", "dynamo_core", "providers", "test", name, "--report", str(report))
        command = [str(INTERPRETERS[name]), *words]
        subprocess.run(command, env=environ, stdout=sys.stderr, check=False)
        data = json.loads(report.read_text("utf-8"))
    kept = {member: value for member, value in data.items() if member not in NOT_KEPT}
    (RESULTS / f"{name}.json").write_text(f"{json.dumps(kept, indent=2)}\n", "utf-8")
    return str(data["grade"])


if __name__ == "__main__":
    sys.exit(main())
