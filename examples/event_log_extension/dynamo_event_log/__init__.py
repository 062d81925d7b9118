"""An extension that writes down what is bound and what happens, one JSON object a line.

The file is named by ``EVENT_LOG_FILE``; without it nothing is written.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from dynamo_core.definition import DependencyDefinition, ServiceDefinition
from dynamo_core.provider import DependencyInterface, ServiceEvent, ServiceInterface, hookimpl

FILE_VARIABLE = "EVENT_LOG_FILE"
OF_EVENTS = ("slot", "pid", "seconds", "detail", "url")


class EventLog:
    """Wraps the hooks that bind a graph, and hears every event of its run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # events come up in any thread

    @hookimpl(wrapper=True)
    def create_service(
        self, definition: ServiceDefinition
    ) -> Generator[None, ServiceInterface, ServiceInterface]:
        """Note how long the provider takes to bind a service, and leave its answer as it is."""
        began = time.monotonic()
        bound = yield
        self._write("bound", definition.name, **_facts(bound, began))
        return bound

    @hookimpl(wrapper=True)
    def create_dependency(
        self, definition: DependencyDefinition
    ) -> Generator[None, DependencyInterface, DependencyInterface]:
        """The same for an edge."""
        began = time.monotonic()
        bound = yield
        on = None if bound.on is None else bound.on.name
        self._write("edge", definition.attribute, on=on, **_facts(bound, began))
        return bound

    @hookimpl
    def on_service_event(self, event: ServiceEvent) -> None:
        """Note one event; a short line to a local file is quick enough for any thread."""
        facts = {name: value for name in OF_EVENTS if (value := getattr(event, name)) not in {None, ""}}
        self._write(event.kind, event.service, **facts)

    def _write(self, kind: str, service: str, **facts: Any) -> None:
        path = os.environ.get(FILE_VARIABLE)
        if not path:
            return
        line = json.dumps({"time": round(time.time(), 3), "kind": kind, "service": service, **facts})
        with self._lock, Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def _facts(bound: object, began: float) -> dict[str, Any]:
    return {"provider_seconds": round(time.monotonic() - began, 6), "provider_class": type(bound).__name__}
