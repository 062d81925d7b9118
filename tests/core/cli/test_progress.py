"""What ``dynamo serve`` says of a run's events."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dynamo_core.cli.progress import ExpectedService, ServeProgress, SlowStartReminder
from dynamo_core.provider import ServiceEvent

GRAPH = (
    ExpectedService(name="Backend", workers=2),
    ExpectedService(name="Middle", dependencies=("Backend",)),
    ExpectedService(name="Frontend", serves_http=True, dependencies=("Middle",)),
)
URL = "http://127.0.0.1:8000"


class Shown:
    """A progress, its clock, and the lines it wrote."""

    def __init__(self, *services: ExpectedService, is_quiet: bool = False) -> None:
        self.lines: list[str] = []
        self.now = 100.0
        self.progress = ServeProgress(
            services or GRAPH,
            entry=(services or GRAPH)[-1].name,
            tell=self.tell,
            is_quiet=is_quiet,
            clock=lambda: self.now,
        )

    def tell(self, *parts: Any, **_about: Any) -> None:
        self.lines.append("".join(part if isinstance(part, str) else part[0] for part in parts))

    def hear(self, kind: Any, service: str, **facts: Any) -> list[str]:
        """Pass on one event; gives the lines that it added."""
        before = len(self.lines)
        self.progress(ServiceEvent(kind=kind, service=service, **facts))
        return self.lines[before:]

    def come_up(self) -> None:
        """Bring the whole graph up and forget what was written."""
        for name, slot in (("Backend", 0), ("Backend", 1), ("Middle", 0), ("Frontend", 0)):
            self.hear("spawned", name, slot=slot, pid=10 + slot)
            self.hear("ready", name, slot=slot, seconds=0.3)
        self.hear("listening", "Frontend", url=URL)
        self.lines.clear()


def test_service_is_shown_once_its_last_worker_is_ready() -> None:
    """With the time of the slowest, and how many they are."""
    shown = Shown()
    assert shown.hear("spawned", "Backend", slot=0, pid=1) == []
    assert shown.hear("ready", "Backend", slot=0, seconds=0.2) == []
    assert shown.hear("ready", "Backend", slot=1, seconds=0.314) == [
        "  Backend   ready in 0.31 s (2 workers)"
    ]
    assert shown.hear("ready", "Middle", slot=0, seconds=0.05) == ["  Middle    ready in 0.05 s"]


def test_time_is_measured_where_the_provider_does_not_tell() -> None:
    """From the first thing heard of the service."""
    shown = Shown(ExpectedService(name="Only"))
    shown.hear("starting", "Only")
    shown.now += 1.5
    assert shown.hear("ready", "Only") == [
        "  Only  ready in 1.50 s",
        "Only is running; Ctrl-C stops it, or 'dynamo stop' from another shell",
    ]


def test_worker_that_dies_before_its_service_is_up_does_not_count() -> None:
    """Both have to be ready at once."""
    shown = Shown()
    shown.hear("ready", "Backend", slot=0)
    shown.hear("died", "Backend", slot=0)
    assert shown.hear("ready", "Backend", slot=1) == []
    assert len(shown.hear("ready", "Backend", slot=0)) == 1


@pytest.mark.parametrize("first", ["ready", "listening"])
def test_address_is_told_when_everything_is_up(first: str) -> None:
    """Whichever of the two comes first."""
    shown = Shown(ExpectedService(name="Admin", serves_http=True), *GRAPH[-1:])
    shown.hear("listening", "Admin", url="http://127.0.0.1:34567")
    if first == "listening":
        assert shown.hear("listening", "Frontend", url=URL) == []
    shown.hear("ready", "Admin")
    shown.hear("ready", "Frontend")
    shown.hear("listening", "Frontend", url=URL)
    assert shown.lines[2:] == [
        "serving Admin at http://127.0.0.1:34567",
        "serving Frontend at http://127.0.0.1:8000 (docs at /docs)",
        "Ctrl-C stops it, or 'dynamo stop' from another shell",
    ]


def test_slow_start_names_what_is_waited_for_first() -> None:
    """And what comes behind it."""
    shown = Shown()
    shown.hear("spawned", "Backend", slot=0)
    shown.hear("ready", "Backend", slot=0)
    shown.now += 5
    assert shown.progress.remind() is True
    assert shown.lines == [
        "still waiting after 5 s for Backend (1 of 2 workers ready); Middle, Frontend after that"
    ]
    shown.hear("ready", "Backend", slot=1)
    shown.progress.remind()
    assert shown.lines[-1] == "still waiting after 5 s for Middle (not started); Frontend after that"


def test_run_that_is_up_needs_no_reminder() -> None:
    """Nor does one that is being stopped."""
    shown = Shown()
    shown.come_up()
    assert shown.progress.remind() is False
    assert shown.lines == []
    stopped = Shown()
    stopped.hear("stopping", "Backend")
    assert stopped.progress.remind() is False


def test_reminder_goes_on_until_nothing_is_waited_for() -> None:
    """On a thread of its own."""
    done = threading.Event()
    calls = []

    def remind() -> bool:
        calls.append(1)
        if len(calls) == 3:
            done.set()
        return len(calls) < 3

    with SlowStartReminder(remind, first_s=0.001):
        assert done.wait(30)
    assert len(calls) == 3


def test_death_and_restart_are_told_in_plain_words() -> None:
    """With worker, process and reason."""
    shown = Shown()
    shown.come_up()
    assert shown.hear("died", "Backend", slot=1, pid=77, detail="killed by SIGKILL") == [
        "Backend/1 died (process 77): killed by SIGKILL"
    ]
    assert shown.hear("restarting", "Backend", slot=1, seconds=0.0) == ["Backend/1 is started again now"]
    assert shown.hear("ready", "Backend", slot=1, seconds=0.21) == ["Backend/1 is ready after 0.21 s"]
    assert shown.hear("restarting", "Backend", slot=1, seconds=0.42) == [
        "Backend/1 is started again in 0.4 s"
    ]


def test_degraded_and_failed_say_what_follows() -> None:
    """Once the service has been up."""
    shown = Shown()
    shown.come_up()
    assert shown.hear("degraded", "Backend", slot=0, detail="8 failures in a row") == [
        "Backend/0 is degraded: 8 failures in a row; it is tried again, at the slowest rate"
    ]
    assert shown.hear("failed", "Backend", slot=0, detail="8 failures in a row") == [
        "Backend/0 has failed and is given up: 8 failures in a row"
    ]


def test_failed_start_leaves_the_reason_to_the_error() -> None:
    """Which follows at once, with the last lines."""
    shown = Shown()
    assert shown.hear("died", "Backend", slot=0, detail="exit status 1") == []
    assert shown.hear("failed", "Backend", slot=0, detail="exit status 1") == ["  Backend   did not start"]
    assert shown.hear("stopping", "Frontend") == []
    assert shown.hear("stopped", "Frontend", seconds=0.1) == []
    assert len(shown.hear("stopped", "Middle", seconds=0.1, detail="needed SIGKILL")) == 1


def test_stop_is_told_once_and_then_by_service() -> None:
    """And workers that end meanwhile are no news."""
    shown = Shown()
    shown.come_up()
    assert shown.hear("stopping", "Frontend", detail="SIGTERM") == ["stopping: SIGTERM"]
    assert shown.hear("died", "Frontend", slot=0) == []
    assert shown.hear("restarting", "Frontend", slot=0) == []
    assert shown.hear("stopped", "Frontend", seconds=0.1) == ["  Frontend  stopped in 0.10 s"]
    assert shown.hear("stopping", "Backend") == []
    assert shown.hear("stopped", "Backend", slot=1, detail="needed SIGKILL") == [
        "Backend/1 stopped (needed SIGKILL)"
    ]
    assert shown.hear("stopped", "Backend", seconds=2.0, detail="needed SIGKILL") == [
        "  Backend   stopped in 2.00 s (needed SIGKILL)"
    ]


def test_quiet_keeps_what_goes_wrong() -> None:
    """And nothing else."""
    shown = Shown(is_quiet=True)
    shown.come_up()
    assert shown.lines == []
    assert shown.hear("message", "Backend", detail="loading") == []
    assert shown.hear("died", "Backend", slot=0, detail="exit status 1") == ["Backend/0 died: exit status 1"]
    assert shown.hear("stopping", "Backend") == []
    assert len(shown.hear("stopped", "Backend", detail="needed SIGKILL")) == 1


def test_message_and_unknown_service_are_shown() -> None:
    """A provider may say what it likes, of services of its own too."""
    shown = Shown()
    assert shown.hear("message", "Backend", slot=0, detail="loading weights") == [
        "Backend/0: loading weights"
    ]
    assert shown.hear("message", "Proxy", detail="up") == ["Proxy: up"]
    shown.come_up()
    assert shown.hear("died", "Proxy", pid=3) == ["Proxy died (process 3)"]
