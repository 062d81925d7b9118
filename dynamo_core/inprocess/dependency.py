"""One edge of the graph as this provider binds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.provider import DependencyInterface
from dynamo_core.remote import check_address

if TYPE_CHECKING:
    from dynamo_core.definition import DependencyDefinition
    from dynamo_core.provider import ServiceInterface


class InProcessDependency(DependencyInterface):
    """Leads to the workers of the bound service, through the same encoding as between processes, or to an address.

    Args:
        definition: The edge as its owner declares it.
        on: The bound service; None when the edge leads out of the run.

    Raises:
        MissingExtraError: It leads to an address of HTTP, and httpx is not installed.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        super().__init__(definition, on)
        if on is None and definition.url is not None:
            check_address(definition.url)
        self._service = on

    def get(self) -> Any:
        """The client; the same one as long as the run lasts.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended; or the edge leads out of it, where
                only its owner's workers follow it.
        """
        if self._service is None:
            raise ServiceUnavailableError(
                self.definition.remote_name or self.definition.on.__name__,
                f"it runs at {self.definition.url} and is called by the workers of its owner only",
            )
        workers = getattr(self._service, "workers", None)
        if workers is None:
            raise ServiceUnavailableError(self._service.name, "its run has not been started, or has ended")
        return workers.client
