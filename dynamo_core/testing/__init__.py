"""Running services in tests of one's own; the tests that every provider passes are in ``conformance``."""

from dynamo_core.testing.run import running, running_services

__all__ = ["running", "running_services"]
