"""Which variables a worker gets: the caller's, less what is not for its service, plus what its service asks for."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from dynamo_core import environment
from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dynamo_core.config import ServiceConfig

NEVER_INHERITED: Final = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)
"""Variables that are about the process they were given to, and nobody else."""


def compose_environment(
    base: Mapping[str, str], config: ServiceConfig, *, secrets: Collection[str]
) -> dict[str, str]:
    """The environment of a service's workers, without its secrets.

    Args:
        base: The caller's environment.
        config: The service's; says what is inherited and which variables are set.
        secrets: Names of every secret of every service of the run.
    """
    inherited = {
        name: value
        for name, value in base.items()
        if name not in NEVER_INHERITED
        and name not in secrets
        and not name.startswith(environment.PREFIX)
        and _is_inherited(name, config.inherit_env)
    }
    return {**inherited, **config.envs}


def _is_inherited(name: str, rule: bool | tuple[str, ...]) -> bool:
    if isinstance(rule, bool):
        return rule
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in rule)


def pick_secrets(base: Mapping[str, str], config: ServiceConfig, *, service: str) -> dict[str, str]:
    """The values of a service's secrets.

    Raises:
        ConfigError: One or more are not in the caller's environment.
    """
    missing = [name for name in config.secrets if name not in base]
    if missing:
        raise ConfigError(
            *(
                f"services.{service}.secrets names {name!r}, which is not in the environment"
                for name in missing
            )
        )
    return {name: base[name] for name in config.secrets}
