"""Which capabilities a graph relies on, and where in it; so that a loss can be told before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from dynamo_core.config import ServiceConfig, SupervisionConfig
from dynamo_core.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.definition import EndpointDefinition, ServiceDefinition
    from dynamo_core.errors import Location
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.capabilities import Level
    from dynamo_core.provider.manifest import Manifest

_LOSSES = ("ignored", "refused")
_OF_REGISTRIES = ("enabled", "lease_s", "component_type")
_OF_RESTARTS = ("stable_time_s", "max_failures", "max_restarts", "restart_window_s")


class Use(NamedTuple):
    """One place where a graph relies on a capability.

    Attributes:
        capability: Its name.
        where: The service or endpoint.
        what: What there asks for it.
        location: Where that is declared.
    """

    capability: str
    where: str
    what: str
    location: Location

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Verdict(NamedTuple):
    """What a provider makes of one capability that a graph relies on.

    Attributes:
        capability: Its name.
        level: The level that the manifest states.
        reason: Why it goes no further; may be empty.
        uses: Where the graph relies on it.
    """

    capability: str
    level: Level
    reason: str
    uses: tuple[Use, ...]

    @property
    def is_loss(self) -> bool:
        """Whether what the graph asks for does not happen."""
        return self.level in _LOSSES

    def to_data(self) -> dict[str, object]:
        """The verdict as data that JSON can hold."""
        return {
            "capability": self.capability,
            "level": self.level,
            "reason": self.reason,
            "uses": [{"where": use.where, "what": use.what} for use in self.uses],
        }


def find_uses(graph: ServiceGraph) -> tuple[Use, ...]:
    """Every place where *graph* relies on a capability, dependencies first.

    Only what is declared or configured counts: what a caller may do later is not known yet.
    """
    return tuple(use for service in graph.services for use in _uses_of(service))


def judge(manifest: Manifest, uses: tuple[Use, ...]) -> tuple[Verdict, ...]:
    """What the provider of that manifest makes of each capability in *uses*, by name."""
    names = sorted({use.capability for use in uses})
    return tuple(
        Verdict(
            name,
            manifest.capability(name).level,
            manifest.capability(name).reason,
            tuple(use for use in uses if use.capability == name),
        )
        for name in names
    )


def describe_losses(verdicts: tuple[Verdict, ...]) -> list[str]:
    """One line for each use that comes to nothing: where, what, and why."""
    return [
        f"{use}: {verdict.capability} is {verdict.level}" + (f" ({verdict.reason})" if verdict.reason else "")
        for verdict in verdicts
        if verdict.is_loss
        for use in verdict.uses
    ]


def refuse_unsupported(manifest: Manifest, graph: ServiceGraph) -> None:
    """Make sure that *graph* asks for nothing that the provider of that manifest says it refuses.

    A capability that the manifest does not speak of is left to the provider, and so are classes that cannot be
    imported, for which there is an error of their own.

    Raises:
        UnsupportedOperationError: It does; every place is told.
    """
    refused = [
        verdict
        for verdict in judge(manifest, find_uses(graph))
        if verdict.level == "refused"
        and verdict.capability in manifest.capabilities
        and verdict.capability != "local_classes"
    ]
    if refused:
        reason = "; ".join(describe_losses(tuple(refused)))
        raise UnsupportedOperationError(manifest.name, f"run the graph {graph.name!r}", reason)


def _uses_of(service: ServiceDefinition) -> Iterator[Use]:
    for endpoint in service.endpoints.values():
        for capability, what in _of_endpoint(endpoint):
            yield Use(capability, f"{service.name}.{endpoint.name}", what, endpoint.location)
    for edge in service.dependencies.values():
        if edge.url is not None:
            yield Use("addresses", service.name, f"{edge.attribute} is at {edge.url}", edge.location)
    found = [*_of_config(service.config), *_of_supervision(service.config.supervision)]
    if service.target.problem is not None:
        found.append(("local_classes", f"its class cannot be imported: {service.target.problem}"))
    for capability, what in found:
        yield Use(capability, service.name, what, service.location)


def _of_endpoint(endpoint: EndpointDefinition) -> Iterator[tuple[str, str]]:
    if endpoint.kind.is_stream:
        yield "streams", "its result is a stream"
        yield "flow_control", "its result is a stream, whose reader may be slow"
    if endpoint.kind.is_sync:
        yield "sync_endpoints", "it is written with def"
    if endpoint.batchable:
        yield "batching", "it is batchable"
    if endpoint.timeout_s is not None:
        yield "deadlines", f"timeout_s={endpoint.timeout_s:g}"
    if endpoint.api is not None:
        yield "http", f"@api at {endpoint.api.method} {endpoint.api.path}"


def _of_config(config: ServiceConfig) -> Iterator[tuple[str, str]]:
    resources = config.resources
    if resources.gpu:
        yield "gpu", f"resources.gpu={resources.gpu:g}"
    if resources.cpu is not None:
        yield "resources", f"resources.cpu={resources.cpu:g}"
    if resources.memory is not None:
        yield "resources", f"resources.memory={resources.memory}"
    if config.image:
        yield "images", "image"
    if config.envs:
        yield "environment", f"envs: {', '.join(config.envs)}"
    if config.secrets:
        yield "environment", f"secrets: {', '.join(config.secrets)}"
    if config.inherit_env is not True:
        yield "environment", "inherit_env"
    if config.traffic.timeout_s is not None:
        yield "deadlines", f"traffic.timeout_s={config.traffic.timeout_s:g}"
    dynamo = config.dynamo
    asked = [name for name in _OF_REGISTRIES if getattr(dynamo, name)]
    if asked:
        yield "registry", ", ".join(f"dynamo.{name}" for name in asked)
    if config.hardening:
        yield "isolation", "hardening"


def _of_supervision(supervision: SupervisionConfig) -> Iterator[tuple[str, str]]:
    if supervision.on_failure != "restart":
        yield "on_failure", f"supervision.on_failure={supervision.on_failure}"
    if supervision.watchdog_s is not None:
        yield "watchdog", f"supervision.watchdog_s={supervision.watchdog_s:g}"
    usual = attrs.asdict(SupervisionConfig())
    changed = [name for name in _OF_RESTARTS if getattr(supervision, name) != usual[name]]
    if changed:
        yield "restart", ", ".join(f"supervision.{name}" for name in changed)
