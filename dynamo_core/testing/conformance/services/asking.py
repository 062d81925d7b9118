"""Services each of which asks for one thing that not every provider has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynamo_core import ServiceConfig, endpoint, service
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.testing.conformance.services.batched import Batched


@service
class Modest:
    """Asks for nothing."""

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "environment": {"envs": {"KIT_VARIABLE": "1"}},
    "gpu": {"resources": {"gpu": 1}},
    "images": {"image": {"base": "scratch"}},
    "on_failure": {"supervision": {"on_failure": "isolate"}},
    "registry": {"dynamo": {"enabled": True, "lease_s": 5, "component_type": "kit"}},
    "resources": {"resources": {"cpu": 0.5, "memory": "512Mi"}},
    "restart": {"supervision": {"max_failures": 3}},
    "watchdog": {"supervision": {"watchdog_s": 30}},
}
"""Configuration that asks for a capability, by its name."""


def graph_asking_for(capability: str) -> ServiceGraph:
    """A graph of one service that relies on *capability*."""
    if capability == "batching":
        return collect(Batched)
    return collect(Modest).with_configs({"Modest": ServiceConfig(CONFIGS[capability])})
