"""An edge as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_circus.service import CircusService
from dynamo_core.errors import UnsupportedOperationError
from dynamo_core.provider import DependencyInterface

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class CircusDependency(DependencyInterface):
    """One edge: calls go over the unix sockets of the service's slots.

    Workers make their own clients; :meth:`get` is for the program that runs the graph.

    Raises:
        UnsupportedOperationError: The edge leads out of the run.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        if not isinstance(on, CircusService):
            raise UnsupportedOperationError(
                "circus",
                f"reach {definition.url!r}, which {definition.location} depends on",
                "calls to services outside of the run are not carried yet",
            )
        super().__init__(definition, on)
        self._service = on

    def get(self) -> Any:  # typed where the class is known: ArbiterHandle.client
        """The client for the service it leads to, while the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended.
        """
        return self._service.arbiter.client(self._service.inner)
