"""``dynamo serve``: this very process becomes the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from dynamo_circus.plan import make_plan
from dynamo_circus.supervisor.supervisor import Supervisor
from dynamo_core.errors import EXIT_OK
from dynamo_core.logs.printing import LinePrinter
from dynamo_core.supervision.environment import pick_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_circus.options import CircusOptions
    from dynamo_core.provider import BoundGraph, LogLine


def serve_services(graph: BoundGraph, options: CircusOptions) -> int:
    """Supervise *graph* until a signal or ``dynamo stop`` ends the run.

    Returns:
        The exit code of a run that was asked to stop.

    Raises:
        StartError: A service did not start.
        ServiceFailedError: A service failed later, and its policy ended the run.
        DynamoError: Nothing could be started.
    """
    plan = make_plan(graph, options)
    pick_secrets(os.environ, plan.services)  # what is missing is told before anything starts

    async def supervise(show_lines: Callable[[Sequence[LogLine]], None]) -> None:
        await Supervisor(plan, emit=graph.emit, environ=dict(os.environ), show_lines=show_lines).run()

    if graph.show_lines is not None:
        asyncio.run(supervise(graph.show_lines))
        return EXIT_OK
    with contextlib.closing(LinePrinter(is_json=plan.log_format == "json")) as printer:
        asyncio.run(supervise(printer.show))
    return EXIT_OK
