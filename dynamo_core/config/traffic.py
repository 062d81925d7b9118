"""How many calls a worker takes, and how long they may last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@attrs.frozen(kw_only=True, init=False)
class TrafficConfig(ConfigRecord):
    """Limits of the calls to a service; an endpoint's own options come before them.

    Attributes:
        timeout_s: Seconds, above 0, that a call may take when neither its caller nor its endpoint says; None for
            no limit.
        max_concurrency: Calls that one worker runs at once; None for no limit.
        max_queue: Calls that wait at one worker while it runs as many as it may; more are refused.
        max_batch: Inputs of one batch, where calls of a batchable endpoint are joined.
        max_batch_wait_s: Seconds that the first call of a batch may wait for others.
    """

    timeout_s: float | None = attrs.field(
        default=None, metadata=read_by(readers.optional(readers.number(above=0)))
    )
    max_concurrency: int | None = attrs.field(
        default=None, metadata=read_by(readers.optional(readers.whole_number(at_least=1)))
    )
    max_queue: int = attrs.field(default=256, metadata=read_by(readers.whole_number(at_least=0)))
    max_batch: int = attrs.field(default=64, metadata=read_by(readers.whole_number(at_least=1)))
    max_batch_wait_s: float = attrs.field(default=0.01, metadata=read_by(readers.number(at_least=0)))

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            timeout_s: float | None = ...,
            max_concurrency: int | None = ...,
            max_queue: int = ...,
            max_batch: int = ...,
            max_batch_wait_s: float = ...,
        ) -> None: ...
