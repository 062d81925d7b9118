"""Core's host of one service, with BentoML's batching and metrics."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from dynamo_bentoml.call_counts import count_calls
from dynamo_bentoml.serving import make_dispatcher
from dynamo_core.host import Host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.definition import ServiceDefinition


class HostedService:
    """Runs one service in this process.

    Args:
        definition: The service, with its whole configuration.
        slot: Slot of the worker.
        clients: What becomes of its dependencies, by attribute.
        run_id: Id of the run.
        graph: Name of the graph.

    Attributes:
        host: Runs the endpoints.
    """

    def __init__(
        self,
        definition: ServiceDefinition,
        *,
        slot: int,
        clients: Mapping[str, object],
        run_id: str,
        graph: str,
    ) -> None:
        self.host = Host(
            definition,
            slot=slot,
            config=definition.config,
            clients=clients,
            run_id=run_id,
            graph=graph,
            make_dispatcher=functools.partial(make_dispatcher, definition.name),
        )
        count_calls(self.host)

    async def start(self) -> None:
        """Build the instance and run its start hooks.

        Raises:
            BaseException: What ``__init__`` or a hook raised.
        """
        await self.host.start()

    async def stop(self) -> None:
        """Cancel what runs, and run the stop hooks. Safe to call twice."""
        await self.host.stop()
