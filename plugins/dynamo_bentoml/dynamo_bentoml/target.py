"""What the entry point names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_bentoml.options import BentoMLOptions
from dynamo_core.provider import DeploymentTarget

if TYPE_CHECKING:
    from dynamo_bentoml.provider import BentoMLHooks


class BentoMLDeploymentTarget(DeploymentTarget):
    """Runs services as BentoML services, one process per worker.

    Options are the fields of :class:`dynamo_bentoml.BentoMLOptions`.
    ``run_services`` gives a :class:`dynamo_bentoml.BentoMLRun`.
    """

    options_type = BentoMLOptions

    def hooks(self) -> BentoMLHooks:
        """The hook implementations."""
        from dynamo_bentoml.provider import BentoMLHooks  # checking a provider stays quick

        return BentoMLHooks()
