"""The unix socket of a slot, bound by whoever runs it and inherited by workers: one that is replaced refuses nobody."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Final

from dynamo_core.control.run_directory import identify
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG_CONNECTIONS: Final = 2048


class SlotListener:
    """The unix socket of one slot, mode 0600 in the run's private directory.

    Args:
        path: Where it is.

    Raises:
        RunDirectoryError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o600)
            self._socket.listen(BACKLOG_CONNECTIONS)
            self._identity = identify(path)
        except OSError as error:
            self._socket.close()
            raise RunDirectoryError(
                f"cannot make the socket {str(path)!r}: {error.strerror or error}"
            ) from error

    @property
    def is_reachable(self) -> bool:
        """Whether the path still leads to it."""
        return identify(self.path) == self._identity

    def fileno(self) -> int:
        """Its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it and remove its file. Safe to call twice."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            if self.is_reachable:
                with contextlib.suppress(OSError):
                    self.path.unlink()
