"""``python -m dynamo_circus.supervisor --link FD``: the supervisor of a run that a program started.

It ends the run when that program is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

import attrs

from dynamo_circus.link import Link
from dynamo_circus.plan import RunPlan
from dynamo_circus.supervisor.supervisor import Supervisor
from dynamo_core import environment
from dynamo_core.control.failures import failure_to_data
from dynamo_core.errors import EXIT_OK, DynamoError
from dynamo_core.logs.printing import LinePrinter, PrinterHandler

if TYPE_CHECKING:
    from collections.abc import Iterator


def main(arguments: list[str]) -> int:
    """Run what the caller's program asks for over the inherited descriptor; the exit code."""
    _, link_fd = arguments
    end = socket.socket(fileno=int(link_fd))
    end.set_inheritable(False)
    return asyncio.run(_supervise(end))


async def _supervise(end: socket.socket) -> int:
    link = await Link.open(end)
    message = await link.receive()
    if message is None:
        return EXIT_OK
    plan = RunPlan.from_data(message[1])
    with contextlib.closing(LinePrinter(is_json=plan.log_format == "json")) as printer:
        level = os.environ.get(environment.LOG_LEVEL, "warning").upper()
        logging.basicConfig(level=level, handlers=[PrinterHandler(printer)])
        return await _run(plan, link, printer)


async def _run(plan: RunPlan, link: Link, printer: LinePrinter) -> int:
    supervisor = Supervisor(
        plan,
        show_lines=printer.show,
        emit=lambda event: link.send("event", attrs.asdict(event)),
        environ=dict(os.environ),
        tell_members=lambda service, members, refusal: link.send(
            "members",
            {
                "service": service,
                "members": [attrs.asdict(member) for member in members],
                "refusal": refusal,
            },
        ),
    )
    failure: DynamoError | None = None
    with _watched_parent(supervisor):
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(_stop_with_caller(link, supervisor), name="caller"),
                tasks.create_task(_tell_ready(link, supervisor), name="ready"),
            ]
            try:
                await supervisor.run()
            except DynamoError as error:
                failure = error
            finally:
                for helper in helpers:
                    helper.cancel()
    if failure is None:
        link.send("stopped")
    else:
        link.send("failed", failure_to_data(failure))
    await link.flush()
    return EXIT_OK if failure is None else failure.exit_code


async def _tell_ready(link: Link, supervisor: Supervisor) -> None:
    await supervisor.ready.wait()
    link.send(
        "ready",
        {"run_id": supervisor.directory.run_id, "control": str(supervisor.directory.control_socket_path)},
    )


async def _stop_with_caller(link: Link, supervisor: Supervisor) -> None:
    """Stop when the caller says so, or has gone."""
    while (message := await link.receive()) is not None:
        if message[0] == "stop":
            supervisor.request_stop(message[1].get("reason") or "the caller asked")
        elif message[0] == "hurry":
            supervisor.hurry("the caller asked")
    supervisor.request_stop("the caller has gone")


@contextlib.contextmanager
def _watched_parent(supervisor: Supervisor) -> Iterator[None]:
    """Stop when the parent process ends, even if a fork of it still holds the link."""
    try:
        descriptor = os.pidfd_open(os.getppid())
    except (AttributeError, OSError):
        yield
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(descriptor)
        supervisor.request_stop("the caller has ended")

    loop.add_reader(descriptor, ended)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
