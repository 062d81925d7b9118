"""The provider tiny: a service graph as subprocesses."""

from dynamo_tiny.target import TinyDeploymentTarget, TinyOptions

__all__ = ["TinyDeploymentTarget", "TinyOptions"]
