"""What the entry point names, and what callers may say to this provider."""

from __future__ import annotations

import attrs
from attrs.validators import ge, instance_of, le

from dynamo_core.provider import DeploymentTarget


@attrs.frozen(kw_only=True)
class TinyOptions:
    """Options of ``run_services`` and ``serve_services``; each stands in ``dynamo-provider.toml`` too."""

    nice: int = attrs.field(default=0, validator=[instance_of(int), ge(0), le(19)])


class TinyDeploymentTarget(DeploymentTarget):
    """Runs services as subprocesses."""

    options_type = TinyOptions

    def hooks(self) -> object:
        """The hook implementations, imported only when they are needed: checking a provider stays quick."""
        from dynamo_tiny.provider import TinyHooks

        return TinyHooks()
