"""Which variables a worker gets."""

from __future__ import annotations

import attrs
import pytest

from dynamo_core import ServiceConfig
from dynamo_core.errors import ConfigError
from dynamo_core.supervision.environment import compose_environment, pick_secrets

BASE = {
    "PATH": "/bin",
    "TOKEN": "secret",
    "DYNAMO_PROVIDER": "x",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "KEEP_ONE": "1",
}


@attrs.frozen
class Service:
    """A service of a plan."""

    name: str
    config: ServiceConfig


@pytest.mark.parametrize(
    ("inherit", "wanted"),
    [
        (True, {"PATH", "KEEP_ONE"}),
        (False, set()),
        (["KEEP_*", "TOKEN", "DYNAMO_*"], {"KEEP_ONE"}),
    ],
)
def test_what_is_not_for_a_service_is_not_inherited(inherit: bool | list[str], wanted: set[str]) -> None:
    """Secrets of any service, variables of this project, and those about one process."""
    config = ServiceConfig({"inherit_env": inherit, "envs": {"OWN": "$HOME"}})
    found = compose_environment(BASE, config, secrets=["TOKEN"])
    assert found.keys() == wanted | {"OWN"}
    assert found["OWN"] == "$HOME"


def test_later_sources_stand_above_earlier_ones() -> None:
    """The caller's, the service's, the run's."""
    config = ServiceConfig({"envs": {"KEEP_ONE": "service", "OWN": "service"}})
    found = compose_environment(BASE, config, secrets=[], above={"OWN": "run"})
    assert (found["KEEP_ONE"], found["OWN"]) == ("service", "run")


def test_every_missing_secret_of_every_service_is_told() -> None:
    """At once, before anything starts."""
    services = [
        Service("Backend", ServiceConfig({"secrets": ["TOKEN", "ONE", "TWO"]})),
        Service("Frontend", ServiceConfig({"secrets": ["THREE"]})),
    ]
    with pytest.raises(ConfigError, match=r"(?s)Backend.*ONE.*TWO.*Frontend.*THREE") as caught:
        pick_secrets(BASE, services)
    assert len(caught.value.problems) == 3


def test_secrets_are_picked_by_service() -> None:
    """Each service gets its own only."""
    services = [
        Service("Backend", ServiceConfig({"secrets": ["TOKEN"]})),
        Service("Frontend", ServiceConfig()),
    ]
    assert pick_secrets(BASE, services) == {"Backend": {"TOKEN": "secret"}, "Frontend": {}}
