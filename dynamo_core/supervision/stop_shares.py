"""How the time in which a run is to stop is split along its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dynamo_core.provider.bound import BoundGraph


SHARE_FOR_HOOKS: Final = 0.25
MOST_FOR_HOOKS_S: Final = 2.0


def time_for_hooks_s(stop_timeout_s: float) -> float:
    """What calls leave of a stop time, so that nobody whose calls take too long is killed in its shutdown hooks."""
    return min(MOST_FOR_HOOKS_S, SHARE_FOR_HOOKS * stop_timeout_s)


class StopShares:
    """What each service gets of the time in which the whole run is to stop.

    The run takes no longer than its longest stop time. Services stop after those that depend on them. When its turn
    comes, a service gets what is left, less the time for shutdown hooks of what comes after it: most calls that are
    open further down end with those above. Where that is little, because the graph is deep, it gets what is left in
    proportion to its own stop time among those of the longest path that starts with it. It never gets more than its
    own, and who is quick leaves more to those that follow.

    Args:
        stop_timeouts_s: Stop time of each service, in seconds.
        dependencies: Names of the services that each depends on; without cycles.
        began: When the stop began, on the clock that :meth:`grace_s` is asked by.

    Attributes:
        total_s: Seconds that the whole stop may take.
    """

    def __init__(
        self,
        stop_timeouts_s: Mapping[str, float],
        dependencies: Mapping[str, Collection[str]],
        *,
        began: float,
    ) -> None:
        self.total_s = max(stop_timeouts_s.values(), default=0.0)
        self._own = stop_timeouts_s
        self._dependencies = dependencies
        self._deadline = began + self.total_s
        self._paths: dict[str, tuple[float, float]] = {}

    def grace_s(self, service: str, now: float) -> float:
        """Seconds in which a service may stop whose turn has come."""
        path_s, hooks_s = self._path_s(service)
        if path_s <= 0:
            return 0.0
        own_s = self._own[service]
        left_s = max(0.0, self._deadline - now)
        hooks_below_s = hooks_s - time_for_hooks_s(own_s)
        return min(own_s, max(left_s * own_s / path_s, left_s - hooks_below_s))

    def _path_s(self, service: str) -> tuple[float, float]:
        """The stop times of a service and of what it depends on, and the times of their hooks, along the longest path."""
        found = self._paths.get(service)
        if found is None:
            own_s = self._own[service]
            below = [self._path_s(name) for name in self._dependencies.get(service, ())]
            found = self._paths[service] = (
                own_s + max((path_s for path_s, _ in below), default=0.0),
                time_for_hooks_s(own_s) + max((hooks_s for _, hooks_s in below), default=0.0),
            )
        return found


def shares_of(graph: BoundGraph, *, began: float) -> StopShares:
    """The shares of a bound graph's services; *began* is when its stop began."""
    return StopShares(
        {service.name: service.config.supervision.stop_timeout_s for service in graph.services},
        {
            name: {edge.on.name for edge in edges.values() if edge.on is not None}
            for name, edges in graph.dependencies.items()
        },
        began=began,
    )
