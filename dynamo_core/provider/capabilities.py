"""What a provider may or may not be able to do, under names that every provider uses alike."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

Level = Literal["native", "emulated", "ignored", "refused"]

LEVELS: Final[tuple[Level, ...]] = get_args(Level)

LEVEL_MEANINGS: Final = MappingProxyType(
    {
        "native": "the runtime beneath does it",
        "emulated": "the provider does it itself, with the same effect for the user",
        "ignored": "what is declared has no effect here, and nothing breaks",
        "refused": "asking for it is an error before anything starts",
    }
)

CAPABILITIES: Final = MappingProxyType(
    {
        "addresses": "a dependency may lead to a service that runs elsewhere, at its address",
        "batching": "several calls of a batchable endpoint are joined into one",
        "cancellation": "cancelling a call, or closing a stream early, cancels the endpoint on the far side",
        "custom_commands": "a service's workers are started by a command of the user's",
        "deadlines": "a call's remaining time travels with it and ends it on the far side",
        "environment": "variables and secrets per service",
        "flow_control": "a slow reader of a stream slows its writer down, and no other stream",
        "gpu": "a worker gets the GPU share that its service asks for",
        "http": "@api endpoints answer HTTP by the HTTP contract",
        "images": "a container image is built from what the service declares",
        "isolation": "each worker is a process of its own",
        "local_classes": "classes of notebooks, of __main__ and inside functions can be run",
        "logs": "what workers write can be read through the run",
        "metrics": "counts and times of calls can be collected",
        "on_failure": "the failure policies besides 'restart' are followed",
        "placement": "services can run on several machines",
        "registry": "services are entered in a registry of services",
        "resources": "limits of processor and memory are enforced",
        "restart": "a worker that dies is replaced",
        "rolling_restart": "a service is restarted without refusing a call",
        "routing": "the caller chooses how a worker is picked, or picks one by slot",
        "scale": "the number of workers can be changed while the run goes on",
        "streams": "results can be streams of items",
        "sync_endpoints": "endpoints written with def run in threads",
        "watchdog": "a worker that has stopped answering is replaced",
    }
)
"""Every known capability, with its meaning."""


class Capability(NamedTuple):
    """One capability as a provider states it.

    Attributes:
        name: A name of the table.
        level: How far it goes.
        reason: Why it goes no further; may be empty.
    """

    name: str
    level: Level
    reason: str = ""


def parse_level(value: object) -> Level | None:
    """The level of that name; None when there is none."""
    return next((level for level in LEVELS if level == value), None)
