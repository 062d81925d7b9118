"""Every error this project raises, and the exit code the command line gives for it.

All of them derive from :class:`DynamoError`.
Facts are attributes, so that nobody needs to parse a message.
Errors a *caller* of an endpoint meets derive from :class:`CallError`; they cross process boundaries as data
(:mod:`dynamo_core.error_data`).
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

EXIT_OK: Final = 0
"""The command did what was asked; a run was stopped by SIGTERM, SIGINT or ``stop``."""
EXIT_FAILURE: Final = 1
"""An error of this project that has no code of its own, or a defect in it."""
EXIT_USAGE: Final = 2
"""The command line itself is wrong."""
EXIT_DECLARATION: Final = 3
"""The graph cannot be loaded, or its declarations are wrong."""
EXIT_CONFIG: Final = 4
"""A configuration file, an override or an environment value is wrong."""
EXIT_PROVIDER: Final = 5
"""No provider could be chosen, or the chosen one is broken."""
EXIT_NOT_STARTED: Final = 6
"""A service failed before the run was ready."""
EXIT_SERVICE_FAILED: Final = 7
"""A service failed after the run was ready, and its failure policy ended the run."""
EXIT_CALL_FAILED: Final = 8
"""``dynamo call`` reached the run, and the call failed."""
EXIT_NO_RUN: Final = 9
"""No run, or more than one, fits what was asked."""
EXIT_CHECK_FAILED: Final = 10
"""A check that was asked for found something: ``providers check``, ``doctor``, ``verify`` or ``test``."""


class Location(NamedTuple):
    """A place in a source file.

    Attributes:
        file: Path as Python knows it.
        line: Line number, from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(NamedTuple):
    """One mistake, with the place where it can be mended.

    Attributes:
        message: One line: what was wanted, what was found, what to do.
        location: Where; None when the mistake has no place in a file.
    """

    message: str
    location: Location | None = None

    def __str__(self) -> str:
        return self.message if self.location is None else f"{self.location}: {self.message}"


class DynamoError(Exception):
    """Root of all errors of this project and its providers."""

    exit_code: ClassVar[int] = EXIT_FAILURE


def _hint(name: str, known: Sequence[str]) -> str:
    """What was meant, when one of *known* is near."""
    import difflib  # only when something is wrong

    nearest = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


# --- declarations and graphs ------------------------------------------------------------------------------


class DeclarationError(DynamoError):
    """A decorator was used in a way that can never work.

    Raised while the user's module is imported, for mistakes that need no knowledge of the graph.
    """

    exit_code = EXIT_DECLARATION

    def __init__(self, message: str, location: Location | None = None) -> None:
        self.problem = Problem(message, location)
        super().__init__(str(self.problem))


class GraphError(DynamoError):
    """The graph has mistakes; all of them are in *problems*, in file order."""

    exit_code = EXIT_DECLARATION

    def __init__(self, graph: str, problems: Sequence[Problem]) -> None:
        count = len(problems)
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"graph {graph!r} has {count} problem{'s' if count != 1 else ''}:\n{lines}")
        self.graph = graph
        self.problems = tuple(problems)


class GraphLoadError(DynamoError):
    """The text that names a graph leads to no module, no name in it, or no service."""

    exit_code = EXIT_DECLARATION

    def __init__(self, target: str, message: str, location: Location | None = None) -> None:
        where = f"{location}: " if location is not None else ""
        super().__init__(f"{where}cannot load graph {target!r}: {message}")
        self.target = target
        self.location = location


class ServiceNotFoundError(DynamoError):
    """A graph or run has no service of that name."""

    exit_code = EXIT_USAGE

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        found = ", ".join(sorted(known)) or "none"
        super().__init__(f"no service is named {name!r}; there are: {found}{_hint(name, known)}")
        self.name = name
        self.known = tuple(known)


class NotImportableError(DynamoError):
    """A class lives where another process cannot import it (a notebook, inside a function)."""

    exit_code = EXIT_DECLARATION

    def __init__(self, qualname: str, reason: str) -> None:
        super().__init__(
            f"{qualname} cannot be imported by a worker process: {reason}; "
            "move it to the top level of a module, or run it with the provider 'inprocess'"
        )
        self.qualname = qualname
        self.reason = reason


class UnboundDependencyError(DynamoError, AttributeError):
    """A dependency was used on an instance that no provider built."""

    def __init__(self, owner: str, attribute: str) -> None:
        super().__init__(
            f"{owner}.{attribute} is not bound: only a run injects clients; in a test use "
            f"'async with dynamo_core.testing.running({owner}) as service: ...' or set a fake: "
            f"service.{attribute} = fake"
        )
        self.owner = owner
        self.attribute = attribute


class BlockingCallError(DynamoError, RuntimeError):
    """A blocking call was made on an event loop, which it would have stopped."""

    def __init__(self, service: str, endpoint: str, *, view: str = "to_async") -> None:
        super().__init__(
            f"{service}.{endpoint} blocks and was called on a running event loop; "
            f"use 'await {view}(client.{endpoint})(...)' there"
            if view == "to_async"
            else f"{service}.{endpoint} blocks and was called on a running event loop; "
            f"use 'async for item in {view}(client.{endpoint})(...)' there"
        )
        self.service = service
        self.endpoint = endpoint


# --- configuration ----------------------------------------------------------------------------------------


class ConfigError(DynamoError, ValueError):
    """One or more configuration values are wrong; all of them are in *problems*."""

    exit_code = EXIT_CONFIG

    def __init__(self, *problems: Problem | str) -> None:
        self.problems = tuple(Problem(p) if isinstance(p, str) else p for p in problems)
        if len(self.problems) == 1:
            super().__init__(str(self.problems[0]))
        else:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            super().__init__(f"the configuration has {len(self.problems)} problems:\n{lines}")


class MissingSettingError(ConfigError, KeyError):
    """A service asked for a setting that nothing gives; ``except KeyError`` catches it.

    Attributes:
        path: The setting, such as ``Backend.model``.
    """

    def __init__(self, path: str, *, hint: str = "") -> None:
        super().__init__(
            f"the setting {path} is missing (give it in the file named by -f, or as --{path}=VALUE){hint}"
        )
        self.path = path

    def __str__(self) -> str:  # KeyError's own shows a repr
        return str(self.args[0])


# --- providers --------------------------------------------------------------------------------------------


class ProviderError(DynamoError):
    """Root of what can go wrong between core and a provider."""

    exit_code = EXIT_PROVIDER


class ProviderNotFoundError(ProviderError):
    """The requested provider is not installed."""

    def __init__(self, name: str, *, source: str, installed: Sequence[str]) -> None:
        found = ", ".join(sorted(installed)) or "none"
        distribution, _, plain = name.rpartition(":")
        usual = f"'pip install {distribution}'" if distribution else f"often 'pip install dynamo-{plain}'"
        super().__init__(
            f"no provider is named {name!r} (from {source}); installed: {found}; "
            f"install the distribution that offers it ({usual}), or name another one"
        )
        self.name = name
        self.source = source
        self.installed = tuple(installed)


class InvalidProviderNameError(ProviderError):
    """A provider was asked for by a text that can be no provider's name."""

    def __init__(self, name: str, *, source: str) -> None:
        super().__init__(
            f"{name!r} (from {source}) can be no provider's name: wanted [a-z][a-z0-9_-]{{0,31}}, "
            "or 'distribution:name'"
        )
        self.name = name
        self.source = source


class AmbiguousProviderError(ProviderError):
    """Several providers are installed and nothing says which to use."""

    def __init__(self, candidates: Sequence[str]) -> None:
        names = ", ".join(sorted(candidates))
        super().__init__(
            f"several providers are installed ({names}) and none is chosen; "
            "name one with --provider or DYNAMO_PROVIDER"
        )
        self.candidates = tuple(candidates)


class DuplicateProviderError(ProviderError):
    """Two distributions claim one provider name."""

    def __init__(self, name: str, distributions: Sequence[str]) -> None:
        owners = ", ".join(sorted(distributions))
        first = min(distributions)
        super().__init__(
            f"provider {name!r} is claimed by several distributions: {owners}; "
            f"uninstall all but one, or ask for '{first}:{name}'"
        )
        self.name = name
        self.distributions = tuple(distributions)


class BrokenProviderError(ProviderError):
    """The chosen provider is installed and cannot be used."""

    def __init__(self, name: str, *, distribution: str, cause: str, remedy: str) -> None:
        super().__init__(f"provider {name!r} of {distribution} is broken: {cause}; {remedy}")
        self.name = name
        self.distribution = distribution
        self.cause = cause
        self.remedy = remedy


class ManifestError(ProviderError):
    """A provider's ``dynamo-provider.toml`` is missing or wrong."""

    def __init__(self, name: str, *, distribution: str, message: str) -> None:
        super().__init__(
            f"manifest of provider {name!r} ({distribution}): {message}; upgrade {distribution}, or mend the file "
            "('dynamo providers schema' prints its form)"
        )
        self.name = name
        self.distribution = distribution


class ContractMismatchError(ProviderError):
    """A provider was made for another version of the contract."""

    def __init__(self, name: str, *, distribution: str, wanted: str, offered: str, upgrade: str) -> None:
        super().__init__(
            f"provider {name!r} of {distribution} works with contract {wanted}, this dynamo-core offers "
            f"{offered}: upgrade {upgrade} with 'python -m pip install --upgrade {upgrade}'"
        )
        self.name = name
        self.distribution = distribution
        self.wanted = wanted
        self.offered = offered
        self.upgrade = upgrade


class ProviderNotAllowedError(ProviderError):
    """An installed provider may not be loaded, by an allow list; nothing of it was imported.

    Attributes:
        name: The provider's name.
        distribution: The distribution that offers it.
        source: What holds the allow list.
    """

    def __init__(self, name: str, *, distribution: str, source: str, entry: str) -> None:
        super().__init__(
            f"provider {name!r} of {distribution} may not be loaded: {entry!r} is not on the allow list "
            f"(from {source}); add it there to allow it"
        )
        self.name = name
        self.distribution = distribution
        self.source = source


class SilentLossError(ProviderError):
    """A graph relies on what its provider would ignore or refuse; told only where that was asked for.

    Attributes:
        provider: The provider's name.
        losses: One line for each: where in the graph, what, and why the provider does not do it.
    """

    def __init__(self, provider: str, losses: Sequence[str]) -> None:
        lines = "\n".join(f"  {loss}" for loss in losses)
        super().__init__(
            f"provider {provider!r} does not do everything that this graph asks for (--strict):\n{lines}"
        )
        self.provider = provider
        self.losses = tuple(losses)


class HookError(ProviderError):
    """A provider's hook is missing, misspelt, or returned something unusable."""

    def __init__(self, provider: str, hook: str, message: str) -> None:
        super().__init__(f"provider {provider!r}, hook {hook!r}: {message}")
        self.provider = provider
        self.hook = hook
        self.message = message


class BrokenExtensionError(ProviderError):
    """An extension cannot be used; it is left out, or ends the command where that is to be strict.

    Attributes:
        name: Its name.
        distribution: The distribution that offers it.
        cause: What is wrong with it.
    """

    def __init__(self, name: str, *, distribution: str, cause: str) -> None:
        super().__init__(
            f"extension {name!r} of {distribution} is broken: {cause}; "
            f"mend or uninstall it, or leave it out with DYNAMO_DISABLE_PLUGINS={name}"
        )
        self.name = name
        self.distribution = distribution
        self.cause = cause


class UnsupportedOperationError(ProviderError):
    """The provider cannot do what was asked, and says so instead of ignoring it."""

    def __init__(self, provider: str, operation: str, reason: str) -> None:
        super().__init__(f"provider {provider!r} cannot {operation}: {reason}")
        self.provider = provider
        self.operation = operation
        self.reason = reason


class UnsupportedOptionError(UnsupportedOperationError):
    """The provider does not know an option that was asked of it.

    Attributes:
        options: Those that it lacks, as they are spelt.
    """

    def __init__(self, provider: str, options: Sequence[str]) -> None:
        ProviderError.__init__(self, f"provider {provider!r} has no {' and no '.join(options)}")
        self.provider = provider
        self.operation = f"serve with {', '.join(options)}"
        self.reason = "it has no such option"
        self.options = tuple(options)


# --- runs -------------------------------------------------------------------------------------------------


class StartError(DynamoError):
    """A service failed before its first ready, so the run was not started.

    Attributes:
        service: Name of the culprit.
        slot: Its worker's slot; None when no worker was started.
        cause: What happened to it: an exit status, a signal, a time limit, an exception.
        last_lines: What it wrote last, oldest first.
    """

    exit_code = EXIT_NOT_STARTED

    def __init__(
        self, service: str, cause: str, *, slot: int | None = None, last_lines: Sequence[str] = ()
    ) -> None:
        worker = service if slot is None else f"{service}/{slot}"
        super().__init__(f"service {worker} did not start: {cause}")
        self.service = service
        self.slot = slot
        self.cause = cause
        self.last_lines = tuple(last_lines)


class ServiceFailedError(DynamoError):
    """A service failed for good after it had been ready, and its policy ended the run."""

    exit_code = EXIT_SERVICE_FAILED

    def __init__(
        self, service: str, cause: str, *, slot: int | None = None, last_lines: Sequence[str] = ()
    ) -> None:
        worker = service if slot is None else f"{service}/{slot}"
        super().__init__(f"service {worker} failed: {cause}")
        self.service = service
        self.slot = slot
        self.cause = cause
        self.last_lines = tuple(last_lines)


class RunNotFoundError(DynamoError):
    """No live run, or more than one, fits what was asked.

    Attributes:
        fitting: Ids of the runs that fit; empty when none does.
    """

    exit_code = EXIT_NO_RUN

    def __init__(self, message: str, *, fitting: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fitting = tuple(fitting)


class RunDirectoryError(DynamoError):
    """The private directory of a run cannot be made, verified or locked."""

    exit_code = EXIT_NOT_STARTED


class AddressInUseError(DynamoError):
    """A TCP port this run was asked to listen on is taken."""

    exit_code = EXIT_NOT_STARTED

    def __init__(self, host: str, port: int, *, service: str) -> None:
        super().__init__(
            f"cannot listen on {host}:{port} for service {service!r}: the port is in use; "
            "stop what holds it, or choose another with --port (0 takes a free one)"
        )
        self.host = host
        self.port = port
        self.service = service


# --- calls ------------------------------------------------------------------------------------------------


class CallError(DynamoError):
    """Root of what a caller of an endpoint can meet."""

    exit_code = EXIT_CALL_FAILED


class EndpointNotFoundError(CallError):
    """A service has no endpoint of that name."""

    exit_code = EXIT_USAGE

    def __init__(self, service: str, endpoint: str, *, known: Sequence[str]) -> None:
        found = ", ".join(sorted(known)) or "none"
        hint = _hint(endpoint, known)
        super().__init__(f"service {service!r} has no endpoint {endpoint!r}; it has: {found}{hint}")
        self.service = service
        self.endpoint = endpoint
        self.known = tuple(known)


class RemoteCallError(CallError):
    """The endpoint raised.

    Attributes:
        type_name: Name of the exception's class on the far side.
        message: Its text.
        traceback_text: Its traceback, as text; empty when it was not sent.
        service: Name of the service.
        slot: Slot of the worker that ran it.
        endpoint: Name of the endpoint.
    """

    def __init__(  # noqa: PLR0913  # each is a fact of its own
        self,
        type_name: str,
        message: str,
        *,
        traceback_text: str = "",
        service: str = "",
        slot: int = 0,
        endpoint: str = "",
    ) -> None:
        super().__init__(f"{service}.{endpoint} (worker {service}/{slot}) raised {type_name}: {message}")
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text
        self.service = service
        self.slot = slot
        self.endpoint = endpoint


class InvalidRequestError(CallError):
    """The arguments do not fit the endpoint; the method did not run.

    Attributes:
        problems: Message by parameter, for every bad one.
    """

    def __init__(self, service: str, endpoint: str, problems: Mapping[str, str]) -> None:
        listed = "; ".join(f"{name}: {message}" for name, message in problems.items())
        super().__init__(f"{service}.{endpoint} was called with bad arguments: {listed}")
        self.service = service
        self.endpoint = endpoint
        self.problems = dict(problems)


class UnsupportedValueError(CallError, ValueError):
    """A value cannot be sent; raised on the side that holds it, before anything is sent."""


class WorkerLostError(CallError):
    """The worker died, or its connection was lost, after the call may have begun.

    Attributes:
        begun: False when the call is known not to have begun (it is then safe to make again).
    """

    def __init__(
        self, service: str, slot: int, *, endpoint: str = "", begun: bool = True, reason: str = ""
    ) -> None:
        what = f" during {endpoint}" if endpoint else ""
        why = f" ({reason})" if reason else ""
        again = "" if begun else "; the call had not begun"
        super().__init__(f"worker {service}/{slot} was lost{what}{why}{again}")
        self.service = service
        self.slot = slot
        self.endpoint = endpoint
        self.begun = begun
        self.reason = reason


class ServiceUnavailableError(CallError):
    """No worker of the service can take the call."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"service {service!r} is not available: {reason}")
        self.service = service
        self.reason = reason


class OverloadedError(CallError):
    """The service has as many calls as it may take; the method did not run."""

    def __init__(self, service: str, endpoint: str, *, limit: int, retry_after_s: float = 1.0) -> None:
        super().__init__(
            f"{service}.{endpoint} is full: {limit} calls are running or waiting; try again in {retry_after_s:g} s"
        )
        self.service = service
        self.endpoint = endpoint
        self.limit = limit
        self.retry_after_s = retry_after_s


class CallTimeoutError(CallError, builtins.TimeoutError):
    """The call's time ran out; the far side has been told to cancel.

    ``except TimeoutError`` catches it.

    Attributes:
        service: What was called.
        endpoint: Which endpoint.
        timeout_s: Seconds it was given; None when its caller's deadline was nearer.
        reason: Why it was not even begun; empty when a worker had it.
    """

    def __init__(
        self, service: str, endpoint: str, *, timeout_s: float | None = None, reason: str = ""
    ) -> None:
        within = f" within {timeout_s:g} s" if timeout_s is not None else " before its deadline"
        why = f": no worker took it; {reason}" if reason else ""
        super().__init__(f"{service}.{endpoint} did not answer{within}{why}")
        self.service = service
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self.reason = reason


class CallCancelledError(CallError):
    """The far side cancelled the call without being asked by this caller (its worker is stopping)."""

    def __init__(self, service: str, endpoint: str, *, slot: int = 0) -> None:
        super().__init__(f"{service}.{endpoint} was cancelled by worker {service}/{slot}")
        self.service = service
        self.endpoint = endpoint
        self.slot = slot


# --- transport --------------------------------------------------------------------------------------------


class TransportError(DynamoError):
    """Root of faults of a connection itself."""


class ProtocolError(TransportError):
    """The peer sent bytes that the wire format does not allow; the connection is closed."""


class FrameTooLargeError(ProtocolError):
    """A frame is longer than the limit of this side."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"a frame of {size_bytes} bytes passes the limit of {limit_bytes} bytes (max_frame_bytes)"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class HandshakeError(TransportError):
    """The peer refused the connection or did not answer in time."""
