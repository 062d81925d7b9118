"""What a run of this provider would consist of."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamo_circus.gpu.assignment import DeviceAssignment
from dynamo_circus.plan import make_plan
from dynamo_core.config import ServiceConfig, Settings
from dynamo_core.provider import ProcessOutline, RunOutline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynamo_circus.options import CircusOptions
    from dynamo_circus.plan import ServicePlan
    from dynamo_core.provider import BoundGraph

_NOT_OF_ONE_WORKER = frozenset(
    {"settings", "image", "workers", "supervision", "secrets", "inherit_env", "hardening", "envs"}
)
"""Fields that say how a service is supervised, which nobody does when it is started alone."""


def outline_services(graph: BoundGraph, options: CircusOptions) -> RunOutline:
    """Work out slots, devices, and a command for each process; nothing is started.

    Raises:
        NotImportableError: A worker process cannot import one of the classes.
        TooFewDevicesError: There are not enough devices.
    """
    plan = make_plan(graph, options)
    assignment = DeviceAssignment(plan, os.environ)
    processes = [
        _outline(service, slot, assignment)
        for service in plan.services
        for slot in range(service.config.workers)
    ]
    has_devices = any(process.devices for process in processes)
    return RunOutline(
        graph=plan.graph,
        provider="circus",
        processes=tuple(processes),
        devices=assignment.describe() if has_devices else "",
    )


def _outline(service: ServicePlan, slot: int, assignment: DeviceAssignment) -> ProcessOutline:
    return ProcessOutline(
        service=service.name,
        slot=slot,
        devices=assignment.devices(service, slot),
        command=service.command or tuple(_command(service, slot)),
        envs={**assignment.variables(service, slot), **service.config.envs, **service.env_vars},
        secrets=service.config.secrets,
    )


def _command(service: ServicePlan, slot: int) -> Iterator[str]:
    yield from (sys.executable, "-m", "dynamo_circus.worker", str(service.target))
    folder = Path.cwd()
    number = f"-{slot}" if slot else ""  # dependents are shown how to reach the first one
    yield f"--listen=unix:{folder}/{service.name}{number}.sock"
    for name in sorted({*service.dependencies.values()}):
        yield f"--depends={name}=unix:{folder}/{name}.sock"
    for remote in service.remotes.values():
        yield f"--depends={remote.service}=unix:{remote.path}"
    for found in service.addressed.values():
        yield f"--depends={found.service}={found.url}"
    if service.http is not None:
        yield f"--http={service.http.host}:{service.http.port}"
    yield from _overrides(service)


def _overrides(service: ServicePlan) -> Iterator[str]:
    """The service's configuration, as far as it differs from what a plain one has."""
    given, plain = service.config.to_data(), ServiceConfig().to_data()
    for path, text in _texts(service.config.settings):
        yield f"--{service.name}.{'.'.join(path)}={text}"
    for path, value in _differences(given, plain):
        if path[0] not in _NOT_OF_ONE_WORKER and path[:2] not in {("http", "host"), ("http", "port")}:
            yield f"--{service.name}.ServiceArgs.{'.'.join(path)}={_text(value)}"


def _texts(settings: Settings, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every setting with its source text; lists as JSON."""
    for key, value in settings.items():
        if isinstance(value, Settings):
            yield from _texts(value, (*path, key))
        elif isinstance(value, str | int | float | bool):
            yield (*path, key), settings.text(key)
        else:
            yield (*path, key), json.dumps(settings.to_plain()[key])


def _differences(
    given: Mapping[str, Any], plain: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in given.items():
        before = plain.get(key)
        if isinstance(value, dict) and value and isinstance(before, dict):
            yield from _differences(value, before, (*path, key))
        elif value != before:
            yield (*path, key), value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
