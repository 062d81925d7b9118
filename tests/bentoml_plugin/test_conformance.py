"""The kit, on BentoML."""

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
    return "bentoml"


class TestCalls(CallConformance):
    """Calls, between BentoML workers."""


class TestStreams(StreamConformance):
    """Streams, between BentoML workers."""


class TestValues(ValueConformance):
    """Values, between BentoML workers."""


class TestErrors(ErrorConformance):
    """Errors, between BentoML workers."""


class TestCancellation(CancellationConformance):
    """Cancellation, between BentoML workers."""


class TestDeadlines(DeadlineConformance):
    """Deadlines, between BentoML workers."""


class TestConcurrency(ConcurrencyConformance):
    """Concurrency in a BentoML worker."""


class TestDeclaration(DeclarationConformance):
    """Binding, and what of it a run shows."""


class TestLifecycle(LifecycleConformance):
    """Starting and stopping."""


class TestChanges(ChangeConformance):
    """Scaling and restarting."""


class TestHttp(HttpConformance):
    """HTTP through BentoML's application."""


# BentoML's own: when devices make it be imported here, and when the machine has none
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*GPUs:ResourceWarning")
class TestClaims(ClaimConformance):
    """The manifest, on BentoML."""


class TestConfig(ConfigConformance):
    """Configuration, on BentoML."""


class TestDrain(DrainConformance):
    """Work under way, on BentoML."""


class TestLeftovers(LeftoverConformance):
    """What is left behind, on BentoML."""


class TestRestart(RestartConformance):
    """Workers that die, on BentoML."""


class TestSecurity(SecurityConformance):
    """Secrets and sockets, on BentoML."""


class TestRemote(RemoteConformance):
    """Services at an address."""
