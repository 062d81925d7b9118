"""How each worker is started: its command, its environment, and the descriptors it inherits."""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dynamo_circus import exec_shim
from dynamo_circus.supervisor.process import Launch
from dynamo_core import environment
from dynamo_core.supervision.environment import compose_environment, pick_secrets
from dynamo_core.worker_kit.bootstrap import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_circus.gpu.assignment import DeviceAssignment
    from dynamo_circus.plan import RunPlan, ServicePlan
    from dynamo_circus.supervisor.channels import WorkerChannels
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.sockets import HttpSocket
    from dynamo_core.control import RunDirectory
    from dynamo_core.supervision.channel import WorkerChannel

LOWEST_INHERITED: Final = 10
"""Inherited descriptors are numbered from here on, so that the exec shim can put a slot's socket at 3."""


class Launcher:
    """Makes the launch of every worker of a run.

    Args:
        plan: The run.
        directory: Its directory.
        devices: Which GPUs each slot holds.
        environ: The caller's environment.
        channels: Open what workers are told through.
        http_sockets: By service.

    Raises:
        ConfigError: A service's secret is not in the environment.
    """

    def __init__(  # noqa: PLR0913  # everything that a launch is made of
        self,
        plan: RunPlan,
        *,
        directory: RunDirectory,
        devices: DeviceAssignment,
        environ: Mapping[str, str],
        channels: WorkerChannels,
        http_sockets: Mapping[str, HttpSocket],
    ) -> None:
        self._numbers = itertools.count(1)  # a slot that went and came back is another one
        self._plan = plan
        self._run_id = directory.run_id
        self._log_level = environ.get(environment.LOG_LEVEL) or "warning"
        self._notify_path = directory.notify_socket_path
        self._devices = devices
        self._channels = channels
        self._http_sockets = http_sockets
        self._secrets = pick_secrets(environ, plan.services)
        names = {name for secrets in self._secrets.values() for name in secrets}
        self._environments = {
            service.name: compose_environment(environ, service.config, above=service.env_vars, secrets=names)
            for service in plan.services
        }

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """The launch of the slot's next worker; opens its channel.

        Raises:
            OSError: There are no descriptors left.
        """
        env = self._environment(service, slot)
        opened: list[int] = []
        channel: WorkerChannel | None = None
        owner = f"{self._run_id}/{service.name}/{slot.index}.{next(self._numbers)}"
        try:
            slot_fd = _duplicate(slot.socket.fileno(), opened)
            http = self._http_sockets.get(service.name)
            http_fd = None if http is None else _duplicate(http.fileno(), opened)
            bootstrap = self._bootstrap(service, slot, slot_fd, http_fd)
            channel, theirs = self._channels.open(service.name, bootstrap)
            opened.append(theirs)
            channel_fd = _duplicate(theirs, opened)
        except BaseException:
            if channel is not None:
                self._channels.close(channel)
            for descriptor in opened:
                os.close(descriptor)
            raise
        if service.is_custom:  # a foreign program can read nothing but its environment
            env[environment.WORKER_FD] = str(channel_fd)
        return Launch(
            argv=self._argv(service, slot, slot_fd, channel_fd),
            env={**env, environment.WORKER_ID: owner},
            cwd=Path(self._plan.working_dir),
            inherited=tuple(descriptor for descriptor in opened if descriptor != theirs),
            close_after=tuple(opened),
            owner=owner,
            channel=channel,
        )

    def _bootstrap(self, service: ServicePlan, slot: Slot, slot_fd: int, http_fd: int | None) -> Bootstrap:
        return Bootstrap(
            run_id=self._run_id,
            graph=self._plan.graph,
            service=service.name,
            slot=slot.index,
            generation=slot.generation,
            target=service.target.to_data(),
            config=service.config.to_data(),
            dependencies={
                **{
                    attribute: (name, self._plan.service(name).target.to_data())
                    for attribute, name in service.dependencies.items()
                },
                **{
                    attribute: (remote.service, remote.target.to_data())
                    for attribute, remote in service.remotes.items()
                },
                **{
                    attribute: (found.service, found.target.to_data())
                    for attribute, found in service.addressed.items()
                },
            },
            remote_runs={remote.service: remote.run_id for remote in service.remotes.values()},
            addresses={attribute: found.url for attribute, found in service.addressed.items()},
            listen_fd=3 if service.is_custom else slot_fd,
            http_fd=http_fd,
            sys_path=self._plan.sys_path,
            secrets=self._secrets[service.name],
            log_level=self._log_level,
            reports_imports=self._plan.reload,
        )

    def _environment(self, service: ServicePlan, slot: Slot) -> dict[str, str]:
        env = {
            **self._environments[service.name],
            **self._devices.variables(service, slot.index),
            "NOTIFY_SOCKET": str(self._notify_path),
        }
        watchdog_s = service.config.supervision.watchdog_s
        if watchdog_s is not None:
            env["WATCHDOG_USEC"] = str(int(watchdog_s * 1_000_000))
        if service.is_custom:
            env.update(self._secrets[service.name])
            env[environment.RUN_ID] = self._run_id
            env[environment.SERVICE] = service.name
            env[environment.SLOT] = str(slot.index)
        return env

    def _argv(self, service: ServicePlan, slot: Slot, slot_fd: int, channel_fd: int) -> tuple[str, ...]:
        if service.is_custom:
            return tuple(
                exec_shim.command(
                    list(service.command),
                    parent_pid=os.getpid(),
                    listen_fd=slot_fd,
                    harden=service.config.hardening,
                )
            )
        return (
            sys.executable,
            "-P",  # the caller's import path comes with the bootstrap
            "-m",
            "dynamo_circus.worker",
            f"--run={self._run_id}",
            f"--service={service.name}",
            f"--slot={slot.index}",
            f"--channel={channel_fd}",
        )


def _duplicate(descriptor: int, opened: list[int]) -> int:
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOWEST_INHERITED)
    opened.append(copy)
    return copy
