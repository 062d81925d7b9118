"""A service as this provider runs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dynamo_core.provider import ServiceInterface

if TYPE_CHECKING:
    from dynamo_core.config import ServiceConfig

    from dynamo_circus.options import CircusOptions
    from dynamo_core.definition import ServiceDefinition


class CircusService(ServiceInterface):
    """One service, to be run as worker processes under one watcher.

    Args:
        definition: What the class declares.
        config: Its configuration, all sources merged.
        options: What the caller asked of this provider.
    """

    def __init__(self, definition: ServiceDefinition, config: ServiceConfig, options: CircusOptions) -> None:
        super().__init__(definition, config)
        self.options = options

    @property
    def command(self) -> tuple[str, ...]:
        """The program and arguments of a custom worker; empty for the built-in one."""
        if self.options.command is not None:
            return self.options.command
        if self.options.args is not None:
            return (sys.executable, *self.options.args)
        return ()
