"""How a service is known to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


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

    enabled: bool = attrs.field(default=False, metadata=read_by(readers.boolean))
    name: str | None = attrs.field(default=None, metadata=read_by(readers.optional(readers.name)))
    namespace: str = attrs.field(default="dynamo", metadata=read_by(readers.name))
    lease_s: float | None = attrs.field(
        default=None, metadata=read_by(readers.optional(readers.number(above=0)))
    )
    component_type: str | None = attrs.field(
        default=None, metadata=read_by(readers.optional(readers.filled_text))
    )

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            enabled: bool = ...,
            name: str | None = ...,
            namespace: str = ...,
            lease_s: float | None = ...,
            component_type: str | None = ...,
        ) -> None: ...
