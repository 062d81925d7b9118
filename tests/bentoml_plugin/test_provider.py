"""What the provider says of itself, and what it costs to choose it."""

from __future__ import annotations

import abc
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import dynamo_bentoml
from dynamo_bentoml import BentoMLDeploymentTarget, BentoMLOptions
from dynamo_bentoml.notices import find_notices
from dynamo_bentoml.plan import plan_service
from dynamo_core import ServiceConfig, api, depends, endpoint, service
from dynamo_core.errors import ConfigError, ServiceUnavailableError
from dynamo_core.inspection import define_service
from dynamo_core.provider import CAPABILITIES, explain_selection, read_manifest


def test_default_provider_is_this_one(tmp_path: Path) -> None:
    """With nothing set, and whatever else is installed."""
    selection = explain_selection(None, environ={}, cwd=tmp_path)
    assert selection.candidate is not None
    assert selection.candidate.name == "bentoml"


def test_manifest_states_every_capability() -> None:
    """Each level that is not native has a reason."""
    manifest = read_manifest(Path(dynamo_bentoml.__file__).with_name("dynamo-provider.toml"))
    assert set(manifest.capabilities) == set(CAPABILITIES)
    for name, stated in manifest.capabilities.items():
        assert stated.level == "native" or stated.reason, name
    assert not manifest.notes


def test_choosing_and_binding_imports_no_bentoml() -> None:
    """BentoML takes more than half a second to import; only its own processes pay for it."""
    code = """
import sys
from dynamo_bentoml import BentoMLDeploymentTarget
from dynamo_core import service, endpoint
@service
class Plain:
    @endpoint
    async def echo(self, text: str) -> str:
        return text
target = BentoMLDeploymentTarget()
target.check_hooks()
target.create_dependency(target.create_service(Plain))
import dynamo_bentoml.serve, dynamo_bentoml.run
found = [name for name in ("bentoml", "circus", "numpy", "starlette", "httpx") if name in sys.modules]
assert not found, found
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_options_are_checked() -> None:
    """A misspelt option and a wrong value are errors."""
    target = BentoMLDeploymentTarget()
    with pytest.raises(ConfigError, match="startup_timeout_s"):
        target.read_options({"startup_timeout": 1})
    with pytest.raises(ConfigError, match="startup_timeout_s"):
        target.read_options({"startup_timeout_s": 0})
    options: BentoMLOptions = target.read_options({"env_vars": {"A": 1}, "working_dir": "/"})
    assert (options.env_vars["A"], options.working_dir) == ("1", Path("/"))


@service
class Modest:
    """Asks for nothing."""

    @endpoint
    async def echo(self, text: str) -> str:
        return text


def notices_of(cls: type, **config: Any) -> list[str]:
    """What is said of a class before it starts."""
    definition = define_service(cls)
    return list(find_notices(definition, ServiceConfig(config)))


def test_what_has_no_effect_is_said() -> None:
    """Only where it is asked for."""
    assert notices_of(Modest) == []
    (resources,) = notices_of(Modest, resources={"cpu": 2, "memory": "1Gi"})
    assert "resources.cpu and memory: ignored" in resources


def test_what_is_done_differently_is_said() -> None:
    """Batching, and calls over HTTP."""

    class Elsewhere:
        @api
        async def echo(self, text: str) -> str:
            return text

    class Model:
        far = depends(Elsewhere, url="http://127.0.0.1:1")

        @endpoint(batchable=True)
        async def run(self, inputs: list[int]) -> list[int]:
            return inputs

    batching, far = notices_of(Model)
    assert "max_batch_wait_s is ignored" in batching
    assert "http://127.0.0.1:1" in far


def test_edge_out_of_the_run_has_no_client_here() -> None:
    """Its owner's workers follow it."""
    from dynamo_bentoml import BentoMLDependency

    class Model:
        far = depends(Modest, url="http://127.0.0.1:1")

        @endpoint
        async def echo(self, text: str) -> str:
            return text

    edge = define_service(Model).dependencies["far"]
    with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:1"):
        BentoMLDependency(edge, None).get()


@service
class Anybody(abc.ABC):
    """What a caller knows of a service that runs elsewhere."""

    @abc.abstractmethod
    @api
    async def echo(self, text: str) -> str: ...


@service
class Asking:
    anybody = depends(Anybody)


def test_service_elsewhere_is_called_by_its_name_there() -> None:
    """Both ends of a connection must name it; by itself, that is the name of the class."""
    definition = define_service(Asking)
    edge = attrs.evolve(definition.dependencies["anybody"], url="unix:/run/w.sock")
    for named, name in ((edge, "Anybody"), (attrs.evolve(edge, remote_name="Somebody"), "Somebody")):
        plan = plan_service(attrs.evolve(definition, dependencies={"anybody": named}), http=None)
        assert (plan.elsewhere["anybody"].name, plan.elsewhere["anybody"].url) == (name, "unix:/run/w.sock")
