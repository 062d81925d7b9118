"""What finding providers costs, beside what any program pays that looks for entry points at all.

    python -m benchmarks.discovery [--rounds N]

Distributions are made up in a folder of their own: 200, of which 20 are providers and 5 of those are broken.
``dynamo providers list`` there is timed against the same command without them, and against the least that could be
done: ``python -c "import click, importlib_metadata as m; m.entry_points(group='x')"``.
Starts are interleaved; figures are medians of processor time. Modules of the made-up providers would raise if they were imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure

DISTRIBUTIONS = 200
PROVIDERS = 20
BROKEN = 5
FLOOR = "import click, importlib_metadata as m; m.entry_points(group='x')"
BUDGET_OF_FLOOR = 1.3
BUDGET_OF_NONE = 1.5

FLOOR_BARE, FLOOR_THERE = "floor, none of them", "floor"
LIST_BARE, LIST_THERE = "list, none of them", "list"
CLICK, HELP = "import click", "help"

MANIFEST = """name = "{name}"
summary = "A provider made for a benchmark."
contract = "{contract}"
maturity = "beta"

[capabilities]
streams = "native"
gpu = {{ level = "refused", reason = "there is none" }}
"""


def make_site(folder: Path) -> None:
    """Write the distributions, as an installer would leave them."""
    for number in range(DISTRIBUTIONS):
        is_provider = number < PROVIDERS
        name = f"made-up-{number}"
        module = name.replace("-", "_")
        package = folder / module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('imported')\n", "utf-8")
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n{'x' * 4000}\n", "utf-8"
        )
        (info / "RECORD").write_text(f"{module}/__init__.py,,\n", "utf-8")
        if is_provider:
            (info / "entry_points.txt").write_text(f"[dynamo.providers]\np{number} = {module}:T\n", "utf-8")
            _write_manifest(package, number)
        else:
            (info / "entry_points.txt").write_text(f"[console_scripts]\nc{number} = {module}:main\n", "utf-8")


def _write_manifest(package: Path, number: int) -> None:
    text = MANIFEST.format(name=f"p{number}", contract=">=7" if number == 0 else ">=1.0,<2")
    if number == 1:
        return  # it has none
    if number == 2:
        text = "[broken"
    if number == 3:
        text = text.replace("p3", "another")
    if number == 4:
        text = text.replace('"native"', '"perhaps"')
    (package / "dynamo-provider.toml").write_text(text, "utf-8")


def environment(site: Path | None) -> dict[str, str]:
    """The environment of a process that has these distributions installed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DYNAMO_", "PYTHON")) or name == "PYTHONHOME"
    }
    return {**kept, "DYNAMO_PROVIDER": "inprocess"} | ({} if site is None else {"PYTHONPATH": str(site)})


def start(words: list[str], environ: dict[str, str], folder: Path) -> float:
    """Run a command once; gives the seconds of processor time that it took, which others on the machine do not change."""
    process = subprocess.Popen(words, env=environ, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_utime + usage.ru_stime


def check(site: Path, folder: Path) -> None:
    """Make sure that all are listed, none is imported, and the broken ones are told."""
    script = (
        "import json, sys; from dynamo_core.cli import run; code = run(['providers', 'list', '--json']);"
        "print(json.dumps([code, [n for n in sys.modules if n.startswith('made_up')]]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(site),
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    code, imported = json.loads(done.stderr.splitlines()[-1])
    rows = [row for row in json.loads(done.stdout) if row["distribution"].startswith("made-up")]
    broken = [row for row in rows if row["state"] == "broken"]
    assert code == 0, code
    assert imported == [], imported
    assert (len(rows), len(broken)) == (PROVIDERS, BROKEN), (len(rows), len(broken))
    print(
        f"listed {len(rows)} providers of {DISTRIBUTIONS} distributions, {len(broken)} broken, 0 imported",
        file=sys.stderr,
    )


def processor_times(starts: int) -> dict[str, list[float]]:
    """Start every command in turn.

    Args:
        starts: Starts of each that count; one more comes first, which fills caches.

    Returns:
        Seconds of each start, by command.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "work"
        site = Path(scratch) / "site"
        folder.mkdir()
        (folder / "pyproject.toml").write_text("", "utf-8")
        make_site(site)
        check(site, folder)
        listing = [sys.executable, "-m", "dynamo_core", "providers", "list"]
        floor = [sys.executable, "-c", FLOOR]
        commands = {
            FLOOR_BARE: (floor, environment(None)),
            FLOOR_THERE: (floor, environment(site)),
            LIST_BARE: (listing, environment(None)),
            LIST_THERE: (listing, environment(site)),
            CLICK: ([sys.executable, "-c", "import click"], environment(None)),
            HELP: ([sys.executable, "-m", "dynamo_core", "--help"], environment(None)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(starts + 1):
            for name, (words, environ) in commands.items():
                taken = start(words, environ, folder)
                if turn:
                    seconds[name].append(taken)
    return seconds


def measure(rounds: int) -> list[Figure]:
    """Processor time of finding providers, with three starts of each command a round."""
    print(f"{3 * rounds} starts of each command", file=sys.stderr, flush=True)
    times = {name: [1000 * each for each in found] for name, found in processor_times(3 * rounds).items()}

    def figure(work: str, base: str, ours: str, budget: float) -> Figure:
        return Figure(
            part="discovery",
            place="",
            work=work,
            unit="ms of processor",
            values={"floor": times[base], "circus": times[ours]},
            base="floor",
            budget=budget,
        )

    beside = f"{DISTRIBUTIONS} other distributions"
    return [
        figure("`dynamo --help`, beside `import click`", CLICK, HELP, BUDGET_OF_FLOOR),
        figure(
            f"`dynamo providers list` with {beside}, beside the least",
            FLOOR_THERE,
            LIST_THERE,
            BUDGET_OF_FLOOR,
        ),
        figure(
            "the same, beside `dynamo providers list` without them", LIST_BARE, LIST_THERE, BUDGET_OF_NONE
        ),
    ]


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="three starts of each command in each")
    for each in measure(parser.parse_args().rounds):
        ratio = each.ratio(each.ours) or 0.0
        print(f"{each.work}: {ratio:.2f}, budget {each.budget:g}: {'kept' if each.is_met else 'missed'}")


if __name__ == "__main__":
    main()
