"""A secret reaches the service that asks for it, and nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dynamo_core.errors import ConfigError

from .test_run import running, worker_pids

CANARY = "canary-4711"


async def test_secret_is_nowhere_but_in_its_service(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a sibling, nor in any worker's environment or command line, nor in any file of the run."""
    monkeypatch.setenv("SECRET_OF_TESTS", CANARY)
    async with running(f"{graphs}/chain.py:Vault") as arbiter:
        vault, backend = arbiter.client("Vault"), arbiter.client("Backend")
        assert await vault.secret() == CANARY
        assert await backend.environ("SECRET_OF_TESTS") is None
        pids = [pid for found in (await worker_pids(arbiter)).values() for pid in found]
        seen = b"".join(
            Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("cmdline", "environ")
        )
        seen += b"".join(path.read_bytes() for path in runs.rglob("*") if path.is_file())
        seen += str(await arbiter.status()).encode()
        assert CANARY.encode() not in seen


async def test_hardened_worker_gains_no_privileges(
    runs: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``hardening: true`` asks for."""
    monkeypatch.setenv("SECRET_OF_TESTS", CANARY)
    async with running(f"{graphs}/chain.py:Vault") as arbiter:
        vault = arbiter.client("Vault")
        assert await vault.is_hardened()
        assert await vault.pid() != os.getpid()


async def test_missing_secret_is_told_before_anything_starts(runs: Path, graphs: Path) -> None:
    """By the names of the service and of the variable."""
    with pytest.raises(ConfigError, match=r"services\.Vault\.secrets names 'SECRET_OF_TESTS'"):
        async with running(f"{graphs}/chain.py:Vault"):
            pass
