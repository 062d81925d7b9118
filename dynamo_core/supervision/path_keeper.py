"""The paths of a run: whether they still lead to its sockets, and what to do when somebody has removed them.

Whoever clears up temporary folders may take them for rubbish.
Connections that are open do not notice; nobody new gets in.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import RunDirectoryError
from dynamo_core.provider.events import ServiceEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_core.control import RunDirectory
    from dynamo_core.control.server import ControlServer

logger = logging.getLogger(__name__)

CHECK_S: Final = 1.0


class PathKeeper(ABC):
    """Looks at the paths of a run now and then, and makes anew what is missing.

    Args:
        directory: The run's directory.
        control: Its control socket.
        services: Names of its services.
        emit: Tells everybody of an event.
    """

    def __init__(
        self,
        directory: RunDirectory,
        control: ControlServer,
        *,
        services: Sequence[str],
        emit: Callable[[ServiceEvent], None],
    ) -> None:
        self._directory = directory
        self._control = control
        self._services = services
        self._emit = emit
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
        directory = self._directory
        if directory.restore():
            logger.warning("the run's directory %s was removed; it has been made anew", directory.path)
        if not directory.state_path.exists():
            self.write_state()
        self.check_own()
        if not self._control.is_reachable:
            self._control.reopen()
            logger.warning("%s was removed; it has been made anew", directory.control_socket_path)
        self.check_slots()

    @abstractmethod
    def write_state(self) -> None:
        """Have the state file written."""

    @abstractmethod
    def check_own(self) -> None:
        """Make anew what else the provider keeps in the directory, if it is missing; raises as :meth:`check`."""

    @abstractmethod
    def check_slots(self) -> None:
        """Make every slot's socket anew that is missing, have its workers accept on it, and tell; likewise."""

    def tell_renewed(self, service: str, slot: int, remark: str = "") -> None:
        """Tell that a slot's socket has been made anew."""
        detail = f"its socket was removed; it has been made anew{remark}"
        logger.warning("%s/%d: %s", service, slot, detail)
        self._emit(ServiceEvent(kind="message", service=service, slot=slot, detail=detail))

    def _tell_trouble(self, trouble: str) -> None:
        """Say once what cannot be mended."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        detail = f"nobody new can reach the run: {self._directory.path} is gone, {trouble}"
        logger.error("%s", detail)
        for service in self._services:
            self._emit(ServiceEvent(kind="message", service=service, detail=detail))
