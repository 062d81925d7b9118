"""Which calls of one worker run, which wait their turn, and which are sent away."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import attrs


class FullError(Exception):
    """As many calls wait as may; becomes an ``OverloadedError`` at the endpoint.

    Attributes:
        limit: Calls that may run or wait.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


@attrs.define(eq=False)
class Lane:
    """Calls that share one limit: those of an endpoint, or of all endpoints that need a thread.

    Attributes:
        places: Calls that run at once; None for as many as the service allows.
        running: Calls that run now.
        is_bounded: Whether its waiting calls count against the service's queue.
        waiting: Turns of the calls that wait, oldest first, each with its number.
    """

    places: int | None
    is_bounded: bool = True
    running: int = 0
    waiting: OrderedDict[asyncio.Future[None], int] = attrs.field(factory=OrderedDict)

    @property
    def has_place(self) -> bool:
        """Whether this lane alone would let one more call run."""
        return self.places is None or self.running < self.places


class Admission:
    """Lets calls in while there are places, keeps a bounded queue, first come first served.

    A call needs a place of its lane and one of the service. One that waits for its lane holds no place of the
    service, so that a slow endpoint does not keep others out. Used from one event loop.

    Args:
        places: Calls of all lanes that run at once; None for no limit.
        max_queue: Calls of all bounded lanes that may wait; None for no limit.
    """

    def __init__(self, places: int | None, max_queue: int | None) -> None:
        self.places: Final = places
        self.max_queue: Final = max_queue
        self.running = 0
        self._queued = 0
        self._lanes: list[Lane] = []
        self._turn = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for a place now."""
        return sum(len(lane.waiting) for lane in self._lanes)

    def add_lane(self, places: int | None, *, is_bounded: bool = True) -> Lane:
        """Make a lane with its own limit."""
        lane = Lane(places, is_bounded)
        self._lanes.append(lane)
        return lane

    async def enter(self, lane: Lane) -> None:
        """Take a place, or wait for one; whoever got it calls :meth:`leave`.

        Raises:
            FullError: The queue is full.
        """
        if lane.has_place and self._has_place:
            self._take(lane)
            return
        if lane.is_bounded and self.max_queue is not None and self._queued >= self.max_queue:
            raise FullError(self._limit_of(lane))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turn += 1
        lane.waiting[turn] = self._turn
        self._queued += lane.is_bounded
        try:
            await turn
        except BaseException:
            if turn in lane.waiting:
                self._unqueue(lane, turn)
            elif not turn.cancelled():  # the place was given just before the wait was cancelled
                self.leave(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """Give back a place, and let in whoever comes next."""
        lane.running -= 1
        self.running -= 1
        while self._has_place:
            ready = [each for each in self._lanes if each.waiting and each.has_place]
            if not ready:
                return
            first = min(ready, key=_oldest_turn)
            turn = next(iter(first.waiting))
            self._unqueue(first, turn)
            if not turn.done():  # else it was cancelled in this very step
                self._take(first)
                turn.set_result(None)

    @property
    def _has_place(self) -> bool:
        return self.places is None or self.running < self.places

    def _take(self, lane: Lane) -> None:
        lane.running += 1
        self.running += 1

    def _unqueue(self, lane: Lane, turn: asyncio.Future[None]) -> None:
        del lane.waiting[turn]
        self._queued -= lane.is_bounded

    def _limit_of(self, lane: Lane) -> int:
        places = min(each for each in (lane.places, self.places) if each is not None)
        return places + (self.max_queue or 0)


def _oldest_turn(lane: Lane) -> int:
    return next(iter(lane.waiting.values()))
