"""A manifest and what the provider does: refused is refused, ignored does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from dynamo_core.errors import DynamoError, UnsupportedOperationError
from dynamo_core.provider import CAPABILITIES
from dynamo_core.provider.examination import examine
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, Provider, on_loop, on_own_loop
from dynamo_core.testing.conformance.needs import skip_for
from dynamo_core.testing.conformance.services.asking import CONFIGS, Modest, graph_asking_for
from dynamo_core.testing.conformance.services.batched import Batched
from dynamo_core.testing.conformance.services.life import Cellar

if TYPE_CHECKING:
    from dynamo_core.provider import RunningServices
    from dynamo_core.provider.capabilities import Level

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
