"""A service as this provider runs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import ServiceInterface

if TYPE_CHECKING:
    from dynamo_circus.arbiter_handle import ArbiterHandle
    from dynamo_circus.options import CircusOptions
    from dynamo_core.config import ServiceConfig
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
        self._arbiter: ArbiterHandle | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The program and arguments of a custom worker; empty for the built-in one."""
        if self.options.command is not None:
            return self.options.command
        if self.options.args is not None:
            return (sys.executable, *self.options.args)
        return ()

    def attach(self, arbiter: ArbiterHandle | None) -> None:
        """Take note of the run that the service is part of; None once that has ended."""
        self._arbiter = arbiter

    @property
    def arbiter(self) -> ArbiterHandle:
        """The run that the service is part of.

        Raises:
            ServiceUnavailableError: There is none now.
        """
        if self._arbiter is None:
            raise ServiceUnavailableError(self.name, "its run has not been started, or has ended")
        return self._arbiter
