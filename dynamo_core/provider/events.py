"""What happens to the services of a run, as their provider tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

import attrs

ServiceEventKind = Literal[
    "starting",
    "spawned",
    "ready",
    "stopping",
    "stopped",
    "died",
    "restarting",
    "failed",
    "degraded",
    "listening",
    "message",
]

EVENT_KINDS: Final[tuple[ServiceEventKind, ...]] = get_args(ServiceEventKind)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class ServiceEvent:
    """One thing that happened to a service or to one of its workers.

    Attributes:
        kind: ``starting`` (the service is about to be started), ``spawned`` (a worker exists), ``ready`` (it takes
            calls), ``stopping``, ``stopped``, ``died`` (a worker ended without being asked to), ``restarting``,
            ``degraded`` (restarts passed a limit and go on at the slowest rate), ``failed`` (the service is given
            up), ``listening`` (HTTP reaches it at *url*), ``message`` (*detail* is for people).
        service: Name of the service.
        slot: The worker's slot; None when the event is the whole service's.
        pid: The worker's process.
        seconds: How long it took; for ``restarting``, how long it will wait.
        detail: More, in words; may be empty.
        url: Where HTTP reaches the service.
        last_lines: For ``died``, what the worker wrote last, oldest first; empty where that is not known.
    """

    kind: ServiceEventKind = attrs.field(validator=attrs.validators.in_(EVENT_KINDS))
    service: str
    slot: int | None = None
    pid: int | None = None
    seconds: float | None = None
    detail: str = ""
    url: str | None = None
    last_lines: tuple[str, ...] = attrs.field(default=(), converter=_texts)

    def to_data(self) -> dict[str, object]:
        """The event as data that JSON can hold."""
        return attrs.asdict(self)
