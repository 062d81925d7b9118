"""The paths of a run: whether they still lead to its sockets, and what to do when somebody has removed them.

Whoever clears up temporary folders may take them for rubbish.
Connections that are open do not notice; nobody new gets in, and no worker is heard.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dynamo_circus.supervisor.sockets import SlotSocket
from dynamo_core.errors import RunDirectoryError
from dynamo_core.provider import ServiceEvent

if TYPE_CHECKING:
    from dynamo_circus.notify import NotifySocket
    from dynamo_circus.supervisor.slots import Slot
    from dynamo_circus.supervisor.supervisor import Supervisor
    from dynamo_circus.supervisor.watcher import Watcher
    from dynamo_core.control.server import ControlServer

logger = logging.getLogger(__name__)

CHECK_S: Final = 1.0


class PathKeeper:
    """Looks at the paths of a run now and then, and makes anew what is missing.

    Args:
        run: The run.
        control: Its control socket.
        notify: Where workers tell how they are.
    """

    def __init__(self, run: Supervisor, control: ControlServer, notify: NotifySocket) -> None:
        self._run = run
        self._control = control
        self._notify = notify
        self._trouble = ""

    async def watch(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                self.check()
                self._trouble = ""
            except (RunDirectoryError, OSError) as error:
                self._tell_trouble(str(error))

    def check(self) -> None:
        """Look once.

        Raises:
            RunDirectoryError: Something cannot be made anew.
            OSError: Likewise.
        """
        run = self._run
        if run.directory.restore():
            logger.warning("the run's directory %s was removed; it has been made anew", run.directory.path)
        if not run.directory.state_path.exists():
            run.note_change()  # writes it
        if not self._notify.is_reachable:
            self._notify.close()
            self._notify.open()
            logger.warning("%s was removed; it has been made anew", self._notify.path)
        if not self._control.is_reachable:
            self._control.reopen()
            logger.warning("%s was removed; it has been made anew", run.directory.control_socket_path)
        for watcher in run.watchers:
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
            if process is not None and process.launch.channel is not None and not process.has_been_collected:
                self._run.channels.renew_listener(process.launch.channel, found)
        detail = "its socket was removed; it has been made anew"
        if watcher.service.is_custom:
            detail += "; a worker with a command of its own that does not hear of it has to be restarted"
        logger.warning("%s/%d: %s", watcher.name, slot.index, detail)
        self._run.emit(ServiceEvent(kind="message", service=watcher.name, slot=slot.index, detail=detail))

    def _tell_trouble(self, trouble: str) -> None:
        """Say once what cannot be mended."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        detail = f"nobody new can reach the run: {self._run.directory.path} is gone, {trouble}"
        logger.error("%s", detail)
        for watcher in self._run.watchers:
            self._run.emit(ServiceEvent(kind="message", service=watcher.name, detail=detail))
