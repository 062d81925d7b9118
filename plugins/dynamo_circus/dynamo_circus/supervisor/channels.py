"""What the supervisor tells its workers: their bootstrap, then who serves what they depend on.

Each worker has one inherited socket that it can only read.
Its end of file is the worker's life-line: it means that the supervisor is gone.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from dynamo_core.supervision.channel import WorkerChannel
from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_circus.plan import RunPlan
    from dynamo_core.transport import Member
    from dynamo_core.worker_kit.bootstrap import Bootstrap


class WorkerChannels:
    """The channels of all workers of a run.

    Args:
        plan: Says who depends on whom.
    """

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._channels: dict[WorkerChannel, str] = {}
        self._memberships: dict[str, bytes] = {}

    def open(self, service: str, bootstrap: Bootstrap) -> tuple[WorkerChannel, int]:
        """Open the channel of a worker of *service*, and tell it its bootstrap and the present members.

        Returns:
            The supervisor's end, which :meth:`close` closes, and the worker's, which the caller closes.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        theirs.shutdown(socket.SHUT_WR)
        channel = WorkerChannel(ours)
        self._channels[channel] = service
        channel.send(bootstrap.encode())
        plan = self._plan.service(service)
        for name in set(plan.dependencies.values()):
            channel.send(self._memberships.get(name) or encode_membership(name, ()))
        for remote in plan.remotes.values():
            channel.send(encode_membership(remote.service, (remote.member,)))
        return channel, theirs.detach()

    def push(self, service: str, members: Sequence[Member], refusal: str = "") -> None:
        """Tell every worker that depends on *service* who serves it now, or why nobody will."""
        self._memberships[service] = frame = encode_membership(service, members, refusal=refusal)
        dependents = set(self._plan.dependents_of(service))
        for channel, name in self._channels.items():
            if name in dependents:
                channel.send(frame)

    def renew_listener(self, channel: WorkerChannel, listener: socket.socket) -> None:
        """Have a worker accept on another socket than the one it inherited.

        The descriptor comes with a frame that says nothing: no service has dependents in its own worker.
        """
        channel.send(encode_membership(self._channels[channel], ()), descriptor=listener.fileno())

    def close(self, channel: WorkerChannel) -> None:
        """Close the channel of a worker that has ended. Safe to call twice."""
        if self._channels.pop(channel, None) is not None:
            channel.close()

    def close_all(self) -> None:
        """Close every channel."""
        for channel in list(self._channels):
            self.close(channel)
