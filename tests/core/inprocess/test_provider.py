"""What can be known of the provider without running anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.provider import CAPABILITIES, load_provider, select_provider

HEAVY = ("dynamo_core.host", "dynamo_core.transport", "dynamo_core.client", "starlette", "uvicorn", "msgspec")


def test_provider_is_found_by_its_name_and_states_every_capability():
    selection = select_provider("inprocess", environ={}, cwd=Path("/"))
    assert selection.candidate is not None
    manifest = selection.candidate.manifest
    assert manifest is not None
    assert manifest.name == "inprocess"
    assert set(manifest.capabilities) == set(CAPABILITIES)
    assert manifest.notes == ()
    assert all(
        capability.reason
        for capability in manifest.capabilities.values()
        if capability.level in {"ignored", "refused"}
    )
    assert isinstance(load_provider(selection.candidate), InProcessDeploymentTarget)


def test_importing_the_provider_imports_nothing_heavy():
    code = (
        "import sys; from dynamo_core.inprocess import InProcessDeploymentTarget as T; T().check_hooks(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
