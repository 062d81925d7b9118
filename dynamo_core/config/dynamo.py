"""How a service is known to others."""

from __future__ import annotations

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, option


@attrs.frozen(kw_only=True, init=False)
class DynamoConfig(ConfigRecord):
    """How a service is known where services of several runs meet.

    Attributes:
        enabled: Whether a provider that has a registry enters the service there.
        name: Name in its namespace; None for the service's own.
        namespace: Namespace of its address.
        lease_s: Seconds, above 0, for which an entry holds without being renewed; None for the registry's own.
        component_type: What kind of component it is, for operators; None for none.
    """

    enabled: bool = option(readers.boolean, False)
    name: str | None = option(readers.optional(readers.name), None)
    namespace: str = option(readers.name, "dynamo")
    lease_s: float | None = option(readers.optional(readers.number(above=0)), None)
    component_type: str | None = option(readers.optional(readers.filled_text), None)
