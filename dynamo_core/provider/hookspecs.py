"""The hooks that core calls, as pluggy specifications.

A provider implements the first four, and the fifth if it can; an extension (entry point group ``dynamo.plugins``) may wrap them with
``@hookimpl(wrapper=True)``, or hear events.
Arguments only ever grow: an implementation names the ones it needs, and a new one breaks nobody.
No argument has a default, in a specification or in an implementation, because pluggy does not pass those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.building import BuildRequest, BuiltArtifact
    from dynamo_core.provider.events import ServiceEvent
    from dynamo_core.provider.interfaces import DependencyInterface, RunningServices, ServiceInterface
    from dynamo_core.provider.outline import RunOutline

PROJECT: Final = "dynamo"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


class ProviderHooks:
    """Every hook there is.

    ``options`` is always an instance of the provider's own ``options_type``.
    Each but the last is a first-result hook: one answer is wanted, and None is no answer.
    An error of :mod:`dynamo_core.errors` goes to the caller as it is; so does everything else.
    """

    @hookspec(firstresult=True)
    def create_service(
        self, definition: ServiceDefinition, config: ServiceConfig, options: Any
    ) -> ServiceInterface | None:
        """Bind one service: turn its definition into something this provider can run.

        Called by core in the process that binds the graph, once per service, dependencies first.
        Must not start, open or connect anything: starting belongs to ``run_services`` and ``serve_services``.

        Args:
            definition: What the class declares.
            config: The service's configuration, all sources merged.
            options: What the caller asked of this provider.
        """

    @hookspec(firstresult=True)
    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None, options: Any
    ) -> DependencyInterface | None:
        """Bind one edge: prepare the way from a service to another one.

        Called by core once per declared edge, after both ends are bound, and once for each
        ``DeploymentTarget.create_dependency`` of a program, whose edge has no owner (its attribute is empty).
        Must not connect anything.

        Args:
            definition: The edge as its owner declares it.
            on: The bound service it leads to; None when it leads out of the run, to ``definition.url``.
            options: What the caller asked of this provider.
        """

    @hookspec(firstresult=True)
    def run_services(
        self, services: BoundGraph, options: Any
    ) -> AbstractAsyncContextManager[RunningServices] | None:
        """Run a graph beside the caller's program, and leave the caller's process as it is.

        Called by core from a running event loop, once per run.
        The hook itself starts nothing: entering what it returns does, and yields when every service is ready;
        leaving it stops everything, whatever happened.
        It must not touch signal handlers, the working directory, the umask, logging, or children it did not start.
        The caller's own exceptions, cancellation excepted, do not pass through it.

        Args:
            services: What to run.
            options: What the caller asked of this provider.
        """

    @hookspec(firstresult=True)
    def serve_services(self, services: BoundGraph, options: Any) -> int | None:
        """Run a graph as the whole purpose of this process, until it is stopped.

        Called by ``dynamo serve`` in the main thread, without a running event loop, once.
        It owns the process: signals, logging, children.
        Returns the exit code of the command (see ``dynamo_core.errors``); a failed start raises ``StartError``.

        Args:
            services: What to run.
            options: What the caller asked of this provider.
        """

    @hookspec(firstresult=True)
    def outline_services(self, services: BoundGraph, options: Any) -> RunOutline | None:
        """Say what a run of a graph would consist of, and how to start each of its services alone.

        Called by ``dynamo serve --plan`` in the process that binds the graph, instead of ``serve_services``.
        A provider need not implement it; then ``--plan`` is refused.
        Must not start, open or connect anything.

        Args:
            services: What would run.
            options: What the caller asked of this provider.
        """

    @hookspec(firstresult=True)
    def build_services(
        self, services: BoundGraph, request: BuildRequest, options: Any
    ) -> BuiltArtifact | None:
        """Build a graph into something that can be shipped: an image, an archive, a folder.

        Called by ``dynamo build`` in the process that binds the graph, instead of ``serve_services``.
        A provider need not implement it; then ``dynamo build`` is refused.

        Args:
            services: What is built, with its configuration.
            request: Where from, and under which name.
            options: What the caller asked of this provider.
        """

    @hookspec
    def on_service_event(self, event: ServiceEvent) -> None:
        """Hear what happens to the services of a run.

        Called by core for everybody, in the process that runs the graph and in whatever thread the event comes up,
        so return quickly and block on nothing.
        What it raises is logged and goes no further.

        Args:
            event: What happened.
        """


HOOK_NAMES: Final = tuple(name for name in vars(ProviderHooks) if not name.startswith("_"))
EVENT_HOOK: Final = "on_service_event"
OPTIONAL_HOOKS: Final = ("outline_services", "build_services", EVENT_HOOK)
REQUIRED_HOOKS: Final = tuple(name for name in HOOK_NAMES if name not in OPTIONAL_HOOKS)
