"""What the entry point names."""

from __future__ import annotations

from dynamo_core.inprocess.options import InProcessOptions
from dynamo_core.inprocess.provider import InProcessHooks
from dynamo_core.provider import DeploymentTarget


class InProcessDeploymentTarget(DeploymentTarget):
    """Runs services in the calling process, on one event loop; calls are encoded and decoded all the same."""

    options_type = InProcessOptions

    def hooks(self) -> InProcessHooks:
        """The provider's hooks."""
        return InProcessHooks()
