"""An edge as this provider runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_circus.service import CircusService
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import DependencyInterface
from dynamo_core.remote import check_address

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class CircusDependency(DependencyInterface):
    """One edge: calls go over the unix sockets of the service's slots, or out of the run over HTTP.

    Workers make their own clients; :meth:`get` is for the program that runs the graph.

    Raises:
        MissingExtraError: The edge leads to an address of HTTP, and httpx is not installed.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        super().__init__(definition, on)
        if on is None and definition.url is not None:
            check_address(definition.url)

    def get(self) -> Any:  # typed where the class is known: ArbiterHandle.client
        """The client for the service it leads to, while the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended; or the edge leads out of it.
        """
        if not isinstance(self.on, CircusService):
            name = self.definition.remote_name or self.definition.on.__name__
            raise ServiceUnavailableError(name, "it is not of this run, and only workers of this one call it")
        return self.on.arbiter.client(self.on.inner)
