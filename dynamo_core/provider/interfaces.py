"""What a provider hands to core: bound services, bound dependencies, and the running whole.

All three are small on purpose.
They answer questions; nothing in them reaches back into core.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from dynamo_core.errors import EndpointNotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, EndpointDefinition, ServiceDefinition
    from dynamo_core.provider.status import LogLine, RunStatus

T = TypeVar("T")


class ServiceInterface(ABC):  # noqa: B024  # complete as it stands; providers add what their runtime needs
    """One service, bound to a provider and not yet running.

    The hook ``create_service`` returns one.
    Every member may be used at any time, from any thread, as often as one likes.

    Args:
        definition: What the class declares.
        config: Its configuration, all sources merged.
    """

    def __init__(self, definition: ServiceDefinition, config: ServiceConfig) -> None:
        self.definition = definition
        self._config = config
        self._dependencies: dict[str, DependencyInterface] = {}

    @property
    def name(self) -> str:
        """The service's name, unique in its graph."""
        return self.definition.name

    @property
    def config(self) -> ServiceConfig:
        """The configuration it was bound with."""
        return self._config

    @property
    def inner(self) -> type:
        """The user's class."""
        return self.definition.inner

    @property
    def envs(self) -> Mapping[str, str]:
        """Environment variables that its configuration gives to its workers."""
        return self._config.envs

    @property
    def dependencies(self) -> Mapping[str, DependencyInterface]:
        """Its bound edges by attribute; empty until the graph is bound."""
        return MappingProxyType(self._dependencies)

    def bind_dependency(self, attribute: str, dependency: DependencyInterface) -> None:
        """Keep one bound edge.

        Called by core while it binds the graph, once for each edge; a second edge of one attribute replaces the
        first.
        """
        self._dependencies[attribute] = dependency

    def get_endpoints(self) -> Mapping[str, EndpointDefinition]:
        """Its endpoints by name, in the order of declaration."""
        return self.definition.endpoints

    def get_endpoint(self, name: str) -> EndpointDefinition:
        """The endpoint of that name.

        Raises:
            EndpointNotFoundError: It has none of that name.
        """
        found = self.definition.endpoints.get(name)
        if found is None:
            raise EndpointNotFoundError(self.name, name, known=self.list_endpoints())
        return found

    def list_endpoints(self) -> list[str]:
        """Names of its endpoints, in the order of declaration."""
        return list(self.definition.endpoints)

    def dynamo_address(self) -> tuple[str, str]:
        """Namespace and name under which it is known."""
        dynamo = self._config.dynamo
        return dynamo.namespace, dynamo.name or self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class DependencyInterface(ABC):
    """One edge of the graph, bound to a provider.

    The hook ``create_dependency`` returns one.

    Args:
        definition: The edge as its owner declares it.
        on: The bound service it leads to; None when it leads out of the run, to *definition.url*.
    """

    def __init__(self, definition: DependencyDefinition, on: ServiceInterface | None) -> None:
        self.definition = definition
        self._on = on

    @property
    def on(self) -> ServiceInterface | None:
        """The bound service it leads to; None when it leads out of the run."""
        return self._on

    @abstractmethod
    def get(self) -> Any:  # the client is typed where the class is known: RunningServices.client
        """The client for the service it leads to.

        Called by core and by users once the run has started; safe to call again, and then the same client.

        Raises:
            ServiceUnavailableError: The run has not been started, or has ended.
        """

    def get_endpoint(self, name: str) -> Any:  # a callable of the client; its type is the endpoint's own
        """One endpoint of that client, as something to call.

        Raises:
            EndpointNotFoundError: The service has no endpoint of that name.
            ServiceUnavailableError: The run has not been started, or has ended.
        """
        attribute = name if self._on is None else self._on.get_endpoint(name).attribute
        return getattr(self.get(), attribute)

    def __repr__(self) -> str:
        target = self.definition.url if self._on is None else self._on.name
        return f"<{type(self).__name__} {self.definition.attribute or '-'} on {target!r}>"


class RunningServices(ABC):
    """A started graph; what ``async with target.run_services() as services`` gives.

    The context manager that the hook ``run_services`` returns yields one, once every service is ready.
    A provider may give it more members; the blocking form shows those too.
    All members are used from the event loop that entered the context, unless a provider says otherwise.
    After the run has ended, whatever needs it raises ``ServiceUnavailableError``.
    """

    @abstractmethod
    async def status(self) -> RunStatus:
        """How every service and worker is doing now. Changes nothing; safe to call at any time."""

    @abstractmethod
    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every service has all its workers ready; returns at once when that is so already.

        Args:
            timeout_s: Seconds to wait, above 0; None waits without limit.

        Raises:
            TimeoutError: *timeout_s* passed.
            ServiceFailedError: A service was given up meanwhile.
        """

    @abstractmethod
    async def scale(self, service: str, workers: int, *, reason: str | None = None) -> None:
        """Bring a service to that many workers, and wait until they are ready or gone.

        Asking for the number there already is does nothing.

        Args:
            service: Name of the service.
            workers: Workers wanted, at least 0; the highest slots go first.
            reason: Why, for the record of the run.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not become ready.
            UnsupportedOperationError: The provider cannot.
            ValueError: *workers* is below 0.
        """

    @abstractmethod
    async def restart(self, service: str, *, reason: str | None = None) -> None:
        """Replace every worker of a service, and wait until the new ones are ready.

        Args:
            service: Name of the service.
            reason: Why, for the record of the run.

        Raises:
            ServiceNotFoundError: The run has no such service.
            ServiceFailedError: A new worker did not become ready.
            UnsupportedOperationError: The provider cannot.
        """

    @abstractmethod
    async def stop(self, *, reason: str | None = None) -> None:
        """End the run: drain, then stop the services in reverse order; leaving the context does it too.

        Safe to call twice: the second call waits for the same end.

        Args:
            reason: Why, for the record of the run.
        """

    @abstractmethod
    def logs(self, service: str | None = None) -> AsyncIterator[LogLine]:
        """Lines that workers wrote: those kept, then new ones until the run ends or the iterator is closed.

        Args:
            service: Name of one service; None for all.

        Raises:
            ServiceNotFoundError: The run has no such service; raised by the first step at the latest.
            UnsupportedOperationError: The provider cannot.
        """

    @overload
    def client(self, service: type[T]) -> T: ...
    @overload
    def client(self, service: str) -> Any: ...
    @abstractmethod
    def client(self, service: type[Any] | str) -> Any:
        """A client for one service of the run; calls on it go where those of other services go.

        Asking twice is safe; the run owns the client and closes it.

        Args:
            service: The class, or the service's name.

        Raises:
            ServiceNotFoundError: The run has no such service.
        """
