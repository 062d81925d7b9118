"""How a run is doing: the same records, whichever provider answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _known(cls: type[attrs.AttrsInstance], data: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of *data* that *cls* has fields for; a newer side may have sent more."""
    return {field.name: data[field.name] for field in attrs.fields(cls) if field.name in data}


@attrs.frozen(kw_only=True)
class WorkerStatus:
    """One worker.

    Attributes:
        slot: Its place in the service, from 0; a worker that replaces it takes the same.
        pid: Its process; None between two workers.
        state: ``starting``, ``ready``, ``stopping``, ``waiting`` (for its next start), ``failed`` or ``stopped``.
        path: Path of the unix socket it is called on; None where it has none.
        generation: How many workers the slot has had.
        restarts: How many of them came after the first.
        last_cause: How the worker before it ended, in words; empty before that.
    """

    slot: int
    pid: int | None = None
    state: str = "starting"
    path: str | None = None
    generation: int = 0
    restarts: int = 0
    last_cause: str = ""

    def to_data(self) -> dict[str, object]:
        """The record as data that JSON can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`; fields it does not know are passed over."""
        return cls(**_known(cls, data))


def _workers(values: Iterable[WorkerStatus | Mapping[str, Any]]) -> tuple[WorkerStatus, ...]:
    return tuple(v if isinstance(v, WorkerStatus) else WorkerStatus.from_data(v) for v in values)


@attrs.frozen(kw_only=True)
class ServiceStatus:
    """One service of a run.

    Attributes:
        name: Its name in the graph.
        state: ``starting``, ``ready``, ``degraded``, ``failed``, ``stopping`` or ``stopped``.
        workers: Its workers, by slot.
        http_url: Where HTTP reaches it; None where it does not.
    """

    name: str
    state: str = "starting"
    workers: tuple[WorkerStatus, ...] = attrs.field(default=(), converter=_workers)
    http_url: str | None = None

    @property
    def ready_workers(self) -> int:
        """How many workers take calls."""
        return sum(worker.state == "ready" for worker in self.workers)

    def to_data(self) -> dict[str, object]:
        """The record as data that JSON can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`; fields it does not know are passed over."""
        return cls(**_known(cls, data))


def _services(values: Iterable[ServiceStatus | Mapping[str, Any]]) -> tuple[ServiceStatus, ...]:
    return tuple(v if isinstance(v, ServiceStatus) else ServiceStatus.from_data(v) for v in values)


@attrs.frozen(kw_only=True)
class RunStatus:
    """A whole run.

    Attributes:
        graph: Name of the graph.
        provider: Name of the provider that runs it.
        state: ``starting``, ``ready``, ``degraded``, ``failed``, ``stopping`` or ``stopped``.
        services: Dependencies first.
        run_id: The run's id; empty where runs have none.
        started_at: When it began, ISO 8601 with an offset; empty where that is not known.
    """

    graph: str
    provider: str
    state: str = "starting"
    services: tuple[ServiceStatus, ...] = attrs.field(default=(), converter=_services)
    run_id: str = ""
    started_at: str = ""

    def find_service(self, name: str) -> ServiceStatus | None:
        """The service of that name; None when the run has none."""
        return next((service for service in self.services if service.name == name), None)

    def to_data(self) -> dict[str, object]:
        """The record as data that JSON can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`; fields it does not know are passed over."""
        return cls(**_known(cls, data))


@attrs.frozen(kw_only=True)
class LogLine:
    """One line that a worker wrote.

    Attributes:
        service: Name of the service; empty where the line is about the whole run.
        slot: The worker's slot; None where no worker wrote it.
        text: The line, without its end; control characters are escaped.
        stream: ``stdout`` or ``stderr``; ``run`` for a line of the run's own, such as a count of lines that were
            dropped; empty where streams are not told apart.
        time: When it was read, ISO 8601 in UTC with milliseconds; empty where that is not known.
        level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``; empty where the line does not say.
    """

    service: str
    slot: int | None
    text: str
    stream: str = ""
    time: str = ""
    level: str = ""

    def to_data(self) -> dict[str, object]:
        """The record as data that JSON can hold."""
        return {  # there are many of them: attrs.asdict takes ten times as long
            "service": self.service,
            "slot": self.slot,
            "text": self.text,
            "stream": self.stream,
            "time": self.time,
            "level": self.level,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`; fields it does not know are passed over."""
        return cls(**_known(cls, data))
