"""Tests that every provider passes: one class for each part of what a service may rely on.

A provider's own tests subclass them and say which provider is meant::

    class TestOurCalls(CallConformance):
        @pytest.fixture
        def provider_name(self) -> str:
            return "ours"

A test whose capability the provider's manifest refuses or ignores is skipped with that reason.
Needs pytest; the services that the tests run (``dynamo_core.testing.conformance.services``) do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_core.testing.conformance.calls import CallConformance
    from dynamo_core.testing.conformance.cancellation import CancellationConformance
    from dynamo_core.testing.conformance.changes import ChangeConformance
    from dynamo_core.testing.conformance.claims import ClaimConformance
    from dynamo_core.testing.conformance.concurrency import ConcurrencyConformance
    from dynamo_core.testing.conformance.configuring import ConfigConformance
    from dynamo_core.testing.conformance.deadlines import DeadlineConformance
    from dynamo_core.testing.conformance.declaration import DeclarationConformance
    from dynamo_core.testing.conformance.draining import DrainConformance
    from dynamo_core.testing.conformance.failures import ErrorConformance
    from dynamo_core.testing.conformance.ingress import HttpConformance
    from dynamo_core.testing.conformance.leftovers import LeftoverConformance
    from dynamo_core.testing.conformance.lifecycle import LifecycleConformance
    from dynamo_core.testing.conformance.remote import RemoteConformance
    from dynamo_core.testing.conformance.restarting import RestartConformance
    from dynamo_core.testing.conformance.security import SecurityConformance
    from dynamo_core.testing.conformance.streams import StreamConformance
    from dynamo_core.testing.conformance.value_kinds import ValueConformance

_MODULES: Final = {
    "CallConformance": "dynamo_core.testing.conformance.calls",
    "CancellationConformance": "dynamo_core.testing.conformance.cancellation",
    "ChangeConformance": "dynamo_core.testing.conformance.changes",
    "ClaimConformance": "dynamo_core.testing.conformance.claims",
    "ConcurrencyConformance": "dynamo_core.testing.conformance.concurrency",
    "ConfigConformance": "dynamo_core.testing.conformance.configuring",
    "DeadlineConformance": "dynamo_core.testing.conformance.deadlines",
    "DeclarationConformance": "dynamo_core.testing.conformance.declaration",
    "DrainConformance": "dynamo_core.testing.conformance.draining",
    "ErrorConformance": "dynamo_core.testing.conformance.failures",
    "HttpConformance": "dynamo_core.testing.conformance.ingress",
    "LeftoverConformance": "dynamo_core.testing.conformance.leftovers",
    "LifecycleConformance": "dynamo_core.testing.conformance.lifecycle",
    "RemoteConformance": "dynamo_core.testing.conformance.remote",
    "RestartConformance": "dynamo_core.testing.conformance.restarting",
    "SecurityConformance": "dynamo_core.testing.conformance.security",
    "StreamConformance": "dynamo_core.testing.conformance.streams",
    "ValueConformance": "dynamo_core.testing.conformance.value_kinds",
}

__all__ = [
    "CallConformance",
    "CancellationConformance",
    "ChangeConformance",
    "ClaimConformance",
    "ConcurrencyConformance",
    "ConfigConformance",
    "DeadlineConformance",
    "DeclarationConformance",
    "DrainConformance",
    "ErrorConformance",
    "HttpConformance",
    "LeftoverConformance",
    "LifecycleConformance",
    "RemoteConformance",
    "RestartConformance",
    "SecurityConformance",
    "StreamConformance",
    "ValueConformance",
]

_find, __dir__ = lazy_names(__name__, _MODULES)


def __getattr__(name: str) -> object:
    if name in _MODULES:
        import pytest  # workers import this package too, and need no pytest

        pytest.register_assert_rewrite(*_MODULES.values())
    return _find(name)
