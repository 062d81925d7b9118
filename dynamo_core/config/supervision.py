"""How the workers of a service are watched, and what follows when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FailurePolicy = Literal["restart", "isolate", "stop-dependents", "stop-graph"]

_seconds = readers.number(above=0)


@attrs.frozen(kw_only=True, init=False)
class SupervisionConfig(ConfigRecord):
    """How the workers of a service are started, watched, restarted and stopped.

    Attributes:
        startup_timeout_s: Seconds, above 0, until a new worker must be ready.
        stop_timeout_s: Seconds, at least 0, in which a worker may finish its calls and stop before it is killed; the
            last quarter, 2 at most, is for shutdown hooks, and calls that are still open are cancelled by then. When
            the whole run stops, its services share the longest of them.
        stable_time_s: Seconds of being ready, at least 0, after which earlier failures are forgotten.
        max_failures: Consecutive failures of a slot at which its first limit is reached.
        max_restarts: Restarts of a slot within the window at which its second limit is reached.
        restart_window_s: Seconds, above 0, over which restarts are counted.
        on_failure: What follows when a slot reaches a limit: ``restart`` keeps trying, ``isolate`` gives the service
            up, ``stop-dependents`` stops what depends on it too, ``stop-graph`` ends the run.
        liveness_interval_s: Seconds, above 0, between two looks at whether a worker is alive.
        readiness_interval_s: Seconds, above 0, between two looks at whether it is ready.
        watchdog_s: Seconds, above 0, after which a worker that does not answer is replaced; None for never.
    """

    startup_timeout_s: float = attrs.field(default=60.0, metadata=read_by(_seconds))
    stop_timeout_s: float = attrs.field(default=10.0, metadata=read_by(readers.number(at_least=0)))
    stable_time_s: float = attrs.field(default=1.0, metadata=read_by(readers.number(at_least=0)))
    max_failures: int = attrs.field(default=8, metadata=read_by(readers.whole_number(at_least=1)))
    max_restarts: int = attrs.field(default=120, metadata=read_by(readers.whole_number(at_least=1)))
    restart_window_s: float = attrs.field(default=300.0, metadata=read_by(_seconds))
    on_failure: FailurePolicy = attrs.field(
        default="restart", metadata=read_by(readers.one_of(*get_args(FailurePolicy)))
    )
    liveness_interval_s: float = attrs.field(default=5.0, metadata=read_by(_seconds))
    readiness_interval_s: float = attrs.field(default=1.0, metadata=read_by(_seconds))
    watchdog_s: float | None = attrs.field(default=None, metadata=read_by(readers.optional(_seconds)))

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            startup_timeout_s: float = ...,
            stop_timeout_s: float = ...,
            stable_time_s: float = ...,
            max_failures: int = ...,
            max_restarts: int = ...,
            restart_window_s: float = ...,
            on_failure: FailurePolicy = ...,
            liveness_interval_s: float = ...,
            readiness_interval_s: float = ...,
            watchdog_s: float | None = ...,
        ) -> None: ...
