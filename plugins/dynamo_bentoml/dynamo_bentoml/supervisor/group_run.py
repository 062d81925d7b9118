"""What the workers of one service need of the run that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dynamo_bentoml.plan import ServicePlan
    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.process import Launch, WorkerProcess
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_core.logs.lines import LineBatch
    from dynamo_core.supervision.slot_listener import SlotListener


class GroupRun(Protocol):
    """The run, as a group sees it; every method returns at once."""

    @property
    def is_starting(self) -> bool:
        """Whether it has never been ready yet."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing is to be started any more."""

    def open_slot(self, service: ServicePlan, slot: int) -> SlotListener:
        """Bind the socket of a slot."""

    def prepare(self, service: ServicePlan, slot: Slot) -> Launch:
        """How the slot's next worker is started.

        Raises:
            OSError: There are no descriptors left.
        """

    def dependencies_ready_at(self, service: ServicePlan) -> float | None:
        """When the last of the services it depends on became ready; None while one is not."""

    def wrote(self, lines: LineBatch) -> None:
        """A worker has written lines."""

    def spawned(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker runs."""

    def became_ready(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker takes calls."""

    def paused(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A readiness hook of a worker has changed its mind."""

    def group_killed(self, process: WorkerProcess) -> None:
        """A worker has ended; its number is about to become free."""

    def ended(self, group: ServiceGroup, process: WorkerProcess) -> None:
        """A worker has ended; called before what follows from it."""

    def start_failed(self, group: ServiceGroup, slot: Slot) -> None:
        """A worker failed before it was ready, while the run was starting."""

    def limit_reached(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot's failures have reached a limit."""

    def recovered(self, group: ServiceGroup, slot: Slot) -> None:
        """A slot that was past a limit has been ready for its stable time."""

    def restarting(self, group: ServiceGroup, slot: Slot, delay_s: float) -> None:
        """A slot gets its next worker after *delay_s* seconds."""

    def members_changed(self, group: ServiceGroup) -> None:
        """Callers have to learn where the service's workers are."""

    def changed(self) -> None:
        """Something that is reported has changed."""
