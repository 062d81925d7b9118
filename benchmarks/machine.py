"""What was measured on: processor, kernel and versions; nothing that tells whose machine it is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks import calls

PACKAGES = (
    "dynamo-core",
    "circus",
    "uvloop",
    "msgspec",
    "pydantic",
    "starlette",
    "uvicorn",
    "httptools",
    "aiohttp",
    "grpcio",
    "bentoml",
)
OF_SIDES = {"ray_serve": "ray", "dynamo_runtime": "ai-dynamo-runtime"}
"""Packages of sides that may run with an interpreter of their own."""
GIB = 1 << 30


def describe() -> dict[str, str]:
    """What was measured on, by what it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return {
        "processor": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {_release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(_versions()),
    }


def load() -> float:
    """How many processes wanted a processor in the last minute, on average."""
    return os.getloadavg()[0]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "model name" and value.strip():
            return value.strip()
    return platform.machine()


def _release() -> str:
    """The kernel's version, without what whoever built it has added."""
    found = re.match(r"[\d.]+", platform.release())
    return found[0] if found else platform.release()


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    for side, name in OF_SIDES.items():
        version = _version_for(side, name)
        if version:
            found.append(f"{name} {version}")
    return found


def _version_for(side: str, name: str) -> str:
    """A package's version where a side finds it; empty where it is not installed."""
    if side not in calls.INTERPRETERS:
        return "".join(found.version for found in importlib.metadata.distributions(name=name))
    program = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    done = subprocess.run(
        [calls.INTERPRETERS[side], "-c", program, name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip()
