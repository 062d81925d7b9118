"""Which variables a worker's process gets.

The caller's environment, less what is not for this service, plus what the service asks for.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from dynamo_core import environment
from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dynamo_circus.plan import RunPlan
    from dynamo_core.config import ServiceConfig
    from dynamo_core.errors import Problem

NEVER_INHERITED: Final = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)
"""Variables that are about the process they were given to, and nobody else."""


def compose_environment(
    base: Mapping[str, str], config: ServiceConfig, *, env_vars: Mapping[str, str], secrets: Collection[str]
) -> dict[str, str]:
    """A worker's environment, without its secrets.

    Args:
        base: The caller's environment.
        config: The service's; says what is inherited and which variables are set.
        env_vars: Variables above all others.
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
    return {**inherited, **config.envs, **env_vars}


def _is_inherited(name: str, rule: bool | tuple[str, ...]) -> bool:
    if isinstance(rule, bool):
        return rule
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in rule)


def check_secrets(base: Mapping[str, str], plan: RunPlan) -> None:
    """Make sure that every secret of every service is there, before anything is started.

    Raises:
        ConfigError: One or more are not in the caller's environment.
    """
    problems: list[Problem] = []
    for service in plan.services:
        try:
            pick_secrets(base, service.config, service=service.name)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)


def pick_secrets(base: Mapping[str, str], config: ServiceConfig, *, service: str) -> dict[str, str]:
    """The values of the service's secrets.

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
