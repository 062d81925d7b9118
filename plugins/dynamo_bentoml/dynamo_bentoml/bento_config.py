"""A service's configuration in BentoML's words, field by field."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition

NO_TIMEOUT_S: Final = 3600
"""BentoML has no word for no limit, and keeps a timer for every request until its limit has passed."""

WIDER_S: Final = 5.0
"""How much later than ours BentoML's own time limit comes, so that ours answers first."""

CONTAINER_VARIABLES: Final = ("BENTOML_CONTAINERIZED", "BENTOCLOUD_DEPLOYMENT_URL")


def bento_options(definition: ServiceDefinition) -> dict[str, Any]:
    """What :func:`bentoml.service` is given for a service.

    Concurrency has no place in it: BentoML's limit refuses what ours would let wait.
    """
    config = definition.config
    options: dict[str, Any] = {
        "name": definition.name,
        "workers": config.workers,
        "traffic": {"timeout": _timeout_s(definition)},
        "labels": dict(config.labels),
        "envs": [
            *({"name": name, "value": value} for name, value in config.envs.items()),
            *({"name": name, "stage": "runtime"} for name in config.secrets),
        ],
    }
    if config.traffic.max_concurrency is not None:
        options["traffic"]["concurrency"] = config.traffic.max_concurrency * config.workers
    resources = {name: value for name, value in attrs.asdict(config.resources).items() if value}
    if resources:
        options["resources"] = _resources(resources)
    options.update(_http(config))
    return options


def _timeout_s(definition: ServiceDefinition) -> float:
    """A limit that no endpoint's own one passes."""
    default = definition.config.traffic.timeout_s
    limits = [
        default if endpoint.timeout_s is None else endpoint.timeout_s
        for endpoint in definition.endpoints.values()
    ]
    known = [limit for limit in limits if limit is not None]
    return max(known) + WIDER_S if known and len(known) == len(limits) else NO_TIMEOUT_S


def _resources(given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(given)
    if isinstance(found.get("memory"), int):
        found["memory"] = f"{max(1, found['memory'] // 1024**2)}Mi"  # a bare number would be gibibytes
    return found


def _http(config: ServiceConfig) -> dict[str, Any]:
    """BentoML's ``http`` and ``ssl``; in a container BentoML's own address stays, unless another one is asked for."""
    http = config.http
    defaults = {field.name: field.default for field in attrs.fields(type(http))}
    in_container = any(name in os.environ for name in CONTAINER_VARIABLES)
    asked = {"host": "127.0.0.1" if http.host == "localhost" else http.host, "port": http.port}
    found: dict[str, Any] = {
        name: value
        for name, value in asked.items()
        if value and not (in_container and value == defaults[name])
    }
    if http.cors_origins:
        found["cors"] = {"enabled": True, "access_control_allow_origins": list(http.cors_origins)}
    options: dict[str, Any] = {"http": found} if found else {}
    if http.tls_certificate is not None:
        options["ssl"] = {"enabled": True, "certfile": http.tls_certificate}
        if http.tls_key is not None:
            options["ssl"]["keyfile"] = http.tls_key
    return options
