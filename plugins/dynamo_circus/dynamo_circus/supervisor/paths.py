"""The paths of a run that Circus's sockets have, and the one that workers tell on how they are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dynamo_circus.supervisor.sockets import SlotSocket
from dynamo_core.supervision.path_keeper import PathKeeper

if TYPE_CHECKING:
    from dynamo_circus.notify import NotifySocket
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.supervisor import Supervisor
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.control.server import ControlServer

logger = logging.getLogger(__name__)


class RunPaths(PathKeeper):
    """Looks at the paths of a run now and then, and makes anew what is missing.

    Args:
        run: The run.
        control: Its control socket.
        notify: Where workers tell how they are.
    """

    def __init__(self, run: Supervisor, control: ControlServer, notify: NotifySocket) -> None:
        super().__init__(
            run.directory, control, services=[watcher.name for watcher in run.watchers], emit=run.emit
        )
        self._run = run
        self._notify = notify

    def write_state(self) -> None:
        """Have the state file written."""
        self._run.note_change()

    def check_own(self) -> None:
        """Open the socket anew that workers tell on how they are, if its path is gone."""
        if not self._notify.is_reachable:
            self._notify.close()
            self._notify.open()
            logger.warning("%s was removed; it has been made anew", self._notify.path)

    def check_slots(self) -> None:
        """Make every slot's socket anew that is missing, have its workers accept on it, and tell."""
        for watcher in self._run.watchers:
            for slot in watcher.slots:
                if not slot.socket.is_reachable:
                    self._renew(watcher, slot)

    def _renew(self, watcher: Watcher, slot: Slot) -> None:
        former = slot.socket
        found = SlotSocket(former.name, service=former.service, slot=former.slot, path=former.path)
        found.bind_and_listen()
        sockets = self._run.arbiter.sockets
        sockets[found.name] = slot.socket = found
        former.close()
        for process in (slot.process, slot.incoming):
            if process is not None and process.launch.channel is not None and process.is_alive():
                self._run.channels.renew_listener(process.launch.channel, found)
        remark = ""
        if watcher.service.is_custom:
            remark = "; a worker with a command of its own that does not hear of it has to be restarted"
        self.tell_renewed(watcher.name, slot.index, remark)
