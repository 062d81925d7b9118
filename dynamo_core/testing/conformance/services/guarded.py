"""Two services of one graph, of which one has a secret; and what their workers know."""

from __future__ import annotations

import os

from dynamo_core import ServiceContext, depends, endpoint, service

SECRET_VARIABLE = "KIT_SECRET"  # noqa: S105  # the name, not the secret


class _Knowing:
    """Tells what it knows."""

    context: ServiceContext

    @endpoint
    async def variables(self) -> dict[str, str]:
        """The worker's environment."""
        return dict(os.environ)

    @endpoint
    async def describe(self) -> dict[str, object]:
        """What its context says."""
        context = self.context
        return {
            "workers": context.config.workers,
            "namespace": context.namespace,
            "labels": dict(context.config.labels),
            "size": context.settings.get("size"),
            "nested": list(context.settings.get("nested", {}).get("names", [])),
            "arguments": context.as_args(),
        }


@service(secrets=[SECRET_VARIABLE])
class Keeper(_Knowing):
    """Has the secret."""

    @endpoint
    async def secret(self) -> str:
        """The secret, as a service reads it."""
        return self.context.secret(SECRET_VARIABLE)


@service
class Stranger(_Knowing):
    """Has none, and calls one that has."""

    keeper = depends(Keeper)
