"""``--strict``: what a graph asks for and its provider does not do is an error, before the provider is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.errors import SilentLossError
from dynamo_core.provider.usage import describe_losses, find_uses, judge

if TYPE_CHECKING:
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.discovery import ProviderCandidate


def refuse_losses(candidate: ProviderCandidate, graph: ServiceGraph) -> None:
    """Make sure that the provider does everything that *graph* asks for.

    Raises:
        SilentLossError: It would ignore or refuse some of it; every loss is told with its place.
    """
    assert candidate.manifest is not None, "a provider without a manifest is not chosen"
    losses = describe_losses(judge(candidate.manifest, find_uses(graph)))
    if losses:
        raise SilentLossError(candidate.name, losses)
