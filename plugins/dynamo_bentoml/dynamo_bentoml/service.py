"""A service as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import ServiceInterface

if TYPE_CHECKING:
    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_bentoml.run_handle import BentoMLRun
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition


class BentoMLService(ServiceInterface):
    """One service, to be run as a BentoML service in worker processes of its own.

    Args:
        definition: What the class declares.
        config: Its configuration, all sources merged.
        options: What the caller asked of this provider.
    """

    def __init__(self, definition: ServiceDefinition, config: ServiceConfig, options: BentoMLOptions) -> None:
        super().__init__(definition, config)
        self.options = options
        self._run: BentoMLRun | None = None

    def attach(self, run: BentoMLRun | None) -> None:
        """Take note of the run that the service is part of; None once that has ended."""
        self._run = run

    @property
    def run(self) -> BentoMLRun:
        """The run that the service is part of.

        Raises:
            ServiceUnavailableError: There is none now.
        """
        if self._run is None:
            raise ServiceUnavailableError(self.name, "its run has not been started, or has ended")
        return self._run
