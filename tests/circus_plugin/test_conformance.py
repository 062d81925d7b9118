"""The kit, over worker processes and unix sockets."""

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
    return "circus"


class TestCalls(CallConformance):
    """Calls, across processes."""


class TestStreams(StreamConformance):
    """Streams, across processes."""


class TestValues(ValueConformance):
    """Values, across processes."""


class TestErrors(ErrorConformance):
    """Errors, across processes."""


class TestCancellation(CancellationConformance):
    """Cancellation, across processes."""


class TestDeadlines(DeadlineConformance):
    """Deadlines, across processes."""


class TestConcurrency(ConcurrencyConformance):
    """Concurrency, across processes."""


class TestDeclaration(DeclarationConformance):
    """Binding, across processes."""


class TestLifecycle(LifecycleConformance):
    """Starting and stopping, across processes."""


class TestChanges(ChangeConformance):
    """Scaling and restarting, across processes."""


class TestHttp(HttpConformance):
    """HTTP, across processes."""


class TestClaims(ClaimConformance):
    """The manifest, across processes."""


class TestConfig(ConfigConformance):
    """Configuration, across processes."""


class TestDrain(DrainConformance):
    """Work under way, across processes."""


class TestLeftovers(LeftoverConformance):
    """What is left behind, across processes."""


class TestRestart(RestartConformance):
    """Workers that die, across processes."""


class TestSecurity(SecurityConformance):
    """Secrets and sockets, across processes."""


class TestRemote(RemoteConformance):
    """Services at an address."""
