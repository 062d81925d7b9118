"""A manifest and what the provider does: refused is refused, ignored does no harm, what few claim is tried out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pytest

from dynamo_core.errors import CallError, DynamoError, UnsupportedOperationError
from dynamo_core.graph import collect
from dynamo_core.provider import CAPABILITIES
from dynamo_core.provider.examination import examine
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, Provider, on_loop, on_own_loop
from dynamo_core.testing.conformance.ingress import Browser
from dynamo_core.testing.conformance.needs import needs, skip_for
from dynamo_core.testing.conformance.services import claimed
from dynamo_core.testing.conformance.services.asking import CONFIGS, Modest, graph_asking_for
from dynamo_core.testing.conformance.services.batched import Batched
from dynamo_core.testing.conformance.services.claimed import Commanded, Counted, Limited, SecondOnGpu
from dynamo_core.testing.conformance.services.life import Cellar

if TYPE_CHECKING:
    from dynamo_core.provider import RunningServices
    from dynamo_core.provider.capabilities import Level

BUILD_LIMIT_S: Final = 300.0
CALLS: Final = 7
BUILT: Final = """
from dynamo_core import api, service

@service
class Built:
    @api
    async def echo(self, text: str) -> str:
        return text
"""

ASKED_FOR: list[str] = sorted([*CONFIGS, "batching"])


class ClaimConformance(Conformance):
    """Whether a provider's manifest can be believed."""

    entry: ClassVar[type] = Cellar

    def test_manifest_and_code_agree(self, provider: Provider) -> None:
        """``dynamo providers check`` finds no error."""
        found = examine(provider.target, provider.manifest)
        assert [finding.what for finding in found if finding.severity == "error"] == []

    def test_levels_have_reasons(self, provider: Provider) -> None:
        """Whatever is less than native says why, so that nobody has to guess."""
        stated = provider.manifest.capabilities.values()
        assert [each.name for each in stated if each.level != "native" and not each.reason] == []

    def test_every_capability_is_stated(self, provider: Provider) -> None:
        """A capability that is left out counts as refused, and leaves readers in doubt."""
        assert [name for name in CAPABILITIES if name not in provider.manifest.capabilities] == []

    @pytest.mark.parametrize("capability", ASKED_FOR)
    @on_own_loop
    async def test_what_is_refused_is_an_error_before_anything_starts(
        self, provider: Provider, capability: str, request: pytest.FixtureRequest
    ) -> None:
        """A graph that asks for it is not run."""
        _only_if(request, provider, capability, "refused")
        with pytest.raises(DynamoError):
            async with provider.run(graph_asking_for(capability)):
                raise AssertionError("the run was given out")

    @pytest.mark.parametrize("capability", ASKED_FOR)
    @on_own_loop
    async def test_what_is_ignored_does_no_harm(
        self, provider: Provider, capability: str, request: pytest.FixtureRequest
    ) -> None:
        """A graph that asks for it runs as if it had not."""
        _only_if(request, provider, capability, "ignored")
        async with provider.run(graph_asking_for(capability)) as services:
            service = Batched if capability == "batching" else Modest
            assert await services.client(service).echo("hello") == "hello"

    @on_loop
    async def test_operation_that_is_refused_says_so(
        self, run: OpenRun, request: pytest.FixtureRequest
    ) -> None:
        """``scale``, ``restart`` and ``logs`` of a provider that cannot are errors that name it."""
        manifest, services = run.provider.manifest, run.services
        refused = [
            name
            for name in ("scale", "rolling_restart", "logs")
            if manifest.capability(name).level == "refused"
        ]
        if not refused:
            skip_for(request.node, "scale", f"{manifest.name} refuses no operation")
        for name in refused:
            with pytest.raises(UnsupportedOperationError) as caught:
                await _ask(services, name)
            assert caught.value.provider == manifest.name

    @needs("custom_commands")
    @on_own_loop
    async def test_command_of_the_users_starts_a_worker(self, provider: Provider) -> None:
        """The option ``command`` of ``create_service``: a program and its arguments, which calls ``serve_worker``."""
        target = type(provider.target)()
        target.take_name(provider.name)
        target.create_service(Commanded, command=[sys.executable, "-m", claimed.__name__, "by", "hand"])
        async with target.run_services(**provider.options) as services:
            assert await services.client(Commanded).arguments() == ["by", "hand"]

    @needs("gpu")
    @on_own_loop
    async def test_gpu_is_its_service_s_own(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two services that ask for one each are told of one each, and not of the same.

        No device is used. Whoever leaves devices to a caller that names some is tried without names, too.
        """
        seen: list[object] = []
        for named in ("0,1", None):
            if named is None:
                monkeypatch.delenv(claimed.DEVICES_VARIABLE, raising=False)
            else:
                monkeypatch.setenv(claimed.DEVICES_VARIABLE, named)
            async with provider.run(collect(SecondOnGpu)) as services:
                first, second = await services.client(SecondOnGpu).devices()
            if len(first) == len(second) == 1 and first != second:
                return
            seen.append((first, second))
        pytest.fail(f"two services that ask for one GPU each were told of {seen}")

    @needs("resources")
    @on_own_loop
    async def test_memory_is_limited(self, provider: Provider) -> None:
        """A worker that takes twice what it may have does not get it, and its caller learns."""
        async with provider.run(collect(Limited)) as services:
            limited = services.client(Limited)
            assert await limited.take(1) == claimed.MEBIBYTE
            with pytest.raises(CallError):
                await limited.take(2 * claimed.MEMORY_LIMIT_MIB)

    @needs("metrics", "http")
    def test_calls_are_counted(self, provider: Provider) -> None:
        """``GET /metrics`` of a service that HTTP reaches: Prometheus' text, in which something counts its calls."""
        run = OpenRun(provider, collect(Counted))
        try:
            browser = Browser(run.http_url("Counted"))
            before = _samples(browser)
            for _ in range(CALLS):
                assert browser.post("/echo", {"text": "hello"}).status == 200
            after = _samples(browser)
        finally:
            run.close()
        grown = [name for name, value in after.items() if value - before.get(name, 0) == CALLS]
        assert grown, f"nothing grew by {CALLS}: {sorted(after)}"

    @needs("images")
    def test_what_an_image_holds_is_built(self, provider: Provider, tmp_path: Path) -> None:
        """``dynamo build`` gives what an image is made of: it is there, and the graph's own code is in it."""
        context = tmp_path / "context"
        context.mkdir()
        (context / "kit_graph.py").write_text(BUILT, "utf-8")
        built = _build(provider, context, home=tmp_path)
        path = Path(built["path"])
        assert path.exists()
        assert not path.is_dir() or list(path.rglob("kit_graph.py"))
        assert built["next_steps"]


def _samples(browser: Browser) -> dict[str, float]:
    """The samples of a service's metrics."""
    answer = browser.send("GET", "/metrics")
    assert answer.status == 200, answer.body
    lines = (line for line in answer.body.decode().splitlines() if line and not line.startswith("#"))
    pairs = (line.rsplit(" ", 1) for line in lines)
    return {name: float(value) for name, value in pairs}


def _build(provider: Provider, context: Path, *, home: Path) -> dict[str, Any]:
    """Have a folder built, by a process that keeps what it makes in *home*."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DYNAMO_")}
    words = ("build", "kit_graph.py:Built", "--provider", provider.name, "--json")
    done = subprocess.run(
        [sys.executable, "-m", "dynamo_core", *words],
        cwd=context,
        env={**environ, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built: dict[str, Any] = json.loads(done.stdout)
    return built


async def _ask(services: RunningServices, capability: str) -> None:
    """Ask a run for the operation that belongs to a capability."""
    if capability == "scale":
        await services.scale("Cellar", 2)
    elif capability == "rolling_restart":
        await services.restart("Cellar")
    else:
        await anext(services.logs("Cellar"))


def _only_if(request: pytest.FixtureRequest, provider: Provider, capability: str, level: Level) -> None:
    stated = provider.manifest.capability(capability).level
    if stated != level:
        skip_for(request.node, capability, f"{provider.name}: {capability} is {stated}")
