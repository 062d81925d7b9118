"""The configuration of one service."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from dynamo_core.config import readers
from dynamo_core.config.dynamo import DynamoConfig
from dynamo_core.config.http import HttpConfig
from dynamo_core.config.problems import ValueProblem
from dynamo_core.config.record import ConfigRecord, nested, option, union
from dynamo_core.config.resources import ResourceConfig
from dynamo_core.config.settings import Settings, join_settings, read_settings
from dynamo_core.config.supervision import SupervisionConfig
from dynamo_core.config.traffic import TrafficConfig

_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


def _show_names(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name!r}: ..." for name in values) + "}"


@attrs.frozen(kw_only=True, init=False, hash=False)
class ServiceConfig(ConfigRecord):
    """How one service is run, and its own settings.

    Attributes:
        workers: Processes to run, at least 1.
        resources: What each worker needs of its machine.
        image: How a container image is built, for providers that build one.
        envs: Environment variables of its workers; their values never show in a ``repr``.
        labels: Free texts for providers and operators.
        dynamo: How it is known to others.
        http: Its HTTP side.
        traffic: Limits of calls to it.
        supervision: Time limits, and what happens on failure.
        secrets: Names of the caller's environment variables that this service alone gets.
        inherit_env: Whether workers inherit the caller's environment; or patterns of the names that they inherit.
        hardening: Whether workers are closed against debuggers and gain no privileges.
        settings: The service's own settings, read through its context.
    """

    workers: int = option(readers.whole_number(at_least=1), 1)
    resources: ResourceConfig = nested(ResourceConfig)
    image: Settings = option(read_settings, Settings(), merge=join_settings, decode=Settings.from_data)
    envs: Mapping[str, str] = option(readers.variables, _NO_TEXTS, merge=union, show=_show_names)
    labels: Mapping[str, str] = option(readers.text_map(), _NO_TEXTS, merge=union)
    dynamo: DynamoConfig = nested(DynamoConfig)
    http: HttpConfig = nested(HttpConfig)
    traffic: TrafficConfig = nested(TrafficConfig)
    supervision: SupervisionConfig = nested(SupervisionConfig)
    secrets: tuple[str, ...] = option(
        readers.tuple_of(readers.variable, "a list of names of environment variables"), ()
    )
    inherit_env: bool | tuple[str, ...] = option(readers.patterns_or_boolean, True)
    hardening: bool = option(readers.boolean, False)
    settings: Settings = option(read_settings, Settings(), merge=join_settings, decode=Settings.from_data)

    @classmethod
    def problems_between(cls, values: Mapping[str, Any]) -> list[ValueProblem]:
        """A secret that is set to a value in plain sight as well."""
        return [
            ValueProblem(f"names {name!r}, which envs sets too; leave it to one of them", ("secrets",))
            for name in values["secrets"]
            if name in values["envs"]
        ]
