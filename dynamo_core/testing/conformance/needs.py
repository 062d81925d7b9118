"""Which capabilities a test needs, and what its provider says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    import pytest

    from dynamo_core.provider import Manifest

F = TypeVar("F", bound=Callable[..., Any])

NEEDS: Final = "conformance_needs"
LACKING_PROPERTY: Final = "lacking"
"""Property of a test, in JUnit too, that names the capability for whose level it was skipped."""

_LACKING: Final = ("ignored", "refused")


def needs(*capabilities: str) -> Callable[[F], F]:
    """Mark a test, or a class of tests, with the capabilities it needs."""

    def mark(target: F) -> F:
        setattr(target, NEEDS, (*getattr(target, NEEDS, ()), *capabilities))
        return target

    return mark


def skip_for(node: pytest.Item, capability: str, reason: str) -> NoReturn:
    """Skip a test that does not apply because of what the manifest says of *capability*."""
    import pytest  # the marks of this module need none

    node.user_properties.append((LACKING_PROPERTY, capability))
    pytest.skip(reason)


def lacking(manifest: Manifest, *targets: object) -> str:
    """Why tests with these marks cannot run here; empty when they can.

    Args:
        manifest: What the provider says of itself.
        targets: The test and its class.
    """
    name = lacking_capability(manifest, *targets)
    if not name:
        return ""
    stated = manifest.capability(name)
    reason = f": {stated.reason}" if stated.reason else ""
    return f"{manifest.name}: {name} is {stated.level}{reason}"


def lacking_capability(manifest: Manifest, *targets: object) -> str:
    """The first capability that tests with these marks need and the provider lacks; empty when there is none."""
    names = (name for target in targets for name in getattr(target, NEEDS, ()))
    return next((name for name in names if manifest.capability(name).level in _LACKING), "")
