"""A worker of this provider and its supervisor's end."""

from __future__ import annotations

import signal
import sys

import pytest

from dynamo_bentoml.orders import WorkerOrders

from ..workers_for_tests import IMPORTING, SERVICE, SLEEPS, SPINS, worker_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems tell the event loop only")


@pytest.mark.parametrize(
    "source",
    [IMPORTING.format(blocks=SPINS), SERVICE.format(start=SLEEPS)],
    ids=["imports", "blocks its loop"],
)
def test_worker_ends_with_its_supervisors_end_of_the_channel(source: str) -> None:
    """Also where its parent lives on, so that the kernel does not end it."""
    said = WorkerOrders().encode()
    with worker_of(source, module="dynamo_bentoml.worker", said=said) as worker:
        assert worker.line() in {"imports", "started"}
        worker.channel.close()
        assert worker.process.wait(30) == -signal.SIGKILL
