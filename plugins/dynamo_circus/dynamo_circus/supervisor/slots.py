"""The places of a service's workers: stable numbers, each with its socket, whoever fills it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from dynamo_circus.supervisor.failures import FailureAccount
    from dynamo_circus.supervisor.process import Process
    from dynamo_circus.supervisor.sockets import SlotSocket


@attrs.define(kw_only=True, eq=False)
class Slot:
    """One worker's place.

    A worker that is replaced leaves its slot, socket and number to its successor; only the generation grows.

    Attributes:
        index: Its number, from 0.
        socket: The listening socket that its workers inherit.
        account: Its failures.
        process: The worker in it; None between two.
        incoming: The worker that is to take its place once it is ready; None but during a restart on request.
        generation: How many workers it has had.
        has_been_ready: Whether any of them became ready.
        is_on_trial: Whether it is only being added: if its first worker fails, it gets no other, and no policy follows.
        next_spawn_at: Earliest time for the next worker, on ``time.monotonic()``'s clock.
        is_given_up: Whether it gets no further worker.
        limit: The limit its failures have reached, in words; None while within them.
        last_end: How its previous worker ended, in words.
        last_lines: What that worker wrote last.
        filled: Set when a worker was spawned, or could not be; whoever waits for the next one clears it.
    """

    index: int
    socket: SlotSocket
    account: FailureAccount
    process: Process | None = None
    incoming: Process | None = None
    generation: int = 0
    has_been_ready: bool = False
    is_on_trial: bool = False
    next_spawn_at: float = 0.0
    is_given_up: bool = False
    limit: str | None = None
    last_end: str = ""
    last_lines: tuple[str, ...] = ()
    filled: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def is_ready(self) -> bool:
        """Whether its worker is ready and not on its way out."""
        process = self.process
        if process is None or not process.is_ready:
            return False
        return not (process.stopping or process.says_stopping or process.is_paused)

    @property
    def takes_calls(self) -> bool:
        """Whether callers may turn to it: also between two workers, when they wait for the next one."""
        process = self.process
        is_shut = process is not None and (process.is_paused or process.says_stopping)
        return self.has_been_ready and not self.is_given_up and not is_shut

    @property
    def refusal(self) -> str:
        """Why nobody is going to serve it, or not for a while; empty while callers may wait for its worker."""
        if self.process is not None or self.incoming is not None or self.limit is None:
            return ""
        what = "given up" if self.is_given_up else "tried again once in a while"
        return f"slot {self.index} is {what}: it {self.last_end}; {self.limit}"

    def forgive(self) -> None:
        """Begin anew: its failures are forgotten, and its next worker may be spawned at once."""
        self.account.forget()
        self.limit = None
        self.is_given_up = False
        self.next_spawn_at = 0.0

    @property
    def served_generation(self) -> int:
        """Generation of the worker that serves, or served last; a successor that is not ready yet does not count."""
        return self.generation if self.process is None else self.process.generation

    @property
    def restarts(self) -> int:
        """How many workers came after its first."""
        return max(0, self.generation - 1)

    @property
    def state(self) -> str:
        """One word for people and for ``status``."""
        if self.process is None:
            return "failed" if self.is_given_up else "stopped" if self.generation == 0 else "waiting"
        if self.process.stopping or self.process.says_stopping:
            return "stopping"
        if self.process.is_paused:
            return "unready"
        return "ready" if self.process.is_ready else "starting"
