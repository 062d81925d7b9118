"""The paths of a run: whether they still lead to its sockets, and what to do when somebody has removed them.

Open connections do not notice; but nobody new would get in.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dynamo_bentoml.supervisor.launcher import METRICS_FOLDER
from dynamo_core.errors import RunDirectoryError
from dynamo_core.provider import ServiceEvent
from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from dynamo_bentoml.supervisor.group import ServiceGroup
    from dynamo_bentoml.supervisor.slot import Slot
    from dynamo_bentoml.supervisor.supervisor import Supervisor
    from dynamo_core.control.server import ControlServer

logger = logging.getLogger(__name__)

CHECK_S: Final = 1.0


class PathKeeper:
    """Looks at the paths of a run now and then, and makes anew what is missing.

    Args:
        run: The run.
        control: Its control socket.
    """

    def __init__(self, run: Supervisor, control: ControlServer) -> None:
        self._run = run
        self._control = control
        self._trouble = ""

    async def watch(self) -> None:
        """Look every second, until cancelled."""
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
        (run.directory.path / METRICS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        if not run.directory.state_path.exists():
            run.changed()  # writes it
        if not self._control.is_reachable:
            self._control.reopen()
            logger.warning("%s was removed; it has been made anew", run.directory.control_socket_path)
        for group in run.groups:
            for slot in group.slots:
                if not slot.listener.is_reachable:
                    self._renew(group, slot)

    def _renew(self, group: ServiceGroup, slot: Slot) -> None:
        """Make a slot's socket anew, and have its workers accept on that one."""
        former, slot.listener = slot.listener, self._run.open_slot(group.plan, slot.index)
        former.close()
        # The descriptor comes with a frame that says nothing: no service depends on itself.
        frame = encode_membership(group.name, ())
        for process in slot.processes:
            process.send(frame, descriptor=slot.listener.fileno())
        detail = "its socket was removed; it has been made anew"
        logger.warning("%s/%d: %s", group.name, slot.index, detail)
        self._run.emit(ServiceEvent(kind="message", service=group.name, slot=slot.index, detail=detail))

    def _tell_trouble(self, trouble: str) -> None:
        """Say once what cannot be mended."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        detail = f"nobody new can reach the run: {self._run.directory.path} is gone, {trouble}"
        logger.error("%s", detail)
        for group in self._run.groups:
            self._run.emit(ServiceEvent(kind="message", service=group.name, detail=detail))
