"""One edge of the graph as this provider binds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_core.errors import ServiceUnavailableError, UnsupportedOperationError
from dynamo_core.provider import DependencyInterface

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class InProcessDependency(DependencyInterface):
    """Leads to the workers of the bound service, through the same encoding as between processes.

    Args:
        definition: The edge as its owner declares it.
        on: The bound service.

    Raises:
        UnsupportedOperationError: The edge leads out of the run.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        super().__init__(definition, on)
        if on is None:
            raise UnsupportedOperationError(
                "inprocess",
                f"reach {definition.url!r}, which {definition.attribute!r} depends on",
                "it calls services of its own run only",
            )
        self._service = on

    def get(self) -> Any:
        """The client; the same one as long as the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended.
        """
        workers = getattr(self._service, "workers", None)
        if workers is None:
            raise ServiceUnavailableError(self._service.name, "its run has not been started, or has ended")
        return workers.client
