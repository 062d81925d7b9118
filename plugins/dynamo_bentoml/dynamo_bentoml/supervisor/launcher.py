"""How each worker is started: its command, its environment, and what it inherits and is told."""

from __future__ import annotations

import itertools
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_bentoml import usage_reporting
from dynamo_bentoml.orders import WorkerOrders
from dynamo_bentoml.supervisor.process import Launch
from dynamo_core import environment
from dynamo_core.supervision.environment import compose_environment, pick_secrets
from dynamo_core.worker_kit.bootstrap import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_bentoml.plan import RunPlan, ServicePlan
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_core.control import RunDirectory
    from dynamo_core.supervision.http_listener import HttpListener

METRICS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
METRICS_FOLDER: Final = "metrics"


class Launcher:
    """Makes the launch of every worker of a run.

    Args:
        plan: The run.
        directory: Its directory.
        environ: The caller's environment.
        http_listeners: By service.
        devices: Variables that name the devices of a service's workers, by service.

    Raises:
        ConfigError: A service's secret is not in the environment.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        directory: RunDirectory,
        environ: Mapping[str, str],
        http_listeners: Mapping[str, HttpListener],
        devices: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._numbers = itertools.count(1)  # a slot that went and came back is another one
        self._plan = plan
        self._run_id = directory.run_id
        self._http_listeners = http_listeners
        self._secrets = pick_secrets(environ, plan.services)
        secret_names = {name for secrets in self._secrets.values() for name in secrets}
        metrics = directory.path / METRICS_FOLDER
        metrics.mkdir(mode=0o700)
        self._environments = {
            service.name: {
                usage_reporting.VARIABLE: "True",
                **compose_environment(
                    environ,
                    service.config,
                    above={
                        **devices.get(service.name, {}),
                        METRICS_VARIABLE: str(metrics),
                        **service.env_vars,
                    },
                    secrets=secret_names,
                ),
            }
            for service in plan.services
        }

    def prepare(self, service: ServicePlan, slot: Slot, memberships: bytes) -> Launch:
        """The launch of a slot's next worker.

        Args:
            service: Its service.
            slot: The slot.
            memberships: Frames that tell it who serves what it depends on.

        Raises:
            OSError: There are no descriptors left.
        """
        opened: list[int] = []
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            channel_fd = theirs.detach()
            opened.append(channel_fd)
            slot_fd = os.dup(slot.listener.fileno())
            opened.append(slot_fd)
            http = self._http_listeners.get(service.name)
            http_fd = None
            if http is not None:
                http_fd = os.dup(http.fileno())
                opened.append(http_fd)
            bootstrap = self._bootstrap(service, slot, slot_fd, http_fd)
            first_words = bootstrap.encode() + self._orders(service).encode() + memberships
        except BaseException:
            ours.close()
            for descriptor in opened:
                os.close(descriptor)
            raise
        owner = f"{self._run_id}/{service.name}/{slot.index}.{next(self._numbers)}"
        return Launch(
            argv=(
                sys.executable,
                "-P",  # the caller's import path comes with the bootstrap
                "-m",
                "dynamo_bentoml.worker",
                f"--run={self._run_id}",
                f"--service={service.name}",
                f"--slot={slot.index}",
                f"--channel={channel_fd}",
            ),
            env={**self._environments[service.name], environment.WORKER_ID: owner},
            cwd=Path(self._plan.working_dir),
            inherited=tuple(opened),
            service=service.name,
            owner=owner,
            channel=ours,
            first_words=first_words,
        )

    def _bootstrap(self, service: ServicePlan, slot: Slot, slot_fd: int, http_fd: int | None) -> Bootstrap:
        config = service.config
        listener = self._http_listeners.get(service.name)
        if listener is not None:  # as it is, and not as it was asked for
            config = attrs.evolve(config, http=listener.http)
        return Bootstrap(
            run_id=self._run_id,
            graph=self._plan.graph,
            service=service.name,
            slot=slot.index,
            generation=slot.generation,
            target=service.target.to_data(),
            config=config.to_data(),
            dependencies={
                attribute: (name, self._plan.service(name).target.to_data())
                for attribute, name in service.dependencies.items()
            },
            listen_fd=slot_fd,
            http_fd=http_fd,
            sys_path=self._plan.sys_path,
            secrets=self._secrets[service.name],
        )

    def _orders(self, service: ServicePlan) -> WorkerOrders:
        return WorkerOrders(
            identifier=self._plan.source.identifier,
            arguments=dict(self._plan.source.arguments),
            elsewhere={
                attribute: (each.url, each.name, each.target.to_data())
                for attribute, each in service.elsewhere.items()
            },
            is_entry=service.name == self._plan.entry,
            access_log=service.access_log,
        )
