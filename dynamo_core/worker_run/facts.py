"""What all parts of one run share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from dynamo_core.control import RunDirectory
    from dynamo_core.logs.run_log import RunLog
    from dynamo_core.provider.events import ServiceEvent
    from dynamo_core.worker_run.engine import Engine
    from dynamo_core.worker_run.launcher import Launcher


@attrs.frozen(kw_only=True, eq=False)
class RunFacts:
    """What all slots of one run share.

    Attributes:
        directory: The run's directory.
        engine: Starts workers.
        launcher: Prepares them.
        log: Takes what they write.
        emit: Tells everybody of an event.
        memberships_for: Gives the memberships that a worker of a service is told first.
        worker_ended: Told the ``DYNAMO_WORKER_ID`` of each worker that has ended.
    """

    directory: RunDirectory
    engine: Engine
    launcher: Launcher
    log: RunLog
    emit: Callable[[ServiceEvent], None]
    memberships_for: Callable[[str], Sequence[bytes]]
    worker_ended: Callable[[str], None]
