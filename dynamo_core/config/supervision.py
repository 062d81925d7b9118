"""How the workers of a service are watched, and what follows when they fail."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, option

FailurePolicy = Literal["restart", "isolate", "stop-dependents", "stop-graph"]

_seconds = readers.number(above=0)


@attrs.frozen(kw_only=True, init=False)
class SupervisionConfig(ConfigRecord):
    """How the workers of a service are started, watched, restarted and stopped.

    Attributes:
        startup_timeout_s: Seconds, above 0, until a new worker must be ready.
        stop_timeout_s: Seconds, at least 0, in which a worker may finish its calls before it is killed.
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

    startup_timeout_s: float = option(_seconds, 60.0)
    stop_timeout_s: float = option(readers.number(at_least=0), 10.0)
    stable_time_s: float = option(readers.number(at_least=0), 1.0)
    max_failures: int = option(readers.whole_number(at_least=1), 8)
    max_restarts: int = option(readers.whole_number(at_least=1), 120)
    restart_window_s: float = option(_seconds, 300.0)
    on_failure: FailurePolicy = option(readers.one_of(*get_args(FailurePolicy)), "restart")
    liveness_interval_s: float = option(_seconds, 5.0)
    readiness_interval_s: float = option(_seconds, 1.0)
    watchdog_s: float | None = option(readers.optional(_seconds), None)
