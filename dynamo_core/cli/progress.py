"""How ``dynamo serve`` shows the services of a run: coming up, in reach, in trouble, stopping.

Lines only ever follow one another, on a terminal too, so that a log reads as the terminal did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from types import TracebackType

    from dynamo_core.cli.console import Part
    from dynamo_core.provider.events import ServiceEvent

FIRST_REMINDER_S: Final = 5.0
LONGEST_REMINDER_S: Final = 60.0
STOP_HINT: Final = "Ctrl-C stops it, or 'dynamo stop' from another shell"


@attrs.frozen(kw_only=True)
class ExpectedService:
    """What is known of a service before it is started.

    Attributes:
        name: Its name.
        workers: Workers that it is to have.
        serves_http: Whether HTTP is to reach it.
        dependencies: Names of the services that it waits for.
    """

    name: str
    workers: int = 1
    serves_http: bool = False
    dependencies: tuple[str, ...] = ()


class _Service:
    """What has happened to one service so far."""

    def __init__(self, expected: ExpectedService) -> None:
        self.expected = expected
        self.began_at: float | None = None
        self.seconds = 0.0
        self.ready_slots: set[int] = set()
        self.is_ready = False
        self.url: str | None = None
        self.is_url_told = False


class ServeProgress:
    """Listens to the events of one run and tells a person about them; from any thread.

    Args:
        services: The services, in the order they are started.
        entry: Name of the service that the run is known by.
        tell: Writes one line, like :func:`dynamo_core.cli.console.message_line`; must not block, because events come
            from whoever watches over workers.
        is_quiet: Leave out all but what went wrong.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        services: Sequence[ExpectedService],
        *,
        entry: str,
        tell: Callable[..., None],
        is_quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = {service.name: _Service(service) for service in services}
        self._entry = entry
        self._write = tell
        self._is_quiet = is_quiet
        self._clock = clock
        self._began_at = clock()
        self._width = max((len(service.name) for service in services), default=0)
        self._lock = threading.Lock()
        self._is_up = False
        self._is_stopping = False
        self._is_announced = False
        self._has_failed = False
        self._event: ServiceEvent | None = None
        self._tellers: Mapping[str, Callable[[_Service, ServiceEvent], None]] = {
            "starting": self._began,
            "spawned": self._began,
            "ready": self._became_ready,
            "listening": self._listening,
            "died": self._died,
            "restarting": self._restarting,
            "degraded": self._degraded,
            "failed": self._failed,
            "stopping": self._stopping,
            "stopped": self._stopped,
            "message": self._message,
        }

    def __call__(self, event: ServiceEvent) -> None:
        """Tell of *event*, if it is worth a line."""
        with self._lock:
            service = self._services.get(event.service)
            if service is None:  # a provider may have services of its own
                service = self._services[event.service] = _Service(ExpectedService(name=event.service))
                service.is_ready = True
            teller = self._tellers.get(event.kind)
            if teller is not None:
                self._event = event
                teller(service, event)
                self._event = None

    # --- coming up -----------------------------------------------------------------------------------------

    def _began(self, service: _Service, _event: ServiceEvent) -> None:
        if service.began_at is None:
            service.began_at = self._clock()

    def _became_ready(self, service: _Service, event: ServiceEvent) -> None:
        if service.is_ready:
            if event.slot is not None:
                took = "" if event.seconds is None else f" after {event.seconds:.2f} s"
                what = f" is ready{took}" + (f" ({event.detail})" if event.detail else "")
                self._tell((_worker(event), "name"), (what, "good"))
                service.ready_slots.add(event.slot)
            return
        if event.slot is not None:
            service.ready_slots.add(event.slot)
            service.seconds = max(service.seconds, event.seconds or 0.0)
            if len(service.ready_slots) < service.expected.workers:
                return
        self._service_came_up(service, event)

    def _service_came_up(self, service: _Service, event: ServiceEvent) -> None:
        service.is_ready = True
        seconds = service.seconds or event.seconds
        if not seconds:
            seconds = self._clock() - (self._began_at if service.began_at is None else service.began_at)
        workers = service.expected.workers
        count = f" ({workers} workers)" if workers != 1 else ""
        self._tell(*self._row(service), ("ready", "good"), f" in {seconds:.2f} s{count}")
        self._is_up = all(each.is_ready for each in self._services.values())
        if self._is_up:
            self._announce()

    def _listening(self, service: _Service, event: ServiceEvent) -> None:
        if event.url != service.url:
            service.url, service.is_url_told = event.url, False
        self._announce()

    def _announce(self) -> None:
        """Say where services are reached, once all of them are up."""
        if not self._is_up or self._is_stopping:
            return
        for service in self._services.values():
            if service.url is not None and not service.is_url_told:
                service.is_url_told = True
                name = service.expected.name
                docs = " (docs at /docs)" if name == self._entry else ""
                self._tell("serving ", (name, "name"), " at ", (service.url, "good"), docs)
        expected = [each for each in self._services.values() if each.expected.serves_http]
        if not self._is_announced and all(each.url is not None for each in expected):
            self._is_announced = True
            start = "" if expected else f"{self._entry} is running; "
            self._tell((f"{start}{STOP_HINT}", "dim"))

    def remind(self) -> bool:
        """Say what a slow start waits for; False when nothing is waited for any more."""
        with self._lock:
            waiting = [each for each in self._services.values() if not each.is_ready]
            if not waiting or self._is_stopping:
                return False
            names = {each.expected.name for each in waiting}
            first = [each for each in waiting if not names.intersection(each.expected.dependencies)]
            behind = [each.expected.name for each in waiting if each not in first]
            told = ", ".join(_waits_for(each) for each in first or waiting)
            rest = f"; {', '.join(behind)} after that" if behind and first else ""
            elapsed_s = self._clock() - self._began_at
            self._tell((f"still waiting after {elapsed_s:.0f} s for {told}{rest}", "warning"))
            return True

    # --- trouble -------------------------------------------------------------------------------------------

    def _died(self, service: _Service, event: ServiceEvent) -> None:
        is_first = not service.is_ready and not service.ready_slots
        if event.slot is not None:
            service.ready_slots.discard(event.slot)
        if self._is_stopping or is_first:
            return  # before its first worker is ready, the error that ends the start says it
        process = "" if event.pid is None else f" (process {event.pid})"
        what = f" died{process}" + (f": {event.detail}" if event.detail else "")
        self._tell((_worker(event), "name"), (what, "bad"), is_trouble=True)

    def _restarting(self, _service: _Service, event: ServiceEvent) -> None:
        if self._is_stopping:
            return
        when = f" in {event.seconds:.1f} s" if event.seconds and event.seconds >= 0.05 else " now"
        self._tell((_worker(event), "name"), (f" is started again{when}", "warning"), is_trouble=True)

    def _degraded(self, _service: _Service, event: ServiceEvent) -> None:
        why = f": {event.detail}" if event.detail else ""
        what = f" is degraded{why}; it is tried again, at the slowest rate"
        self._tell((_worker(event), "name"), (what, "bad"), is_trouble=True)

    def _failed(self, service: _Service, event: ServiceEvent) -> None:
        if not service.is_ready:  # the error that ends the start says why
            self._has_failed = True
            self._tell(*self._row(service), ("did not start", "bad"), is_trouble=True)
            return
        why = f": {event.detail}" if event.detail else ""
        self._tell((_worker(event), "name"), (f" has failed and is given up{why}", "bad"), is_trouble=True)

    def _message(self, _service: _Service, event: ServiceEvent) -> None:
        if event.detail:
            self._tell((_worker(event), "name"), f": {event.detail}")

    # --- the end -------------------------------------------------------------------------------------------

    def _stopping(self, _service: _Service, event: ServiceEvent) -> None:
        if event.slot is None and not self._is_stopping:
            self._is_stopping = True
            if self._has_failed:  # what had come up goes without saying
                return
            self._tell(("stopping", "dim"), (f": {event.detail}" if event.detail else "", "dim"))

    def _stopped(self, service: _Service, event: ServiceEvent) -> None:
        if not self._is_stopping:
            return
        detail = f" ({event.detail})" if event.detail else ""
        if event.slot is not None:
            if detail:  # such as who needed SIGKILL
                self._tell((_worker(event), "name"), (f" stopped{detail}", "warning"), is_trouble=True)
            return
        if self._has_failed and not detail:
            return
        took = "" if event.seconds is None else f" in {event.seconds:.2f} s"
        self._tell(*self._row(service), f"stopped{took}", (detail, "warning"), is_trouble=bool(detail))

    # --- words ---------------------------------------------------------------------------------------------

    def _row(self, service: _Service) -> tuple[Part, ...]:
        name = service.expected.name
        return "  ", (name, "name"), " " * (self._width - len(name) + 2)

    def _tell(self, *parts: Part, is_trouble: bool = False) -> None:
        if is_trouble or not self._is_quiet:
            self._write(*parts, about=self._event, is_trouble=is_trouble)


class SlowStartReminder:
    """Calls *remind* again and again from a thread of its own, each time after twice the wait before.

    Use it as a context manager; it ends by itself when *remind* says that nothing is waited for.

    Args:
        remind: :meth:`ServeProgress.remind`.
        first_s: Seconds before the first call.
    """

    def __init__(self, remind: Callable[[], bool], *, first_s: float = FIRST_REMINDER_S) -> None:
        self._remind = remind
        self._wait_s = first_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dynamo-slow-start", daemon=True)

    def __enter__(self) -> SlowStartReminder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._wait_s) and self._remind():
            self._wait_s = min(self._wait_s * 2, LONGEST_REMINDER_S)


def _worker(event: ServiceEvent) -> str:
    return event.service if event.slot is None else f"{event.service}/{event.slot}"


def _waits_for(service: _Service) -> str:
    name, workers = service.expected.name, service.expected.workers
    if service.began_at is None:
        return f"{name} (not started)"
    if workers == 1:
        return name
    return f"{name} ({len(service.ready_slots)} of {workers} workers ready)"
