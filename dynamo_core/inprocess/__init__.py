"""The provider ``inprocess``: a whole graph in one process and one event loop, for tests, notebooks and trials."""

from dynamo_core.inprocess.target import InProcessDeploymentTarget

__all__ = ["InProcessDeploymentTarget"]
