"""Call the hooks of one provider, with the extensions around them.

pluggy is strict only where it is asked to be: it passes over a misspelt hook until ``check_pending``, does not pass
arguments that have defaults, and gives None when nobody answers.
Here all of that is an error with the name of the hook.
"""

from __future__ import annotations

import difflib
import inspect
import logging
import traceback
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pluggy

from dynamo_core.errors import BrokenExtensionError, DynamoError, HookError, UnsupportedOperationError
from dynamo_core.provider.building import BuiltArtifact
from dynamo_core.provider.hookspecs import EVENT_HOOK, HOOK_NAMES, PROJECT, REQUIRED_HOOKS, ProviderHooks
from dynamo_core.provider.importing import describe
from dynamo_core.provider.interfaces import DependencyInterface, RunningServices, ServiceInterface
from dynamo_core.provider.outline import RunOutline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.provider.bound import BoundGraph
    from dynamo_core.provider.building import BuildRequest
    from dynamo_core.provider.events import ServiceEvent

logger = logging.getLogger(__name__)

_NAMED: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Extension(NamedTuple):
    """A loaded plugin of the group ``dynamo.plugins``.

    Attributes:
        name: Name of its entry point, with its distribution.
        hooks: The object that carries its hook implementations.
    """

    name: str
    hooks: object


class HookManager:
    """The hooks of the chosen provider and of the extensions, and nothing else.

    Args:
        provider: The provider's name.
        hooks: What its ``hooks()`` returned.
        extensions: Loaded extensions.

    Raises:
        HookError: A hook is misspelt, or its arguments do not fit.
    """

    def __init__(self, provider: str, hooks: object, extensions: Sequence[Extension] = ()) -> None:
        self.provider = provider
        self._deaf: set[str] = set()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(ProviderHooks)
        self._register(provider, hooks)
        missing = [name for name in REQUIRED_HOOKS if not self._manager.hook.__dict__[name].get_hookimpls()]
        if missing:
            raise HookError(provider, missing[0], "it is not implemented; mark it with @hookimpl")
        for extension in extensions:
            self.add_extension(extension)

    def add_extension(self, extension: Extension) -> None:
        """Put one more extension around the hooks; one that does not fit leaves no trace.

        Raises:
            HookError: A hook of it is misspelt, or its arguments do not fit.
        """
        try:
            self._register(extension.name, extension.hooks)
        except BaseException:
            if self._manager.get_plugin(extension.name) is extension.hooks:
                self._manager.unregister(extension.hooks)
            raise

    def _register(self, plugin: str, hooks: object) -> None:
        for name in dir(hooks):
            options = self._manager.parse_hookimpl_opts(hooks, name)
            if options is None:
                continue
            hook = options["specname"] or name
            if not options["optionalhook"]:
                _check_hook(plugin, hook, getattr(hooks, name))
            if hook == EVENT_HOOK and (options["wrapper"] or options["hookwrapper"]):
                raise HookError(plugin, hook, "events are heard, not wrapped: mark it with @hookimpl alone")
        try:
            self._manager.register(hooks, name=plugin)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as exc:
            raise HookError(plugin, "?", " ".join(str(exc).split())) from exc

    def create_service(
        self, definition: ServiceDefinition, config: ServiceConfig, options: object
    ) -> ServiceInterface:
        """Bind one service.

        Raises:
            HookError: The hook returned something else.
        """
        result = self._call("create_service", definition=definition, config=config, options=options)
        if not isinstance(result, ServiceInterface):
            raise self._wrong("create_service", result, "a ServiceInterface")
        return result

    def create_dependency(
        self, definition: DependencyDefinition, on: ServiceInterface | None, options: object
    ) -> DependencyInterface:
        """Bind one edge.

        Raises:
            HookError: The hook returned something else.
        """
        result = self._call("create_dependency", definition=definition, on=on, options=options)
        if not isinstance(result, DependencyInterface):
            raise self._wrong("create_dependency", result, "a DependencyInterface")
        return result

    def run_services(
        self, services: BoundGraph, options: object
    ) -> AbstractAsyncContextManager[RunningServices]:
        """Get the context manager that runs a graph.

        Raises:
            HookError: The hook returned something else.
        """
        result = self._call("run_services", services=services, options=options)
        if not isinstance(result, AbstractAsyncContextManager):
            raise self._wrong("run_services", result, "an async context manager of RunningServices")
        return result

    def check_running(self, running: object) -> RunningServices:
        """Check what the context manager of ``run_services`` yielded.

        Raises:
            HookError: It is something else than running services.
        """
        if not isinstance(running, RunningServices):
            raise self._wrong("run_services", running, "a context manager that yields RunningServices")
        return running

    def serve_services(self, services: BoundGraph, options: object) -> int:
        """Run a graph until it is stopped.

        Returns:
            The exit code.

        Raises:
            HookError: The hook returned something else.
        """
        result = self._call("serve_services", services=services, options=options)
        if not isinstance(result, int) or isinstance(result, bool):
            raise self._wrong("serve_services", result, "an exit code")
        return result

    def outline_services(self, services: BoundGraph, options: object) -> RunOutline:
        """Find out what a run would consist of.

        Raises:
            UnsupportedOperationError: The provider cannot say.
            HookError: The hook returned something else.
        """
        result = self._call("outline_services", services=services, options=options)
        if result is None:
            raise UnsupportedOperationError(
                self.provider, "outline a run (--plan)", "it does not implement the hook outline_services"
            )
        if not isinstance(result, RunOutline):
            raise self._wrong("outline_services", result, "a RunOutline")
        return result

    def build_services(self, services: BoundGraph, request: BuildRequest, options: object) -> BuiltArtifact:
        """Build a graph into something that can be shipped.

        Raises:
            UnsupportedOperationError: The provider does not implement it.
            HookError: The hook returned something else.
        """
        result = self._call("build_services", services=services, request=request, options=options)
        if result is None:
            raise UnsupportedOperationError(
                self.provider, "build anything", "it does not implement the hook build_services"
            )
        if not isinstance(result, BuiltArtifact):
            raise self._wrong("build_services", result, "a BuiltArtifact")
        return result

    def emit(self, event: ServiceEvent) -> None:
        """Tell every plugin of an event; one that raises is named once and hears no more, the others do all the same."""
        for implementation in self._manager.hook.on_service_event.get_hookimpls():
            name = implementation.plugin_name
            if name in self._deaf:
                continue
            try:
                implementation.function(*(event for _ in implementation.argnames))
            except Exception as exc:  # a plugin's code
                self._deaf.add(name)
                logger.error(
                    "%s raised %s when told of %r; it is told of nothing more",
                    name,
                    describe(exc),
                    event.kind,
                )
                logger.debug("where %s raised it", name, exc_info=exc)

    def _call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook, with every extension around it.

        Raises:
            BrokenExtensionError: An extension raised what is none of this project's errors.
        """
        try:
            return getattr(self._manager.hook, hook)(**arguments)
        except DynamoError:
            raise
        except Exception as exc:
            name = self._find_raising(hook, exc)
            if name in {"", self.provider}:
                raise
            distribution, _, plain = name.rpartition(":")
            cause = f"hook {hook!r}: it raised {describe(exc)}"
            raise BrokenExtensionError(plain, distribution=distribution, cause=cause) from exc

    def _find_raising(self, hook: str, exc: Exception) -> str:
        """The plugin in whose implementation *exc* was raised, which is the innermost; empty when it was in none."""
        owners = {
            getattr(inspect.unwrap(each.function), "__code__", None): each.plugin_name
            for each in self._manager.hook.__dict__[hook].get_hookimpls()
        }
        frames = [frame.f_code for frame, _ in traceback.walk_tb(exc.__traceback__)]
        return next((owners[code] for code in reversed(frames) if code in owners), "")

    def _wrong(self, hook: str, result: object, wanted: str) -> HookError:
        around = [each.plugin_name for each in self._manager.hook.__dict__[hook].get_hookimpls()]
        around.remove(self.provider)
        if around:  # one of them may have changed the answer
            wanted = f"{wanted} (extensions around it: {', '.join(around)})"
        if result is None:
            return HookError(self.provider, hook, f"nobody answered: it returned None, wanted {wanted}")
        if inspect.iscoroutine(result):
            result.close()  # it will never be awaited
            return HookError(
                self.provider, hook, f"it must be a plain function that returns {wanted}, not async"
            )
        return HookError(self.provider, hook, f"it returned {type(result).__qualname__}, wanted {wanted}")


def _check_hook(plugin: str, hook: str, implementation: Callable[..., Any]) -> None:
    """Check the name and the arguments of one implementation before pluggy sees it.

    Raises:
        HookError: They do not fit the specification.
    """
    if hook not in HOOK_NAMES:
        nearest = difflib.get_close_matches(hook, HOOK_NAMES, 1)
        hint = f", did you mean {nearest[0]!r}?" if nearest else ""
        raise HookError(plugin, hook, f"there is no such hook{hint} (hooks: {', '.join(HOOK_NAMES)})")
    if inspect.iscoroutinefunction(implementation) or inspect.isasyncgenfunction(implementation):
        raise HookError(plugin, hook, "it must be a plain function, not async")
    known = list(inspect.signature(getattr(ProviderHooks, hook)).parameters)[1:]
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.kind not in _NAMED:
            raise HookError(plugin, hook, f"argument {parameter} is not passed: name the arguments it needs")
        if parameter.name not in known:
            nearest = difflib.get_close_matches(parameter.name, known, 1)
            hint = f", did you mean {nearest[0]!r}?" if nearest else ""
            raise HookError(
                plugin, hook, f"it has no argument {parameter.name!r}{hint} (arguments: {', '.join(known)})"
            )
        if parameter.default is not inspect.Parameter.empty:
            raise HookError(
                plugin, hook, f"argument {parameter.name!r} must have no default: it is not passed then"
            )
