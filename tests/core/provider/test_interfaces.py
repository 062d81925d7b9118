"""Interfaces, events and status records."""

from __future__ import annotations

import json

import pytest

from dynamo_core.errors import EndpointNotFoundError
from dynamo_core.provider import (
    DependencyInterface,
    RunningServices,
    RunStatus,
    ServiceEvent,
    ServiceStatus,
    WorkerStatus,
)

from .fake_provider import Echo, FakeDependency, FakeService, define


def test_bound_service_answers_from_its_definition() -> None:
    """Name, class, endpoints, variables and address."""
    definition = define(Echo, depends_on={"other": Echo})
    service = FakeService(definition, definition.config)
    assert (service.name, service.inner, service.envs) == ("Echo", Echo, {"A": "1"})
    assert service.list_endpoints() == ["echo", "stream", "sync"]
    assert service.get_endpoints()["echo"] is service.get_endpoint("echo")
    assert service.dynamo_address() == ("space", "Echo")
    with pytest.raises(EndpointNotFoundError, match="echo, stream, sync"):
        service.get_endpoint("absent")


def test_bound_edge_gives_the_client_and_its_endpoints() -> None:
    """By the names of the wire."""
    definition = define(Echo, depends_on={"other": Echo})
    service = FakeService(definition, definition.config)
    dependency = FakeDependency(definition.dependencies["other"], service)
    service.bind_dependency("other", dependency)
    assert dict(service.dependencies) == {"other": dependency}
    assert dependency.on is service
    assert dependency.get_endpoint("sync")("a") == "A"
    with pytest.raises(EndpointNotFoundError):
        dependency.get_endpoint("absent")


@pytest.mark.parametrize("interface", [DependencyInterface, RunningServices])
def test_interface_cannot_be_built_itself(interface: type) -> None:
    """A provider defines what is abstract."""
    with pytest.raises(TypeError, match="abstract"):
        interface()


def test_status_survives_json() -> None:
    """What one process writes another reads, a newer one's fields passed over."""
    status = RunStatus(
        graph="g",
        provider="fake",
        state="ready",
        run_id="1",
        started_at="2026-01-01T00:00:00+00:00",
        services=(
            ServiceStatus(
                name="Echo",
                state="ready",
                workers=(WorkerStatus(slot=0, pid=1, state="ready", path="/a"), WorkerStatus(slot=1)),
                http_url="http://127.0.0.1:8000",
            ),
        ),
    )
    data = json.loads(json.dumps(status.to_data()))
    data["newer"] = data["services"][0]["newer"] = data["services"][0]["workers"][0]["newer"] = 1
    assert RunStatus.from_data(data) == status
    found = status.find_service("Echo")
    assert found is not None
    assert found.ready_workers == 1
    assert status.find_service("Absent") is None


def test_event_of_unknown_kind_is_refused() -> None:
    """Kinds are a fixed list."""
    with pytest.raises(ValueError, match="kind"):
        ServiceEvent(kind="exploded", service="Echo")  # type: ignore[arg-type]  # what is tested
    assert ServiceEvent(kind="ready", service="Echo", slot=1).to_data()["slot"] == 1
