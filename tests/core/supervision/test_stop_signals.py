"""Which signals stop a run."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dynamo_core.supervision.stop_signals import StopSignals, stop_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")


@pytest.fixture
def on_hangup() -> Iterator[Callable[[Any], None]]:
    """Sets what SIGHUP does, for as long as the test lasts."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda handler: signal.signal(signal.SIGHUP, handler)
    signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_stops_the_run(on_hangup: Callable[[Any], None]) -> None:
    """Beside Ctrl-C and SIGTERM."""
    on_hangup(signal.SIG_DFL)
    assert stop_signals() == (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_a_run_that_ignores_its_terminal_outlives_it(on_hangup: Callable[[Any], None]) -> None:
    """As under nohup."""
    on_hangup(signal.SIG_IGN)
    assert signal.SIGHUP not in stop_signals()
    with StopSignals(lambda: None):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
