"""What an instance knows of its place in the run."""

from __future__ import annotations

import argparse

import pytest

from dynamo_core.config import ServiceConfig, Settings
from dynamo_core.config.yaml_file import parse_yaml
from dynamo_core.context import ServiceContext
from dynamo_core.errors import ConfigError

TEXT = """
model: small
version: 1.10
enforce-eager: true
offline: false
revision:
quoted: "true"
stops: [a, 1.0, {b: 2}]
limits: {image: 1, note: no}
dash: -1
kv.block: 16
kv.size: 2
"""


def context_of(**options: object) -> ServiceContext:
    settings = Settings(parse_yaml(TEXT, "app.yaml"))
    config = ServiceConfig(settings=settings, secrets=["TOKEN"], dynamo={"namespace": "inference"})
    return ServiceContext(service="Backend", slot=1, run_id="r", graph="g", config=config, **options)  # type: ignore[arg-type]  # secrets


def test_settings_know_whose_they_are() -> None:
    context = context_of()
    assert context.settings["model"] == "small"
    with pytest.raises(ConfigError, match=r"app\.yaml:2: Backend\.model must be a whole number"):
        context.settings.typed("model", int)
    assert context.namespace == "inference"


def test_settings_become_arguments() -> None:
    assert context_of().as_args() == [
        "--model=small",
        "--version=1.10",
        "--enforce-eager",
        "--quoted=true",
        "--stops",
        "a",
        "1.0",
        '{"b":2}',
        '--limits={"image":1,"note":"no"}',
        "--dash=-1",
        "--kv.block=16",
        "--kv.size=2",
    ]


def test_a_prefix_chooses_and_is_left_away() -> None:
    assert context_of().as_args("kv.") == ["--block=16", "--size=2"]
    assert context_of().as_args("none.") == []


def test_argparse_reads_the_arguments_back() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model", "version", "quoted", "limits", "dash", "kv.block", "kv.size"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--stops", nargs="*")
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--offline", action="store_true")
    found = parser.parse_args(context_of().as_args())
    assert (found.version, found.dash, found.enforce_eager, found.offline) == ("1.10", "-1", True, False)
    assert found.stops == ["a", "1.0", '{"b":2}']


def test_secrets_come_from_the_environment_or_from_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    assert context_of().secret("TOKEN") == "from the environment"
    assert context_of(secrets={"TOKEN": "given"}).secret("TOKEN") == "given"


def test_only_named_secrets_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "1")
    with pytest.raises(ConfigError, match="service 'Backend' has no secret 'OTHER'; name it in its secrets"):
        context_of().secret("OTHER")
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(
        ConfigError, match="the secret 'TOKEN' of service 'Backend' is not in the environment"
    ):
        context_of().secret("TOKEN")


def test_secrets_do_not_show() -> None:
    assert "hunter2" not in repr(context_of(secrets={"TOKEN": "hunter2"}))
