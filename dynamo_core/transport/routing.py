"""Which of several usable connections takes the next call."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.channel import Routing
    from dynamo_core.transport.client_connection import ClientConnection


class Router:
    """Picks connections; remembers whose turn it is."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = random.randrange(1 << 16)  # noqa: S311  # or all new callers would begin with the same slot

    def pick(self, usable: Sequence[ClientConnection], routing: Routing) -> ClientConnection | None:
        """Pick one of *usable*; None when there is none that *routing* allows.

        Raises:
            ValueError: There is no such routing.
        """
        if routing == "round_robin":
            if not usable:
                return None
            self._turn += 1
            return usable[self._turn % len(usable)]
        if routing == "random":
            return random.choice(usable) if usable else None  # noqa: S311  # no secret
        if routing == "least_loaded":
            return self._least_loaded(usable)
        if isinstance(routing, int) and not isinstance(routing, bool):
            return next((each for each in usable if each.welcome.slot == routing), None)
        raise ValueError(
            f"routing must be round_robin, random, least_loaded or a slot's number, got {routing!r}"
        )

    def _least_loaded(self, usable: Sequence[ClientConnection]) -> ClientConnection | None:
        """The one with the fewest open calls; among equals, each in its turn."""
        if not usable:
            return None
        fewest = min(each.open_calls for each in usable)
        return self.pick([each for each in usable if each.open_calls == fewest], "round_robin")
