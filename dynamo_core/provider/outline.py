"""What a run would consist of, worked out without starting anything."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen(kw_only=True)
class ProcessOutline:
    """One process of a run, and how to start the same service alone.

    Attributes:
        service: Name of the service.
        slot: The worker's slot.
        devices: Names of the GPUs it would hold.
        command: A program and its arguments that start the same service alone.
        envs: Variables to set for it, without secrets.
        secrets: Names of variables that have to be set to secrets.
    """

    service: str
    slot: int
    devices: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    envs: Mapping[str, str] = attrs.field(factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def command_line(self) -> str:
        """What to type in a shell; secrets stand there as references to variables of the same name."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.envs.items()]
        variables += [f'{name}="${name}"' for name in self.secrets]
        return " ".join([*variables, shlex.join(self.command)])

    def to_data(self) -> dict[str, object]:
        """The outline as data that JSON can hold."""
        return {**attrs.asdict(self), "envs": dict(self.envs), "command_line": self.command_line}


@attrs.frozen(kw_only=True)
class RunOutline:
    """A whole run.

    Attributes:
        graph: Name of the graph.
        provider: Name of the provider.
        processes: Dependencies first.
        devices: Who would hold which GPU, a line each; empty where nobody asks for one.
    """

    graph: str
    provider: str
    processes: tuple[ProcessOutline, ...]
    devices: str = ""

    def to_data(self) -> dict[str, object]:
        """The outline as data that JSON can hold."""
        return {
            "graph": self.graph,
            "provider": self.provider,
            "processes": [process.to_data() for process in self.processes],
        }
