"""What the supervisor tells its workers: their bootstrap, then who serves what they depend on.

Each worker has one inherited socket that it can only read.
Its end of file is the worker's life-line: it means that the supervisor is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from typing import TYPE_CHECKING

from dynamo_core.transport import encode_membership

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_circus.plan import RunPlan
    from dynamo_core.transport import Member
    from dynamo_core.worker_kit.bootstrap import Bootstrap


class WorkerChannel:
    """The supervisor's end of one worker's socket; a worker that does not read costs memory, not time."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._unsent: deque[tuple[memoryview, int | None]] = deque()
        self._is_waiting = False
        end.setblocking(False)

    def write(self, data: bytes, *, descriptor: int | None = None) -> None:
        """Queue *data*, with a copy of a descriptor; never blocks."""
        if self._end.fileno() >= 0:
            self._unsent.append((memoryview(data), None if descriptor is None else os.dup(descriptor)))
            if not self._is_waiting:
                self._flush()

    def close(self) -> None:
        """Close the worker's life-line."""
        self._wait(wanted=False)
        self._forget()
        self._end.close()

    def _flush(self) -> None:
        try:
            while self._unsent:
                data, descriptor = self._unsent[0]
                if descriptor is None:
                    sent = self._end.send(data)
                else:
                    sent = socket.send_fds(self._end, [data], [descriptor])
                    os.close(descriptor)
                if sent == len(data):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = data[sent:], None
        except BlockingIOError:
            self._wait(wanted=True)
            return
        except OSError:  # the worker has ended; the reaper will tell
            self._forget()
        self._wait(wanted=False)

    def _forget(self) -> None:
        for _, descriptor in self._unsent:
            if descriptor is not None:
                os.close(descriptor)
        self._unsent.clear()

    def _wait(self, *, wanted: bool) -> None:
        if wanted == self._is_waiting:
            return
        self._is_waiting = wanted
        loop = asyncio.get_running_loop()
        if wanted:
            loop.add_writer(self._end.fileno(), self._flush)
        else:
            loop.remove_writer(self._end.fileno())


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
        channel.write(bootstrap.encode())
        plan = self._plan.service(service)
        for name in set(plan.dependencies.values()):
            channel.write(self._memberships.get(name) or encode_membership(name, ()))
        for remote in plan.remotes.values():
            channel.write(encode_membership(remote.service, (remote.member,)))
        return channel, theirs.detach()

    def push(self, service: str, members: Sequence[Member], refusal: str = "") -> None:
        """Tell every worker that depends on *service* who serves it now, or why nobody will."""
        self._memberships[service] = frame = encode_membership(service, members, refusal=refusal)
        dependents = set(self._plan.dependents_of(service))
        for channel, name in self._channels.items():
            if name in dependents:
                channel.write(frame)

    def renew_listener(self, channel: WorkerChannel, listener: socket.socket) -> None:
        """Have a worker accept on another socket than the one it inherited.

        The descriptor comes with a frame that says nothing: no service has dependents in its own worker.
        """
        channel.write(encode_membership(self._channels[channel], ()), descriptor=listener.fileno())

    def close(self, channel: WorkerChannel) -> None:
        """Close the channel of a worker that has ended. Safe to call twice."""
        if self._channels.pop(channel, None) is not None:
            channel.close()

    def close_all(self) -> None:
        """Close every channel."""
        for channel in list(self._channels):
            self.close(channel)
