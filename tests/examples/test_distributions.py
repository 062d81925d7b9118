"""The examples that are distributions of their own: what their sources promise, without installing them."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_core.provider.events import ServiceEvent
from dynamo_core.provider.manager import Extension, HookManager
from dynamo_core.scaffold.making import NewProvider, make_project

from .served_for_tests import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

THIRD_PARTY = EXAMPLES / "third_party_provider"
EVENT_LOG = EXAMPLES / "event_log_extension"


def test_third_party_provider_is_what_the_scaffold_makes(tmp_path: Path) -> None:
    """File by file; after a change of the template it is made anew with ``dynamo providers new tiny``."""
    for path in make_project(NewProvider.named("tiny"), tmp_path):
        name = path.relative_to(tmp_path)
        assert (THIRD_PARTY / name).read_text("utf-8") == path.read_text("utf-8"), name


@pytest.fixture
def event_log() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location(
        "dynamo_event_log", EVENT_LOG / "dynamo_event_log" / "__init__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dynamo_event_log"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["dynamo_event_log"]


def test_event_log_writes_down_what_is_bound_and_what_happens(
    event_log: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves the provider's answers as they are."""
    from dynamo_core.provider.binding import bind_graph

    from ..core.provider.fake_provider import Echo, FakeHooks, FakeOptions, FakeService, define, graph

    class Front:
        async def echo(self, text: str) -> str:
            return text

    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("EVENT_LOG_FILE", str(path))
    manager = HookManager("fake", FakeHooks(), [Extension("event-log", event_log.EventLog())])
    front = define(Front, depends_on={"echo": Echo}, name="Front")
    bound = bind_graph(manager, graph(define(), front), FakeOptions())
    assert isinstance(bound.entry, FakeService)
    bound.emit(ServiceEvent(kind="ready", service="Echo", slot=0, seconds=0.5))
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(line["kind"], line["service"]) for line in lines] == [
        ("bound", "Echo"),
        ("bound", "Front"),
        ("edge", "echo"),
        ("ready", "Echo"),
    ]
    assert lines[2]["on"] == "Echo"
    assert lines[0]["provider_class"] == "FakeService"
    assert (lines[3]["slot"], lines[3]["seconds"]) == (0, 0.5)


def test_event_log_without_a_file_does_nothing(
    event_log: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being installed is no reason to write."""
    monkeypatch.chdir(tmp_path)
    event_log.EventLog().on_service_event(ServiceEvent(kind="ready", service="Echo"))
    assert list(tmp_path.iterdir()) == []
