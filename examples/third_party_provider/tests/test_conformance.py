"""The conformance kit, on this provider; it must be installed, as 'pip install -e .' does."""

import pytest

from dynamo_core.testing import conformance


@pytest.fixture
def provider_name() -> str:
    return "tiny"


class TestDeclaration(conformance.DeclarationConformance):
    pass


class TestClaims(conformance.ClaimConformance):
    pass


class TestCalls(conformance.CallConformance):
    pass


class TestValues(conformance.ValueConformance):
    pass


class TestErrors(conformance.ErrorConformance):
    pass


class TestLifecycle(conformance.LifecycleConformance):
    pass


class TestConfig(conformance.ConfigConformance):
    pass


class TestLeftovers(conformance.LeftoverConformance):
    pass


class TestStreams(conformance.StreamConformance):
    pass


class TestCancellation(conformance.CancellationConformance):
    pass


class TestDeadlines(conformance.DeadlineConformance):
    pass


class TestConcurrency(conformance.ConcurrencyConformance):
    pass


class TestChanges(conformance.ChangeConformance):
    pass


class TestDrain(conformance.DrainConformance):
    pass


class TestHttp(conformance.HttpConformance):
    pass


class TestRemote(conformance.RemoteConformance):
    """Services at an address."""


class TestSecurity(conformance.SecurityConformance):
    pass


class TestRestart(conformance.RestartConformance):
    pass
