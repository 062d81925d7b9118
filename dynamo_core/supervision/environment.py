"""Which variables a worker gets: the caller's, less what is not for its service, plus what its service asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dynamo_core import environment
from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Protocol

    from dynamo_core.config import ServiceConfig

    class ConfiguredService(Protocol):
        """A service of a run, as any plan has it."""

        @property
        def name(self) -> str:
            """Its name."""

        @property
        def config(self) -> ServiceConfig:
            """Its configuration."""


NEVER_INHERITED: Final = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)
"""Variables that are about the process they were given to, and nobody else."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def compose_environment(
    base: Mapping[str, str],
    config: ServiceConfig,
    *,
    secrets: Collection[str],
    above: Mapping[str, str] = NOTHING,
) -> dict[str, str]:
    """The environment of a service's workers, without its secrets.

    Args:
        base: The caller's environment.
        config: The service's; says what is inherited and which variables are set.
        secrets: Names of every secret of every service of the run.
        above: Variables above all others.
    """
    inherited = {
        name: value
        for name, value in base.items()
        if name not in NEVER_INHERITED
        and name not in secrets
        and not name.startswith(environment.PREFIX)
        and _is_inherited(name, config.inherit_env)
    }
    return {**inherited, **config.envs, **above}


def _is_inherited(name: str, rule: bool | tuple[str, ...]) -> bool:
    if isinstance(rule, bool):
        return rule
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in rule)


def pick_secrets(base: Mapping[str, str], services: Sequence[ConfiguredService]) -> dict[str, dict[str, str]]:
    """The values of every service's secrets, by service.

    Args:
        base: The caller's environment.
        services: All services of the run.

    Raises:
        ConfigError: One or more are not in the caller's environment; all of those are named.
    """
    missing = [
        f"services.{service.name}.secrets names {name!r}, which is not in the environment"
        for service in services
        for name in service.config.secrets
        if name not in base
    ]
    if missing:
        raise ConfigError(*missing)
    return {service.name: {name: base[name] for name in service.config.secrets} for service in services}
