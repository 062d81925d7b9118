"""A worker does not outlive its supervisor, whatever it is doing.

The supervisor holds the other end of the worker's channel, and nobody else does: it is gone once that is.
Little is imported here, since a worker is on the line before it imports anything else.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    import socket

EXIT_LOST_SUPERVISOR: Final = 125


def hold_life_line(channel: socket.socket) -> None:
    """End this process, with its group, as soon as the other end of *channel* is gone; returns at once.

    A thread looks out for that, so that it is noticed while modules are imported and while the event loop is blocked;
    only code that lets no other thread run puts it off.
    The thread does not keep the process alive, and what is started by the process inherits nothing of it.
    It watches a copy of the descriptor: that the worker itself closes *channel* in the end means nothing.

    Args:
        channel: A socket to the supervisor; whether it can be written to does not matter.
    """
    if not hasattr(select, "poll"):
        return
    line = select.poll()
    line.register(os.dup(channel.fileno()), 0)  # asks for nothing: what the supervisor says wakes nobody
    _thread.start_new_thread(_end_on_hang_up, (line,))  # one line in a traceback of all threads, not five


def _end_on_hang_up(line: select.poll) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the user's threads
    for _, events in line.poll():
        if events & (select.POLLHUP | select.POLLERR):
            end_with_group()


def end_with_group() -> NoReturn:
    """End at once: without its supervisor a worker serves nobody, and nobody would end it."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(EXIT_LOST_SUPERVISOR)
