"""The place of one worker: a stable number with a socket, whoever fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.provider import WorkerStatus

if TYPE_CHECKING:
    import asyncio

    from dynamo_bentoml.supervisor.failures import FailureAccount
    from dynamo_bentoml.supervisor.process import WorkerProcess
    from dynamo_core.supervision.slot_listener import SlotListener


@attrs.define(kw_only=True, eq=False)
class Slot:
    """One worker's place.

    Attributes:
        index: Its number, from 0.
        listener: The socket that its workers inherit.
        account: Its failures.
        worker: The process in it; None between two.
        incoming: The process that is to take its place once it is ready; only during a restart on request.
        generation: How many workers it has had.
        has_been_ready: Whether any of them became ready.
        is_given_up: Whether it gets no further worker.
        limit: The limit its failures have passed, in words; empty while within them.
        last_cause: How its previous worker ended, in words.
        last_lines: What that wrote last.
        timer: Starts its next worker, or ends the patience with the present one.
    """

    index: int
    listener: SlotListener
    account: FailureAccount
    worker: WorkerProcess | None = None
    incoming: WorkerProcess | None = None
    generation: int = 0
    has_been_ready: bool = False
    is_given_up: bool = False
    limit: str = ""
    last_cause: str = ""
    last_lines: tuple[str, ...] = ()
    timer: asyncio.TimerHandle | None = None

    @property
    def processes(self) -> tuple[WorkerProcess, ...]:
        """What runs in it now."""
        return tuple(each for each in (self.worker, self.incoming) if each is not None)

    @property
    def is_ready(self) -> bool:
        """Whether its worker takes calls."""
        return self.worker is not None and self.worker.is_ready

    @property
    def is_paused(self) -> bool:
        """Whether its worker serves, and a readiness hook says no."""
        return self.worker is not None and self.worker.is_paused

    @property
    def served_generation(self) -> int:
        """Generation of the worker that serves, or served last; one that is not ready yet does not count."""
        return self.generation if self.worker is None else self.worker.generation

    @property
    def state(self) -> str:
        """One word for its state, as ``WorkerStatus`` has them."""
        if self.worker is None:
            return "failed" if self.is_given_up else "stopped" if self.generation == 0 else "waiting"
        if self.worker.is_stopping:
            return "stopping"
        return "ready" if self.worker.is_ready else "starting"

    @property
    def status(self) -> WorkerStatus:
        """How it is doing."""
        return WorkerStatus(
            slot=self.index,
            pid=None if self.worker is None else self.worker.pid,
            state=self.state,
            path=str(self.listener.path),
            generation=self.generation,
            restarts=max(0, self.generation - 1),
            last_cause=self.last_cause,
        )

    def cancel_timer(self) -> None:
        """Take back what was to happen later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
