"""Which variables a worker gets."""

from __future__ import annotations

import pytest

from dynamo_bentoml.supervisor.environment import compose_environment, pick_secrets
from dynamo_core import ServiceConfig
from dynamo_core.errors import ConfigError

BASE = {
    "PATH": "/bin",
    "DYNAMO_PROVIDER": "bentoml",
    "NOTIFY_SOCKET": "/run/notify",
    "TOKEN": "t",
    "OTHER": "o",
}


def compose(config: ServiceConfig, **above: str) -> dict[str, str]:
    return compose_environment(BASE, config, above=above, secrets={"TOKEN"})


def test_secrets_and_what_is_not_the_workers_are_left_out() -> None:
    """A secret comes by another way, and to its service only."""
    found = compose(ServiceConfig())
    assert found["PATH"] == "/bin"
    assert not {"TOKEN", "NOTIFY_SOCKET", "DYNAMO_PROVIDER"} & set(found)


def test_later_sources_stand_above_earlier_ones() -> None:
    """The caller's, the service's, the run's."""
    config = ServiceConfig({"envs": {"OTHER": "service", "OWN": "service"}})
    found = compose(config, OWN="run")
    assert (found["OTHER"], found["OWN"]) == ("service", "run")


@pytest.mark.parametrize(("rule", "wanted"), [(False, False), (["OTH*"], True), (["PATH"], False)])
def test_inheritance_can_be_narrowed(rule: object, wanted: bool) -> None:
    """To nothing, or to patterns."""
    assert ("OTHER" in compose(ServiceConfig({"inherit_env": rule}))) is wanted


def test_usage_reporting_is_off_unless_the_user_says_otherwise() -> None:
    """Whoever wants to report sets BentoML's variable."""
    assert compose(ServiceConfig())["BENTOML_DO_NOT_TRACK"] == "True"
    chosen = compose_environment({"BENTOML_DO_NOT_TRACK": "False"}, ServiceConfig(), above={}, secrets=set())
    assert chosen["BENTOML_DO_NOT_TRACK"] == "False"


def test_missing_secrets_are_all_named() -> None:
    """Before anything starts."""
    config = ServiceConfig({"secrets": ["TOKEN", "FIRST", "SECOND"]})
    with pytest.raises(ConfigError, match=r"(?s)FIRST.*SECOND"):
        pick_secrets(BASE, config, service="Backend")
    assert pick_secrets(BASE, ServiceConfig({"secrets": ["TOKEN"]}), service="Backend") == {"TOKEN": "t"}
