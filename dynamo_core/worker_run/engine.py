"""What a provider has to know of its runtime: how one worker is started there, and how it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class WorkerOrder:
    """How one worker is to be started; nothing of it may be formatted or expanded.

    Attributes:
        service: Name of its service.
        slot: Its place in the service.
        generation: How many workers the slot has had, this one included.
        argv: The program and its arguments.
        env: The whole environment; ``DYNAMO_WORKER_ID`` in it marks the worker, and whatever that starts.
        cwd: The working directory.
        inherited: Descriptors that the program must get under the same numbers.
        stdout: Descriptor that its standard output goes to.
        stderr: Descriptor that its standard error goes to.
    """

    service: str
    slot: int
    generation: int
    argv: tuple[str, ...]
    env: Mapping[str, str] = attrs.field(repr=False)
    cwd: str
    inherited: tuple[int, ...]
    stdout: int
    stderr: int


class StartedWorker(ABC):
    """One worker that an engine has started. All members are used from the event loop that started it."""

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Number of its process; None where it has none on this machine. Read by core for events and status."""

    @abstractmethod
    async def wait(self) -> int:
        """Wait until it has ended.

        Called by core once, right after the start.

        Returns:
            Its exit status, negative for the number of a signal.
        """

    @abstractmethod
    def terminate(self) -> None:
        """Ask it to finish its calls and end, as SIGTERM does.

        Called by core at most once; it may have just ended, and ``ProcessLookupError`` is all right then.
        """

    @abstractmethod
    def kill(self) -> None:
        """End it at once, and whatever it has started.

        Called by core when it takes too long, and after its end for what it may have left behind; safe to call twice.
        """


class Engine(ABC):
    """Starts workers. A provider implements it; one engine serves one run."""

    @abstractmethod
    async def start(self, order: WorkerOrder) -> StartedWorker:
        """Start one worker, and return once its process exists; it is not ready yet.

        Called by core from the event loop of the run, for several workers at once.
        The worker must lead a process group of its own, and end when its parent does: the built-in worker ends itself
        and its group once the descriptor it was given is closed at the other end.

        Args:
            order: What to start; core closes its descriptors in this process once this has returned.

        Raises:
            OSError: It cannot be started.
        """
