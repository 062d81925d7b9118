"""Channels to services that this run does not start: over HTTP, or to a worker's unix socket."""

from __future__ import annotations

import importlib.util
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from dynamo_core.http.interface import MissingExtraError

if TYPE_CHECKING:
    from dynamo_core.channel import Channel

UNIX: Final = "unix:"

NO_RUN: Final = "local"
"""Run id of workers that belong to no run; both ends of a connection must name the same."""


def check_address(url: str) -> None:
    """Make sure that calls to *url* can be carried here, before anything starts.

    Raises:
        MissingExtraError: It is one of HTTP, and httpx is not installed.
    """
    if not url.startswith(UNIX) and importlib.util.find_spec("httpx") is None:
        raise MissingExtraError(("httpx",))


def open_channel(service: str, url: str) -> Channel:
    """A channel to the service at *url*, to be closed by the caller. To be called on the event loop it is used on.

    Args:
        service: Name of the service.
        url: An address of HTTP, or ``unix:`` and the path of one worker's socket.

    Raises:
        MissingExtraError: It is one of HTTP, and httpx is not installed.
    """
    if not url.startswith(f"{UNIX}/"):
        check_address(url)
        from dynamo_core.remote.http_channel import HttpChannel  # httpx, needed only here

        return HttpChannel(service, url)
    from dynamo_core.transport import Member, SlotChannel  # not for HTTP

    path = url.removeprefix(UNIX)
    channel = SlotChannel(service, run_id=run_id_of(path))
    channel.set_members([Member(slot=0, path=path)])
    return channel


def run_id_of(path: str) -> str:
    """Id of the run that a worker's socket belongs to: the name of its directory, or that of no run."""
    from dynamo_core.control.run_directory import RUN_ID  # not for HTTP

    name = PurePosixPath(path).parent.name
    return name if RUN_ID.fullmatch(name) else NO_RUN
