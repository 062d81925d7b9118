"""A service as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.provider import ServiceInterface

if TYPE_CHECKING:
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.inprocess.options import InProcessOptions
    from dynamo_core.inprocess.workers import WorkerGroup


class InProcessService(ServiceInterface):
    """One service, whose workers will be objects of this process.

    Args:
        definition: What the class declares.
        config: Its configuration, all sources merged.
        options: What the caller asked of this provider.

    Attributes:
        workers: Its workers; None while it does not run.
    """

    workers: WorkerGroup | None

    def __init__(
        self, definition: ServiceDefinition, config: ServiceConfig, options: InProcessOptions
    ) -> None:
        super().__init__(definition, config)
        self.options = options
        self.workers = None
