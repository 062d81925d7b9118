"""``DeploymentTarget``: what a provider's entry point names, and what a program without the command line uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

from dynamo_core.provider.manager import HookManager
from dynamo_core.provider.options import read_options
from dynamo_core.provider.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.config import DynamoConfig, ServiceConfig
    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.interfaces import DependencyInterface, ServiceInterface
    from dynamo_core.provider.run_context import RunContext


class DeploymentTarget(ABC):
    """One provider, as a program holds it.

    A provider supplies :attr:`options_type` and :meth:`hooks`; the class is built without arguments, and building
    it must start nothing and import nothing heavy.
    The rest is concrete and final: every call goes through the hooks, so that extensions see it.
    This is the only place where options are loose keywords.
    """

    @property
    @abstractmethod
    def options_type(self) -> type[Any]:
        """The attrs class of the provider's options; a plain class attribute will do.

        Read by core before each call that takes options.
        Every field has a default, because each call is given only the options its caller names.
        """

    @abstractmethod
    def hooks(self) -> object:
        """The object that carries the provider's hook implementations.

        Called by core at most twice: to check it when the provider is chosen, and before the first hook call.
        """

    @final
    @property
    def name(self) -> str:
        """The provider's name, as its manifest has it; the class's name where it has none."""
        return self._program.name

    @final
    def create_service(
        self,
        service_cls: type,
        config: ServiceConfig | Mapping[str, Any] | None = None,
        dynamo_config: DynamoConfig | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ServiceInterface:
        """Bind one service and remember it for :meth:`run_services`; nothing is started.

        Args:
            service_cls: The class, with or without ``@service``.
            config: Takes the place of what the decorator says; None keeps that.
            dynamo_config: Takes the place of ``config.dynamo``.
            **options: The provider's own, the fields of its ``options_type``.

        Raises:
            ConfigError: An option or a value is wrong, or ``dynamo`` is given twice.
            GraphError: The class's declarations have mistakes, or its name is taken.
            HookError: The provider's hook returned something unusable.
        """
        return self._program.create_service(service_cls, config, dynamo_config, self.read_options(options))

    @final
    def create_dependency(
        self, on: ServiceInterface | type | None = None, **options: Any
    ) -> DependencyInterface:
        """Bind a way from this program to one of its services; its client works while the run lasts.

        Args:
            on: What :meth:`create_service` returned, or the class; None for the only service there is.
            **options: The provider's own.

        Raises:
            ConfigError: An option is wrong.
            ServiceNotFoundError: No service of that class was created.
            HookError: The provider's hook returned something unusable.
        """
        return self._program.create_dependency(on, self.read_options(options))

    @final
    def run_services(self, **options: Any) -> RunContext:
        """Run what was created, and every service that it depends on.

        Use the result once: ``async with`` gives the provider's ``RunningServices``; a plain ``with`` runs on a
        thread of its own and gives the same members, blocking.
        A plain ``with`` on a running event loop is an error that says so.

        Args:
            **options: The provider's own.

        Raises:
            ConfigError: An option is wrong.
        """
        from dynamo_core.provider.binding import bind_graph  # asyncio, needed only now
        from dynamo_core.provider.run_context import RunContext  # as above

        given = self.read_options(options)
        manager = self._program.manager

        def bind() -> Any:
            graph, created = self._program.graph()
            return bind_graph(manager, graph, given, created=created)

        return RunContext(manager, bind, given)

    @final
    def read_options(self, options: Mapping[str, Any]) -> Any:
        """Options by name as an instance of :attr:`options_type`.

        Raises:
            ConfigError: A name is unknown, or a value is refused.
        """
        return read_options(self.name, self.options_type, options)

    @final
    def hook_manager(self, *, is_strict: bool | None = None) -> HookManager:
        """The hooks, with the installed extensions around them; loads those on first use.

        Args:
            is_strict: Whether a broken extension is an error, and not left out with a warning; None asks
                ``DYNAMO_STRICT``. The first use decides.

        Raises:
            HookError: A hook does not fit the contract.
            BrokenExtensionError: An extension cannot be used, and that is to be strict.
        """
        return self._program.open_manager(is_strict=is_strict)

    @final
    def check_hooks(self) -> None:
        """Make sure that every hook fits the contract; extensions are left out.

        Raises:
            HookError: One does not.
        """
        HookManager(self.name, self.hooks())

    @final
    def check_graph(self, graph: ServiceGraph) -> None:
        """Make sure that a graph asks for nothing that the provider's manifest says it refuses.

        Raises:
            UnsupportedOperationError: It does; every place is told.
        """
        self._program.check_graph(graph)

    @final
    def take_name(self, name: str) -> None:
        """Be called *name* in messages: the name of the entry point that was chosen."""
        self._program.name = name

    @cached_property
    def _program(self) -> Program:
        return Program(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
