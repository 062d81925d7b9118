"""``dynamo serve``: this very process becomes the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from dynamo_bentoml.devices import assign_devices
from dynamo_bentoml.notices import tell_notices
from dynamo_bentoml.plan import make_plan
from dynamo_bentoml.supervisor.supervisor import Supervisor
from dynamo_core.errors import EXIT_OK
from dynamo_core.logs.printing import LinePrinter
from dynamo_core.supervision.stop_signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_bentoml.supervisor.run_events import LinesListener
    from dynamo_core.provider import BoundGraph

logger = logging.getLogger(__name__)

HURRIED_GRACE_S: Final = 0.5


def serve_services(graph: BoundGraph, options: BentoMLOptions) -> int:
    """Supervise *graph* until a signal or ``dynamo stop`` ends the run.

    Returns:
        The exit code of a run that was asked to stop.

    Raises:
        StartError: A service did not start.
        ServiceFailedError: A service failed later, and its policy ended the run.
        DynamoError: Nothing could be started.
    """
    plan = make_plan(graph, options)
    tell_notices(graph)
    environ = dict(os.environ)
    devices = assign_devices(plan, environ)

    async def supervise(show_lines: LinesListener) -> None:
        supervisor = Supervisor(
            plan, emit=graph.emit, environ=environ, show_lines=show_lines, devices=devices
        )
        with stopped_by_signals(supervisor):
            await supervisor.run()

    if graph.show_lines is not None:
        asyncio.run(supervise(graph.show_lines))
        return EXIT_OK
    with contextlib.closing(LinePrinter(is_json=options.log_format == "json")) as printer:
        asyncio.run(supervise(printer.show))
    return EXIT_OK


@contextlib.contextmanager
def stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """While the block lasts, a first signal stops the run, and a second one gives it little time for that."""
    loop = asyncio.get_running_loop()
    seen: list[str] = []

    def signalled(name: str) -> None:
        seen.append(name)
        supervisor.request_stop(name)
        if len(seen) == 2:
            logger.warning("%s again: workers get %g s more", name, HURRIED_GRACE_S)
            loop.call_later(HURRIED_GRACE_S, supervisor.hurry, name)
        elif len(seen) > 2:
            supervisor.hurry(name)

    numbers = stop_signals()
    for number in numbers:
        loop.add_signal_handler(number, signalled, number.name)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
