"""What a watcher needs of the run it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from dynamo_circus.plan import ServicePlan
    from dynamo_circus.supervisor.process import Launch, Process
    from dynamo_circus.supervisor.reaper import Reaper
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.sockets import SlotSocket
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.provider import LogLine


class Crew(Protocol):
    """The run, as its watchers see it; every method returns at once."""

    @property
    def tasks(self) -> asyncio.TaskGroup:
        """Where a watcher's tasks belong."""

    @property
    def reaper(self) -> Reaper:
        """Tells when a worker has ended."""

    @property
    def is_starting(self) -> bool:
        """Whether the run has never been ready yet."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing is to be spawned any more."""

    def wake(self) -> None:
        """Have the arbiter look after its watchers soon."""

    def may_spawn(self) -> bool:
        """Whether one more worker may begin now; asked again whenever one has come through its imports."""

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started; opens what it will inherit."""

    def abandon(self, launch: Launch) -> None:
        """The worker could not be spawned: close what was opened for it."""

    def take_devices(self, service: ServicePlan, slot: int) -> None:
        """Have a slot hold the devices that its service asks for, if it does not yet.

        Raises:
            TooFewDevicesError: There are not enough.
        """

    def give_back_devices(self, service: ServicePlan, slot: int) -> None:
        """Take back what a slot holds whose last worker has ended."""

    def open_slot(self, service: ServicePlan, slot: int) -> SlotSocket:
        """Bind the socket of a slot that is added."""

    def close_slot(self, found: SlotSocket) -> None:
        """Close the socket of a slot that is taken away; its worker may still live."""

    def members_changed(self, watcher: Watcher) -> None:
        """Tell the service's callers where its workers are."""

    def write_lines(self, lines: Sequence[LogLine]) -> None:
        """Pass on lines that a worker wrote."""

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""

    def spawned(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker runs."""

    def became_ready(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker is ready."""

    def paused(self, watcher: Watcher, slot: Slot, *, is_paused: bool) -> None:
        """A worker has taken back that it is ready, or says it again."""

    def group_killed(self, pid: int) -> None:
        """A worker has ended and its group was killed; its pid is about to become free."""

    def ended(self, watcher: Watcher, slot: Slot, process: Process) -> None:
        """A worker has ended and was collected; called before what follows from it."""

    def start_failed(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        """A worker failed before it was ready, while the run was starting."""

    def limit_reached(self, watcher: Watcher, slot: Slot, cause: str) -> None:
        """A slot's failures have reached a limit."""

    def recovered(self, watcher: Watcher, slot: Slot) -> None:
        """A slot that was past a limit has been ready for its stable time."""

    def restarting(self, watcher: Watcher, slot: Slot, delay_s: float, cause: str) -> None:
        """A slot will get its next worker after *delay_s* seconds."""
