"""The configuration of one service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.config import readers
from dynamo_core.config.dynamo import DynamoConfig
from dynamo_core.config.http import HttpConfig
from dynamo_core.config.problems import ValueProblem
from dynamo_core.config.record import ConfigRecord, read_as, read_by, union
from dynamo_core.config.resources import ResourceConfig
from dynamo_core.config.settings import Settings, join_settings, read_settings
from dynamo_core.config.supervision import SupervisionConfig
from dynamo_core.config.traffic import TrafficConfig

_NO_TEXTS: Final[Mapping[str, str]] = MappingProxyType({})


def _show_texts(values: Mapping[str, str]) -> str:
    return repr(dict(values))


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

    workers: int = attrs.field(default=1, metadata=read_by(readers.whole_number(at_least=1)))
    resources: ResourceConfig = attrs.field(default=ResourceConfig(), metadata=read_as(ResourceConfig))
    image: Settings = attrs.field(
        default=Settings(), metadata=read_by(read_settings, merge=join_settings, decode=Settings.from_data)
    )
    envs: Mapping[str, str] = attrs.field(
        default=_NO_TEXTS, repr=_show_names, metadata=read_by(readers.variables, merge=union)
    )
    labels: Mapping[str, str] = attrs.field(
        default=_NO_TEXTS, repr=_show_texts, metadata=read_by(readers.text_map(), merge=union)
    )
    dynamo: DynamoConfig = attrs.field(default=DynamoConfig(), metadata=read_as(DynamoConfig))
    http: HttpConfig = attrs.field(default=HttpConfig(), metadata=read_as(HttpConfig))
    traffic: TrafficConfig = attrs.field(default=TrafficConfig(), metadata=read_as(TrafficConfig))
    supervision: SupervisionConfig = attrs.field(
        default=SupervisionConfig(), metadata=read_as(SupervisionConfig)
    )
    secrets: tuple[str, ...] = attrs.field(
        default=(),
        metadata=read_by(readers.tuple_of(readers.variable, "a list of names of environment variables")),
    )
    inherit_env: bool | tuple[str, ...] = attrs.field(
        default=True, metadata=read_by(readers.patterns_or_boolean)
    )
    hardening: bool = attrs.field(default=False, metadata=read_by(readers.boolean))
    settings: Settings = attrs.field(
        default=Settings(), metadata=read_by(read_settings, merge=join_settings, decode=Settings.from_data)
    )

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            workers: int = ...,
            resources: ResourceConfig | Mapping[str, Any] = ...,
            image: Mapping[str, Any] = ...,
            envs: Mapping[str, Any] | Sequence[Mapping[str, Any]] = ...,
            labels: Mapping[str, Any] = ...,
            dynamo: DynamoConfig | Mapping[str, Any] = ...,
            http: HttpConfig | Mapping[str, Any] = ...,
            traffic: TrafficConfig | Mapping[str, Any] = ...,
            supervision: SupervisionConfig | Mapping[str, Any] = ...,
            secrets: Sequence[str] = ...,
            inherit_env: bool | Sequence[str] = ...,
            hardening: bool = ...,
            settings: Mapping[str, Any] = ...,
        ) -> None: ...

    @classmethod
    def problems_between(cls, values: Mapping[str, Any]) -> list[ValueProblem]:
        """A secret that is set to a value in plain sight as well."""
        return [
            ValueProblem(f"names {name!r}, which envs sets too; leave it to one of them", ("secrets",))
            for name in values["secrets"]
            if name in values["envs"]
        ]
