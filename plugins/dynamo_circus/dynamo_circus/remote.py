"""Services that a run does not start: workers of other runs, by their socket, and what HTTP reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from dynamo_core.import_target import ImportTarget
from dynamo_core.remote import UNIX, run_id_of
from dynamo_core.transport import Member

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEME: Final = UNIX


def is_socket_address(url: str | None) -> bool:
    """Whether an edge's address is the socket of a worker."""
    return url is not None and url.startswith(f"{SCHEME}/")


@attrs.frozen(kw_only=True)
class AddressedService:
    """One service that runs elsewhere, and is called over HTTP.

    Attributes:
        service: Its name.
        target: How a class with its endpoints is imported.
        url: Its base address.
    """

    service: str
    target: ImportTarget
    url: str

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {"service": self.service, "target": self.target.to_data(), "url": self.url}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(service=data["service"], target=ImportTarget.from_data(data["target"]), url=data["url"])


@attrs.frozen(kw_only=True)
class RemoteWorker:
    """One worker that this run does not start.

    Attributes:
        service: Name of its service.
        target: How a class with its endpoints is imported.
        path: Its socket.
    """

    service: str
    target: ImportTarget
    path: str

    @property
    def run_id(self) -> str:
        """Id of the run it belongs to."""
        return run_id_of(self.path)

    @property
    def member(self) -> Member:
        """It, as callers know it."""
        return Member(slot=0, path=self.path, generation=0)

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {"service": self.service, "target": self.target.to_data(), "path": self.path}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(service=data["service"], target=ImportTarget.from_data(data["target"]), path=data["path"])
