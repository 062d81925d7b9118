"""What the entry point names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_circus.options import CircusOptions
from dynamo_core.provider import DeploymentTarget

if TYPE_CHECKING:
    from dynamo_circus.provider import CircusHooks


class CircusDeploymentTarget(DeploymentTarget):
    """Runs services as processes on this machine, under a supervisor that is built on Circus.

    Options are the fields of :class:`dynamo_circus.CircusOptions`.
    ``run_services`` gives an :class:`dynamo_circus.ArbiterHandle`.
    """

    options_type = CircusOptions

    def hooks(self) -> CircusHooks:
        """The hook implementations."""
        from dynamo_circus.provider import CircusHooks  # checking a provider stays quick

        return CircusHooks()
