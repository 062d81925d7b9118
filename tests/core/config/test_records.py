"""The configuration classes: built, checked, changed, turned into data."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from dynamo_core.config import (
    DynamoConfig,
    HttpConfig,
    ResourceConfig,
    ServiceConfig,
    SupervisionConfig,
    TrafficConfig,
)
from dynamo_core.errors import ConfigError

RECORDS = [DynamoConfig, HttpConfig, ResourceConfig, ServiceConfig, SupervisionConfig, TrafficConfig]

FULL = ServiceConfig(
    workers=2,
    resources={"cpu": "500m", "memory": "2Gi", "gpu": 0.5},
    image={"base": "python", "python_version": "3.10", "run": ["a", {"b": None}]},
    envs=[{"name": "A", "value": 1.5}],
    labels={"team": 7},
    dynamo=DynamoConfig(
        enabled=True, name="backend", namespace="inference", lease_s=5, component_type="main"
    ),
    http={"port": 0, "cors_origins": ["https://app.example"], "allowed_hosts": ["*.example.org"]},
    traffic={"timeout_s": 2, "max_concurrency": 4},
    supervision={"on_failure": "isolate", "watchdog_s": 2.5},
    secrets=["TOKEN"],
    inherit_env=["PATH", "LC_*"],
    hardening=True,
    settings={
        "model": "small",
        "deep": {"list": [1, 1.5, "1", True, None]},
        "limit": math.inf,
        "big": 10**30,
    },
)


def test_a_mapping_and_arguments_build_the_same() -> None:
    assert ServiceConfig({"workers": 2}) == ServiceConfig(workers=2)
    assert ServiceConfig({"workers": 2}, hardening=True) == ServiceConfig(workers=2, hardening=True)
    assert ServiceConfig() == ServiceConfig({}) == ServiceConfig(None)


def test_nested_mappings_become_records() -> None:
    assert ServiceConfig(http={"port": 1}).http == HttpConfig(port=1)
    assert ServiceConfig(http=HttpConfig(port=1)) == ServiceConfig({"http": {"port": 1}})
    assert ServiceConfig(http=None).http == HttpConfig()  # type: ignore[arg-type]  # as an empty key of a file


def test_records_cannot_be_changed_but_evolve() -> None:
    config = ServiceConfig(workers=2, envs={"A": "1"})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.workers = 3  # type: ignore[misc]  # what is tested
    with pytest.raises(TypeError):
        config.envs["A"] = "2"  # type: ignore[index]  # what is tested
    assert attrs.evolve(config, workers=3) == ServiceConfig(workers=3, envs={"A": "1"})
    with pytest.raises(ConfigError):
        attrs.evolve(config, workers=0)


@pytest.mark.parametrize("config", [ServiceConfig(), FULL])
def test_data_round_trips_exactly(config: ServiceConfig) -> None:
    """Through JSON, through msgpack, through pickle; what was written stays as it was written."""
    through_json = json.loads(json.dumps(config.to_data()))
    through_msgpack = msgspec.msgpack.decode(msgspec.msgpack.encode(config.to_data()))
    for copied in (
        ServiceConfig.from_data(through_json),
        ServiceConfig.from_data(through_msgpack),
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
    ):
        assert copied == config
        assert copied.to_data() == config.to_data()


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_has_a_default_that_it_accepts(record: type[Any]) -> None:
    defaults = {field.name: field.default for field in attrs.fields(record)}
    assert record(defaults) == record()
    assert record.from_data(record().to_data()) == record()


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ServiceConfig({"workers": 0, "http": {"prot": 1, "port": "x"}, "worker": 1, "envs": {"A": [1]}})
    assert [problem.message.partition(" (keys:")[0] for problem in caught.value.problems] == [
        "workers must be a whole number of at least 1, got 0",
        "http has no key 'prot', did you mean 'port'?",
        "http.port must be a whole number from 0 to 65535, got 'x'",
        "ServiceConfig has no key 'worker', did you mean 'workers'?",
        "envs.A must be a text, got a list",
    ]


def test_a_key_that_lies_deeper_is_shown_its_place() -> None:
    with pytest.raises(ConfigError, match=r"has no key 'port', did you mean 'http\.port'\?"):
        ServiceConfig({"port": 1})


def test_a_key_given_twice_is_an_error() -> None:
    with pytest.raises(ConfigError, match="workers is given twice"):
        ServiceConfig({"workers": 1}, workers=1)


@pytest.mark.parametrize("values", [3, "workers", [("workers", 1)], object()])
def test_values_must_be_a_mapping(values: Any) -> None:
    with pytest.raises(ConfigError, match="ServiceConfig must be"):
        ServiceConfig(values)


def test_a_key_that_is_no_text_is_unknown() -> None:
    with pytest.raises(ConfigError, match="ServiceConfig has no key '1'"):
        ServiceConfig({1: 2})  # type: ignore[dict-item]  # what is tested


WRONG: list[tuple[type[Any], dict[str, Any], str]] = [
    (ServiceConfig, {"workers": 1.5}, "workers must be a whole number"),
    (ServiceConfig, {"workers": True}, "workers must be a whole number"),
    (ServiceConfig, {"workers": None}, "workers must be a whole number"),
    (ServiceConfig, {"workers": "1_000"}, "workers must be a whole number"),
    (ServiceConfig, {"hardening": "yes"}, "hardening must be true or false, got 'yes'"),
    (ServiceConfig, {"hardening": 1}, "hardening must be true or false, got 1"),
    (ServiceConfig, {"secrets": "TOKEN"}, "secrets must be a list of names"),
    (ServiceConfig, {"secrets": ["A", "B=C"]}, r"secrets\[1\] must be the name of an environment variable"),
    (ServiceConfig, {"secrets": ["A"], "envs": {"A": "1"}}, "secrets names 'A', which envs sets too"),
    (ServiceConfig, {"inherit_env": "PATH"}, "inherit_env must be true, false or a list of patterns"),
    (ServiceConfig, {"envs": "A=1"}, "envs must be a mapping"),
    (ServiceConfig, {"envs": {"A": None}}, "envs.A must be a text"),
    (ServiceConfig, {"envs": {"A=B": "1"}}, "envs.A=B must be the name of an environment variable"),
    (ServiceConfig, {"envs": {"": "1"}}, "must be the name of an environment variable"),
    (ServiceConfig, {"envs": [{"name": "A"}]}, r"envs\[0\] must be a mapping with 'name' and 'value'"),
    (ServiceConfig, {"envs": [{"name": "A", "value": 1, "x": 2}]}, r"envs\[0\] has no key 'x'"),
    (ServiceConfig, {"envs": [{"name": "A", "value": 1}] * 2}, r"envs\[1\] names 'A' again"),
    (ServiceConfig, {"labels": {1: "a"}}, "labels must have texts as keys, got 1"),
    (ServiceConfig, {"settings": {"a": object()}}, "settings must be a text, a number.*got object"),
    (ServiceConfig, {"settings": [1]}, "settings must be a mapping, got a list"),
    (ServiceConfig, {"http": 3}, "http must be a mapping, got 3"),
    (ServiceConfig, {"http": DynamoConfig()}, "http must be .* got DynamoConfig"),
    (ResourceConfig, {"cpu": 0}, "cpu must be a number above 0"),
    (ResourceConfig, {"cpu": "0m"}, "cpu must be a number above 0 or a text such as 500m"),
    (ResourceConfig, {"cpu": "two"}, "cpu must be a number above 0 or a text such as 500m"),
    (ResourceConfig, {"memory": "2 Gigs"}, "memory must be a number of bytes or a text such as 2Gi"),
    (ResourceConfig, {"memory": 0}, "memory must be more than 0 bytes"),
    (ResourceConfig, {"gpu": -1}, "gpu must be a number of at least 0"),
    (ResourceConfig, {"gpu": math.nan}, "gpu must be a number of at least 0"),
    (DynamoConfig, {"namespace": "a/b"}, "namespace must be a name"),
    (DynamoConfig, {"lease_s": math.inf}, "lease_s must be a number above 0"),
    (HttpConfig, {"port": 65536}, "port must be a whole number from 0 to 65535"),
    (HttpConfig, {"host": ""}, "host must be a text that is not empty"),
    (HttpConfig, {"cors_origins": ["app.example"]}, r"cors_origins\[0\] must be an origin"),
    (HttpConfig, {"cors_origins": ["https://app.example/path"]}, r"cors_origins\[0\] must be an origin"),
    (HttpConfig, {"allowed_hosts": ["https://a"]}, r"allowed_hosts\[0\] must be a host name"),
    (HttpConfig, {"allowed_hosts": ["a:80"]}, r"allowed_hosts\[0\] must be a host name"),
    (TrafficConfig, {"max_concurrency": 0}, "max_concurrency must be a whole number of at least 1"),
    (TrafficConfig, {"timeout_s": 0}, "timeout_s must be a number above 0"),
    (
        SupervisionConfig,
        {"on_failure": "panic"},
        "on_failure must be one of restart, isolate, stop-dependents",
    ),
]


@pytest.mark.parametrize(("record", "values", "message"), WRONG)
def test_wrong_values_are_refused(record: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        record(values)


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [
        (1024, 1024),
        ("2Gi", 2 * 1024**3),
        ("512MiB", 512 * 1024**2),
        ("1.5k", 1500),
        ("2 GB", 2 * 1000**3),
        ("1Ei", 1024**6),
        ("1000", 1000),
    ],
)
def test_memory_is_bytes(given: int | str, bytes_: int) -> None:
    assert ResourceConfig(memory=given).memory == bytes_


@pytest.mark.parametrize(("given", "processors"), [(2, 2.0), (0.25, 0.25), ("500m", 0.5), ("1.5", 1.5)])
def test_cpu_is_processors(given: float | str, processors: float) -> None:
    assert ResourceConfig(cpu=given).cpu == processors


def test_typed_fields_read_text() -> None:
    """As it comes from a quoted scalar or the environment."""
    assert ServiceConfig({"workers": "3", "hardening": "true"}) == ServiceConfig(workers=3, hardening=True)
    assert HttpConfig({"port": "0x50"}).port == 80


def test_texts_stay_what_was_given() -> None:
    config = ServiceConfig(envs={"A": "1.10", "B": 8000, "C": True, "D": "", "E": "007"}, labels={"v": 1.0})
    assert config.envs == {"A": "1.10", "B": "8000", "C": "true", "D": "", "E": "007"}
    assert config.labels == {"v": "1.0"}


def test_paths_are_taken(tmp_path: Path) -> None:
    assert HttpConfig(tls_certificate=tmp_path / "a.pem").tls_certificate == str(tmp_path / "a.pem")


def test_values_of_variables_do_not_show() -> None:
    config = ServiceConfig(envs={"TOKEN": "hunter2"}, settings={"password": "hunter3"})
    assert "TOKEN" in repr(config)
    assert "hunter" not in repr(config)


def test_deeply_nested_python_values_are_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ConfigError, match="nested deeper than 64"):
        ServiceConfig(settings={"a": loop})
