"""What a service's instance may know of its place in the run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import attrs

from dynamo_core.config import nodes
from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.config import ServiceConfig, Settings
    from dynamo_core.config.nodes import Node


@attrs.frozen(kw_only=True)
class ServiceContext:
    """One instance's place in the run, and its settings.

    An attribute annotated with this class is filled before ``__init__`` runs::

        class Backend:
            context: ServiceContext

            def __init__(self) -> None:
                self.model = self.context.settings.text("model")

    Attributes:
        service: Name of the service.
        slot: Number of the worker's slot, from 0.
        run_id: Id of the run.
        graph: Name of the graph.
        config: The service's configuration, all sources merged.
        secrets: Values of its secrets by name; None to look into the process's environment.
    """

    service: str
    slot: int
    run_id: str
    graph: str
    config: ServiceConfig
    secrets: Mapping[str, str] | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def settings(self) -> Settings:
        """The service's own settings."""
        return self.config.settings.located_at(self.service)

    @property
    def namespace(self) -> str:
        """The namespace of its address."""
        return self.config.dynamo.namespace

    def secret(self, name: str) -> str:
        """The value of one of the service's secrets.

        Raises:
            ConfigError: The service's ``secrets`` do not name it, or it was not given to this process.
        """
        if name not in self.config.secrets:
            raise ConfigError(f"service {self.service!r} has no secret {name!r}; name it in its secrets")
        found = (os.environ if self.secrets is None else self.secrets).get(name)
        if found is None:
            raise ConfigError(f"the secret {name!r} of service {self.service!r} is not in the environment")
        return found

    def as_args(self, prefix: str = "") -> list[str]:
        """The settings as arguments for a parser such as argparse's, in the order they were given.

        A scalar is ``--key=text``, as it was written; true is ``--key``, false and null are left out.
        A list is ``--key`` and its items, each an argument; a mapping is ``--key=`` and its JSON.

        Args:
            prefix: Takes only the keys that begin with it, and leaves it away.
        """
        arguments: list[str] = []
        for key, node in self.config.settings.table.entries.items():
            if key.startswith(prefix) and key != prefix:
                arguments += _arguments_of(f"--{key.removeprefix(prefix)}", node)
        return arguments


def _arguments_of(option: str, node: Node) -> list[str]:
    match node:
        case nodes.Scalar():
            value = node.value
            if value is None or value is False:
                return []
            return [option] if value is True else [f"{option}={node.text}"]
        case nodes.Items():
            return [option, *(_text_of(item) for item in node.items)]
        case nodes.Table():
            return [f"{option}={_text_of(node)}"]


def _text_of(node: Node) -> str:
    if isinstance(node, nodes.Scalar):
        return node.text
    return json.dumps(nodes.plain(node), ensure_ascii=False, separators=(",", ":"))
