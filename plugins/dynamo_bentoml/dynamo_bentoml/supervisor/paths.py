"""The paths of a run: its slots' sockets, and the folder that BentoML's metrics go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_bentoml.supervisor.launcher import METRICS_FOLDER
from dynamo_core.supervision.path_keeper import PathKeeper
from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_bentoml.supervisor.supervisor import Supervisor
    from dynamo_core.control.server import ControlServer


class RunPaths(PathKeeper):
    """Looks at the paths of a run now and then, and makes anew what is missing.

    Args:
        run: The run.
        control: Its control socket.
    """

    def __init__(self, run: Supervisor, control: ControlServer) -> None:
        super().__init__(run.directory, control, services=[group.name for group in run.groups], emit=run.emit)
        self._run = run

    def write_state(self) -> None:
        """Have the state file written."""
        self._run.changed()

    def check_own(self) -> None:
        """Make the folder of metrics anew."""
        (self._run.directory.path / METRICS_FOLDER).mkdir(mode=0o700, exist_ok=True)

    def check_slots(self) -> None:
        """Make every slot's socket anew that is missing, have its workers accept on it, and tell."""
        for group in self._run.groups:
            for slot in group.slots:
                if not slot.listener.is_reachable:
                    self._renew(group, slot)

    def _renew(self, group: ServiceGroup, slot: Slot) -> None:
        former, slot.listener = slot.listener, self._run.open_slot(group.plan, slot.index)
        former.close()
        # The descriptor comes with a frame that says nothing: no service depends on itself.
        frame = encode_membership(group.name, ())
        for process in slot.processes:
            process.send(frame, descriptor=slot.listener.fileno())
        self.tell_renewed(group.name, slot.index)
