"""Plugins that nobody has chosen: one with a canary, broken ones, and two of one name."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from harness import Trial, case

from dynamo_core.errors import EXIT_PROVIDER

MANIFEST = """
name = "{name}"
summary = "Made for a test."
contract = ">=1.0,<2"

[capabilities]
streams = "native"
"""
CANARY = "import pathlib, os\npathlib.Path({path!r}).write_text(str(os.getpid()))\n"
TARGET = str(Path(__file__).parents[1] / "services.py") + ":Work"


@case(
    "O46",
    "never imported by providers, serve, --help; broken ones are a row; duplicates refused naming both distributions",
    limit_s=120,
)
async def install_plugins(trial: Trial) -> None:
    canary = trial.folder / "canary"
    site = trial.folder / "site"
    mark = CANARY.format(path=str(canary))
    add(site, "canary", mark)
    add(site, "raising", f"{mark}raise ImportError('no such library')\n")
    add(site, "leaving", f"{mark}raise SystemExit(0)\n")
    add(site, "wordless", mark, manifest=False)
    add(site, "twin", mark, distribution="dynamo-twin-one")
    add(site, "twin", mark, distribution="dynamo-twin-two")
    add(site, "circus", mark, distribution="dynamo-circus-forged")
    extension = trial.folder / "extension"
    add_extension(site, CANARY.format(path=str(extension)) + "class hooks: ...\n")
    os.environ["PYTHONPATH"] = str(site)
    os.environ.pop("DYNAMO_PROVIDER", None)
    check_commands(trial)
    refusals = {
        "twin": ("dynamo-twin-one", "dynamo-twin-two"),
        "circus": ("dynamo-circus", "dynamo-circus-forged"),
        "wordless": ("wordless",),
        "os:system": ("os:system",),
        "../../etc/passwd": ("../../etc/passwd",),
        "circus\u200b": ("circus",),
    }
    for name, words in refusals.items():
        done = dynamo("serve", TARGET, "--provider", name)
        trial.expect(
            done.returncode in {EXIT_PROVIDER, 2}, f"{name!r}: exit code {done.returncode}: {done.stderr}"
        )
        trial.expect(all(word in done.stderr for word in words), f"{name!r}: {done.stderr}")
        trial.expect("Traceback" not in done.stderr, f"{name!r}: {done.stderr}")
    trial.expect(not canary.exists(), "a plugin that nobody has chosen was imported")
    trial.expect(not extension.exists(), "an extension was imported, and nothing was run")
    await serve_beside(trial, canary)
    check_broken(trial)


def add(
    site: Path, name: str, source: str, *, distribution: str | None = None, manifest: bool = True
) -> None:
    """Install a provider."""
    distribution = distribution or f"dynamo-{name}"
    package = distribution.replace("-", "_")
    (site / package).mkdir(parents=True)
    (site / package / "__init__.py").write_text(source)
    if manifest:
        (site / package / "dynamo-provider.toml").write_text(MANIFEST.format(name=name))
    add_distribution(site, distribution, f"[dynamo.providers]\n{name} = {package}:Target\n")


def add_extension(site: Path, source: str) -> None:
    (site / "extra.py").write_text(source)
    add_distribution(site, "dynamo-extra", "[dynamo.plugins]\nextra = extra:hooks\n")


def add_distribution(site: Path, name: str, entry_points: str) -> None:
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(entry_points)


def dynamo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dynamo_core", *words], capture_output=True, text=True, timeout=30, check=False
    )


def check_commands(trial: Trial) -> None:
    """What is only read from metadata."""
    for words in (["--help"], ["serve", "--help"], ["providers", "--help"], ["ps"], ["graph", TARGET]):
        done = dynamo(*words)
        trial.expect(done.returncode == 0, f"dynamo {' '.join(words)}: {done.returncode} {done.stderr}")
    done = dynamo("providers", "list", "--json")
    text = done.stdout
    for name in ("canary", "raising", "leaving", "wordless", "twin", "circus"):
        trial.expect(name in text, f"dynamo providers list has no {name}: {text} {done.stderr}")
    rows = json.loads(text)
    trial.see(f"dynamo providers list: {len(rows if isinstance(rows, list) else rows['providers'])} rows")
    trial.expect("dynamo-twin-one" in text and "dynamo-twin-two" in text, f"{text}")


async def serve_beside(trial: Trial, canary: Path) -> None:
    """Run with a provider that is named by its distribution; the others lie beside it."""
    async with trial.serve("Work", "--provider", "dynamo-circus:circus") as served:
        await served.wait_ready()
        client = await served.client("Work")
        record = await trial.ledger.record(client.work, service="Work", deadline_s=5)
        trial.expect(record.outcome == "ok", f"{record.error}")
        await asyncio.sleep(0.1)
    trial.expect(
        not canary.exists(), f"serve has imported a plugin: {canary.exists() and canary.read_text()}"
    )
    trial.expect("Traceback" not in served.output, served.output)


def check_broken(trial: Trial) -> None:
    """Whoever chooses a broken one is told what is broken, and what to do."""
    for name, cause in (("raising", "no such library"), ("leaving", "SystemExit")):
        done = dynamo("serve", TARGET, "--provider", name)
        trial.expect(done.returncode == EXIT_PROVIDER, f"{name}: exit code {done.returncode}: {done.stderr}")
        trial.expect(cause in done.stderr and f"dynamo-{name}" in done.stderr, f"{name}: {done.stderr}")
        trial.see(done.stderr.strip())
