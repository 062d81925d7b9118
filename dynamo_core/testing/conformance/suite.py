"""The whole kit as one module of tests, for ``dynamo providers test``; an option of pytest names the provider."""

from __future__ import annotations

import pytest

from dynamo_core.testing import conformance
from dynamo_core.testing.conformance.recording import PROVIDER_OPTION


@pytest.fixture
def provider_name(request: pytest.FixtureRequest) -> str:
    """The provider whose tests these are."""
    name: str = request.config.getoption(PROVIDER_OPTION)
    return name


class TestDeclaration(conformance.DeclarationConformance):
    """Binding."""


class TestClaims(conformance.ClaimConformance):
    """The manifest."""


class TestCalls(conformance.CallConformance):
    """Calls."""


class TestValues(conformance.ValueConformance):
    """Values."""


class TestErrors(conformance.ErrorConformance):
    """Errors."""


class TestLifecycle(conformance.LifecycleConformance):
    """Starting and stopping."""


class TestConfig(conformance.ConfigConformance):
    """Configuration."""


class TestLeftovers(conformance.LeftoverConformance):
    """What is left behind."""


class TestStreams(conformance.StreamConformance):
    """Streams."""


class TestCancellation(conformance.CancellationConformance):
    """Cancellation."""


class TestDeadlines(conformance.DeadlineConformance):
    """Deadlines."""


class TestConcurrency(conformance.ConcurrencyConformance):
    """Concurrency."""


class TestChanges(conformance.ChangeConformance):
    """Scaling and restarting."""


class TestDrain(conformance.DrainConformance):
    """Work under way."""


class TestHttp(conformance.HttpConformance):
    """HTTP."""


class TestRemote(conformance.RemoteConformance):
    """Services at an address."""


class TestSecurity(conformance.SecurityConformance):
    """Security."""


class TestRestart(conformance.RestartConformance):
    """Workers that die."""
