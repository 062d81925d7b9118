"""What the endpoints of one host share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from dynamo_core.host.admission import Admission
    from dynamo_core.host.deadline import DeadlineClock
    from dynamo_core.host.running import RunningCalls
    from dynamo_core.host.threads import ThreadPool


@attrs.frozen(kw_only=True, eq=False)
class Workplace:
    """Where the calls of one worker run.

    Attributes:
        service: Name of the service.
        slot: Slot of the worker.
        calls: What runs now.
        admission: Lets calls in.
        clock: Ends calls at their deadlines.
        threads: For endpoints and hooks that block.
    """

    service: str
    slot: int
    calls: RunningCalls
    admission: Admission
    clock: DeadlineClock
    threads: ThreadPool
