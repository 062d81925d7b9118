"""Circus's arbiter, with everything replaced that is unsafe or slow in it.

- Its control endpoint can run any command: it is ``inproc://`` here, and nobody connects to it.
- Its signal handlers, its ``waitpid(-1)`` and its global command lock are not used.
- Its housekeeping runs when a child ends (SIGCHLD), and every ``check_delay`` seconds in case one was missed.

It behaves the same on Circus and on ``kantoku``, the fork that installs the same package and stops everything
when one watcher is empty.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import circus.arbiter as _circus_arbiter
import zmq
from circus.arbiter import Arbiter as _Arbiter
from circus.controller import Controller as _Controller
from tornado.ioloop import IOLoop

from dynamo_circus.supervisor.reaper import Reaper, become_subreaper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynamo_circus.supervisor.sockets import CircusSocket
    from dynamo_circus.supervisor.watcher import Watcher

logger = logging.getLogger(__name__)

_numbers = itertools.count()


class _NoSignalHandlers:
    """Stands where Circus keeps its handlers; the supervisor has its own."""

    def stop(self) -> None:
        """Nothing to put back."""


class _NoNameLookup:
    """Stands where Circus's arbiter finds the ``socket`` module, of which it uses two functions."""

    getfqdn = staticmethod(socket.gethostname)
    gethostname = staticmethod(socket.gethostname)


class Controller(_Controller):  # type: ignore[misc]  # circus has no types
    """Circus's controller without signal handlers."""

    def _init_syshandler(self) -> None:
        self.sys_hdl = _NoSignalHandlers()


class Arbiter(_Arbiter):  # type: ignore[misc]  # circus has no types
    """Looks after the watchers of one run, inside the running asyncio loop of the main thread.

    Args:
        sockets: Every socket of the run; bound by :meth:`initialize`.
        check_delay_s: Seconds between two rounds of housekeeping when nothing ends.
        sweep: Called after something has ended, when the watchers know of it.
    """

    def __init__(
        self,
        sockets: Sequence[CircusSocket],
        *,
        check_delay_s: float,
        sweep: Callable[[], None] = lambda: None,
    ) -> None:
        become_subreaper()
        self.reaper = Reaper()
        self._loop = asyncio.get_running_loop()
        self._pass_is_due = False
        self._sweep = sweep
        name = f"{os.getpid()}-{next(_numbers)}"
        _circus_arbiter.socket = (
            _NoNameLookup  # it asks the resolver for the host's name, which can take seconds
        )
        super().__init__(
            [],
            f"inproc://dynamo-control-{name}",
            f"inproc://dynamo-events-{name}",
            check_delay=check_delay_s,
            sockets=list(sockets),
            loop=IOLoop.current(),
            fqdn_prefix=None,
            proc_name="dynamo-supervisor",
        )

    def _init_context(self, context: object) -> None:
        self.context = zmq.Context()
        self._ensure_ioloop()
        self.ctrl = Controller(self.endpoint, None, self.context, self.loop, self, self.check_delay, None)

    @property
    def tornado_loop(self) -> object:
        """Tornado's view of the loop, for watchers."""
        return self.loop

    def add(self, watcher: Watcher) -> None:
        """Look after *watcher* from the start on."""
        self.watchers.append(watcher)

    def get_watcher(self, name: str) -> Watcher:
        """The watcher of that exact name; Circus folds upper and lower case together."""
        for watcher in self.watchers:
            if watcher.name == name:
                found: Watcher = watcher
                return found
        raise KeyError(name)

    async def start(self) -> None:
        """Start the watchers in order; :meth:`initialize` was called before."""
        self._loop.add_signal_handler(signal.SIGCHLD, self.wake)
        self.ctrl.start()
        self._running = True
        for watcher in self.watchers:
            await watcher._start()

    # --- housekeeping --------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Do a round of housekeeping in the loop's next turn."""
        if not self._pass_is_due:
            self._pass_is_due = True
            self._loop.call_soon(self._look_after)

    def _look_after(self) -> None:
        self._pass_is_due = False
        if self.reaper.scan():
            self._sweep()
        for watcher in self.watchers:
            try:
                watcher.manage()
            except Exception:  # the others are looked after all the same
                logger.exception("%s cannot be looked after", watcher.name)

    async def manage_watchers(self) -> None:
        """Circus's periodic call."""
        self.wake()

    def reap_processes(self) -> None:
        """Circus's name for what the reaper does; it would take other children's exit statuses."""
        self.reaper.scan()

    # --- stop ----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stop all watchers at once; the run stops them in order before it calls this."""
        self._stopping = True
        await asyncio.gather(*(watcher._stop() for watcher in self.watchers))

    def close(self) -> None:
        """Let go of the controller, the sockets and the context; no worker is left by now."""
        self._loop.remove_signal_handler(signal.SIGCHLD)
        if self.evpub_socket is not None:
            self.stop_controller_and_close_sockets()
        else:
            self.sockets.close_all()
        self.context.destroy(linger=0)
