"""An edge as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_bentoml.service import BentoMLService
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import DependencyInterface

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class BentoMLDependency(DependencyInterface):
    """One edge: over unix sockets to a service of the run, over HTTP to one that runs elsewhere.

    Workers make their own clients; :meth:`get` is for the program that runs the graph.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        super().__init__(definition, on)
        self._service = on if isinstance(on, BentoMLService) else None

    def get(self) -> Any:  # typed where the class is known: BentoMLRun.client
        """The client for the service it leads to, while the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended; or the edge leads out of the run,
                where only its owner's workers follow it.
        """
        if self._service is None:
            raise ServiceUnavailableError(
                self.definition.on.__name__,
                f"it runs at {self.definition.url} and is called by the workers of its owner only",
            )
        return self._service.run.client(self._service.inner)
