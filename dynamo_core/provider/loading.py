"""Import the one provider that was chosen, and check what comes out.

Importing and building a provider runs other people's code, so whatever it does to fail, short of Ctrl-C, becomes a
:class:`dynamo_core.errors.BrokenProviderError` that says how to mend it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import attrs

from dynamo_core.errors import DynamoError
from dynamo_core.provider.importing import describe, import_entry_point, raise_broken
from dynamo_core.provider.target import DeploymentTarget

if TYPE_CHECKING:
    from dynamo_core.provider.discovery import ProviderCandidate


def load_provider(candidate: ProviderCandidate) -> DeploymentTarget:
    """Import and build a provider.

    Args:
        candidate: The chosen one.

    Returns:
        A new instance of the class that its entry point names.

    Raises:
        ManifestError: Its manifest is missing or wrong; nothing was imported.
        ContractMismatchError: It was made for another contract; nothing was imported.
        BrokenProviderError: It cannot be imported or built, or is no provider.
        HookError: Its hooks do not fit the contract.
    """
    if candidate.problem is not None:
        raise candidate.problem
    loaded = import_entry_point(candidate)
    target_class = _check_class(loaded, candidate)
    target = _build(target_class, candidate)
    target.take_name(candidate.name)
    _check_options_type(target, candidate)
    try:
        target.check_hooks()
    except (DynamoError, KeyboardInterrupt):
        raise
    except BaseException as exc:  # noqa: BLE001  # hooks() is the provider's code
        raise_broken(candidate, f"hooks() raised {describe(exc)}", exc)
    return target


def _check_class(loaded: object, candidate: ProviderCandidate) -> type[DeploymentTarget]:
    if not isinstance(loaded, type) or not issubclass(loaded, DeploymentTarget):
        what = loaded.__qualname__ if isinstance(loaded, type) else f"of type {type(loaded).__name__}"
        raise_broken(
            candidate, f"{candidate.value} is {what}, no subclass of dynamo_core.provider.DeploymentTarget"
        )
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(loaded.__abstractmethods__))
        raise_broken(candidate, f"{candidate.value} does not define {missing}")
    return loaded


def _build(target_class: type[DeploymentTarget], candidate: ProviderCandidate) -> DeploymentTarget:
    signature = inspect.signature(target_class)
    try:
        signature.bind()
    except TypeError as exc:
        raise_broken(
            candidate,
            f"{candidate.value} must be built without arguments, its constructor is {signature}",
            exc,
        )
    try:
        return target_class()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001  # the constructor is the provider's code
        raise_broken(candidate, f"{candidate.value}() raised {describe(exc)}", exc)


def _check_options_type(target: DeploymentTarget, candidate: ProviderCandidate) -> None:
    options_type = target.options_type
    if not isinstance(options_type, type) or not attrs.has(options_type):
        raise_broken(candidate, f"its options_type must be an attrs class, got {options_type!r}")
    required = [f.alias for f in attrs.fields(options_type) if f.init and f.default is attrs.NOTHING]
    if required:
        raise_broken(candidate, f"every option needs a default, these have none: {', '.join(required)}")
