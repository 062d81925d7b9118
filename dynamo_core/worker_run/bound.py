"""Services and edges of a run of workers, bound and not yet running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider.interfaces import DependencyInterface, ServiceInterface

if TYPE_CHECKING:
    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.provider.interfaces import RunningServices


class WorkerService(ServiceInterface):
    """One service that worker processes will serve; what the hook ``create_service`` may return.

    Args:
        definition: What the class declares.
        config: Its configuration, all sources merged.
    """

    def __init__(self, definition: ServiceDefinition, config: ServiceConfig) -> None:
        super().__init__(definition, config)
        self._run: RunningServices | None = None

    def attach(self, run: RunningServices | None) -> None:
        """Take note of the run that the service is part of; None once that has ended. Called by the run."""
        self._run = run

    @property
    def run(self) -> RunningServices:
        """The run that the service is part of.

        Raises:
            ServiceUnavailableError: There is none now.
        """
        if self._run is None:
            raise ServiceUnavailableError(self.name, "its run has not been started, or has ended")
        return self._run


class WorkerDependency(DependencyInterface):
    """One edge between such services; what the hook ``create_dependency`` may return.

    Workers make their own clients; :meth:`get` is for the program that runs the graph.

    Args:
        definition: The edge as its owner declares it.
        on: The bound service it leads to; None when it leads out of the run.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        super().__init__(definition, on)
        self._service = on if isinstance(on, WorkerService) else None

    def get(self) -> Any:  # the client is typed where the class is known: RunningServices.client
        """The client for the service it leads to, while the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended; or the edge leads out of it, where
                only its owner's workers follow it.
        """
        if self._service is None:
            target = self.definition.url or self.definition.attribute
            raise ServiceUnavailableError(str(target), "it is no service of this run")
        return self._service.run.client(self._service.inner)
