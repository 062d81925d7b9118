"""An edge as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_circus.remote import is_socket_address
from dynamo_circus.service import CircusService
from dynamo_core.errors import ServiceUnavailableError, UnsupportedOperationError
from dynamo_core.provider import DependencyInterface

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class CircusDependency(DependencyInterface):
    """One edge: calls go over the unix sockets of the service's slots.

    Workers make their own clients; :meth:`get` is for the program that runs the graph.

    Raises:
        UnsupportedOperationError: The edge leads out of the run, to something else than a worker's socket.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        if on is None and not is_socket_address(definition.url):
            raise UnsupportedOperationError(
                "circus",
                f"reach {definition.url!r}, which {definition.location} depends on",
                "calls to services outside of the run are not carried yet",
            )
        super().__init__(definition, on)

    def get(self) -> Any:  # typed where the class is known: ArbiterHandle.client
        """The client for the service it leads to, while the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended; or the edge leads out of it.
        """
        if not isinstance(self.on, CircusService):
            name = self.definition.remote_name or self.definition.on.__name__
            raise ServiceUnavailableError(name, "it is of another run, and only workers of this one call it")
        return self.on.arbiter.client(self.on.inner)
