"""What one worker serves, with everything it needs for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from dynamo_bentoml.orders import WorkerOrders
    from dynamo_core.definition import ServiceDefinition
    from dynamo_core.worker_kit.bootstrap import Bootstrap


@attrs.frozen(kw_only=True, eq=False)
class Assignment:
    """What a worker was told, with its classes imported.

    Attributes:
        channel: The socket to the supervisor.
        bootstrap: What every worker is told.
        orders: What a worker of this provider is told besides.
        definition: The service, with its whole configuration.
        dependencies: Services of the run that it depends on, by attribute.
        elsewhere: Address and service of those that run elsewhere, by attribute.
        bento: The BentoML service that ``bentoml serve`` was given; None when the worker makes one.
    """

    channel: socket.socket
    bootstrap: Bootstrap
    orders: WorkerOrders
    definition: ServiceDefinition
    dependencies: Mapping[str, ServiceDefinition]
    elsewhere: Mapping[str, tuple[str, ServiceDefinition]]
    bento: Any = None  # bentoml.Service; naming it would import BentoML
