"""Distributions made on the spot, as an installer would leave them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import dynamo_core

MANIFEST = """
name = "{name}"
summary = "A provider made for a test."
contract = "{contract}"

[capabilities]
streams = "native"
gpu = {{ level = "refused", reason = "there is none" }}
"""

PROVIDER = """
import attrs
from dynamo_core.provider import DeploymentTarget, hookimpl

@attrs.frozen(kw_only=True)
class Options:
    color: str = "red"

class Hooks:
    @hookimpl
    def create_service(self, definition, config, options):
        return None

    @hookimpl
    def create_dependency(self, definition, on, options):
        return None

    @hookimpl
    def run_services(self, services, options):
        return None

    @hookimpl
    def serve_services(self, services, options):
        return None

class Target(DeploymentTarget):
    options_type = Options

    def hooks(self):
        return Hooks()
"""


class FakeSite:
    """A folder of installed distributions.

    Args:
        path: The folder; it is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write one file under the folder."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), "utf-8")
        return path

    def add_distribution(
        self, name: str, entry_points: str = "", *, version: str = "1.2.3", metadata: str | None = None
    ) -> Path:
        """Write a dist-info folder; *metadata* of None writes a sound one."""
        folder = self.path / f"{name.replace('-', '_')}-{version}.dist-info"
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        folder.mkdir()
        (folder / "METADATA").write_text(metadata, "utf-8")
        if entry_points:
            (folder / "entry_points.txt").write_text(dedent(entry_points).lstrip("\n"), "utf-8")
        return folder

    def add_provider(
        self,
        name: str,
        source: str = PROVIDER,
        *,
        distribution: str | None = None,
        package: str | None = None,
        contract: str = ">=1.0,<2",
        manifest: str | None = MANIFEST,
        value: str | None = None,
        version: str = "1.2.3",
    ) -> str:
        """Write a package, its manifest and its distribution; gives the distribution's name."""
        distribution = distribution or f"dynamo-{name}"
        package = package or distribution.replace("-", "_")
        self.write(f"{package}/__init__.py", source)
        if manifest is not None:
            self.write(f"{package}/dynamo-provider.toml", manifest.format(name=name, contract=contract))
        entry_point = f"[dynamo.providers]\n{name} = {value or f'{package}:Target'}\n"
        self.add_distribution(distribution, entry_point, version=version)
        return distribution

    def environ(self, **more: str) -> dict[str, str]:
        """The environment of a process that has these distributions installed."""
        checkout = Path(dynamo_core.__file__).parents[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DYNAMO_")}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(self.path), str(checkout)]),
            "COLUMNS": "200",
            **more,
        }

    def run(
        self, *arguments: str, cwd: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this interpreter with the distributions installed."""
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environ(**environ),
            cwd=cwd or self.path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
