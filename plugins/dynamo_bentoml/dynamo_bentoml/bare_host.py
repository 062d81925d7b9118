"""A service in a process that this project has not started.

BentoML may start a service's process itself: in its cloud, where every service is placed apart, or by whatever runs
``service.to_asgi()``. The service then starts and stops with BentoML's application, and what it depends on is reached
over HTTP, where BentoML's runner map says that it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dynamo_bentoml.hosted_service import HostedService
from dynamo_core.errors import StartError
from dynamo_core.http.lifespan import Lifespan
from dynamo_core.inspection import define_service
from dynamo_core.remote import RemoteClients

if TYPE_CHECKING:
    from dynamo_bentoml.stand_in import StandInFacts
    from dynamo_core.definition import DependencyDefinition, ServiceDefinition

logger = logging.getLogger(__name__)

RUN_ID = "bentoml"


class BareHost:
    """Starts and stops the host, unless the process has one already.

    Args:
        facts: What is hosted.
    """

    def __init__(self, facts: StandInFacts) -> None:
        self._facts = facts
        self._hosted: HostedService | None = None
        self._elsewhere = RemoteClients({})
        self._lifespan: Lifespan | None = None

    async def start(self) -> None:
        """Called by BentoML at the start of its application.

        Raises:
            StartError: What the service depends on is nowhere to be found.
            BaseException: What its ``__init__`` or a start hook raised.
        """
        if self._facts.host is not None:
            return  # a worker of this project's own
        from dynamo_bentoml.serving import worker_slot

        definition, graph = self._facts.definition, self._facts.graph
        try:
            self._elsewhere = RemoteClients(
                {
                    attribute: self._locate(edge)
                    for attribute, edge in definition.dependencies.items()
                    if edge.service_name is not None or edge.url is not None
                }
            )
            self._hosted = HostedService(
                definition,
                slot=worker_slot(),
                clients=self._elsewhere.clients(),
                run_id=RUN_ID,
                graph=definition.name if graph is None else graph.name,
            )
            await self._hosted.start()
            if definition.app is not None:
                self._lifespan = Lifespan(definition.app)  # type: ignore[arg-type]  # any ASGI application
                await self._lifespan.start()
        except BaseException:
            await self.stop()
            raise
        self._facts.host = self._hosted.host

    async def stop(self) -> None:
        """Called by BentoML at the end of its application. Safe to call twice."""
        hosted, self._hosted = self._hosted, None
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.stop()
        if hosted is not None:
            self._facts.host = None
            await hosted.host.drain(self._facts.definition.config.supervision.stop_timeout_s)
            await hosted.stop()
        await self._elsewhere.aclose()

    def _locate(self, edge: DependencyDefinition) -> tuple[str, ServiceDefinition]:
        on = self._find(edge)
        return edge.url or self._place_of(on.name), on

    def _find(self, edge: DependencyDefinition) -> ServiceDefinition:
        if edge.service_name is None or self._facts.graph is None:
            return define_service(edge.on)
        return self._facts.graph.find_service(edge.service_name)

    def _place_of(self, name: str) -> str:
        from dynamo_bentoml.serving import runner_map

        url = runner_map().get(name, "").replace("tcp://", "http://")
        if not url.startswith(("http://", "https://")):
            raise StartError(
                self._facts.definition.name,
                f"it depends on {name}, and BENTOML_RUNNER_MAP does not say where that is; 'bentoml serve' and "
                "'dynamo serve' start it beside this one",
            )
        return url
