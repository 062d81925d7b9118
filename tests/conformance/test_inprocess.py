"""The kit, on the provider in core."""

from __future__ import annotations

import pytest

from dynamo_core.testing.conformance import (
    CallConformance,
    CancellationConformance,
    ChangeConformance,
    ClaimConformance,
    ConcurrencyConformance,
    ConfigConformance,
    DeadlineConformance,
    DeclarationConformance,
    DrainConformance,
    ErrorConformance,
    HttpConformance,
    LeftoverConformance,
    LifecycleConformance,
    RemoteConformance,
    RestartConformance,
    SecurityConformance,
    StreamConformance,
    ValueConformance,
)


@pytest.fixture
def provider_name() -> str:
    return "inprocess"


class TestCalls(CallConformance):
    """Calls, in one process."""


class TestStreams(StreamConformance):
    """Streams, in one process."""


class TestValues(ValueConformance):
    """Values, in one process."""


class TestErrors(ErrorConformance):
    """Errors, in one process."""


class TestCancellation(CancellationConformance):
    """Cancellation, in one process."""


class TestDeadlines(DeadlineConformance):
    """Deadlines, in one process."""


class TestConcurrency(ConcurrencyConformance):
    """Concurrency, in one process."""


class TestDeclaration(DeclarationConformance):
    """Binding, in one process."""


class TestLifecycle(LifecycleConformance):
    """Starting and stopping, in one process."""


class TestChanges(ChangeConformance):
    """Scaling and restarting, in one process."""


class TestHttp(HttpConformance):
    """HTTP, in one process."""


class TestClaims(ClaimConformance):
    """The manifest, in one process."""


class TestConfig(ConfigConformance):
    """Configuration, in one process."""


class TestDrain(DrainConformance):
    """Work under way, in one process."""


class TestLeftovers(LeftoverConformance):
    """What is left behind, in one process."""


class TestRestart(RestartConformance):
    """Workers that die, in one process."""


class TestSecurity(SecurityConformance):
    """Secrets and sockets, in one process."""


class TestRemote(RemoteConformance):
    """Services at an address."""
