"""The line between a program and its supervisor."""

from __future__ import annotations

import os
import socket

import pytest

from dynamo_circus import supervisor_process
from dynamo_circus.link import Link
from dynamo_circus.supervisor_process import SupervisorProcess

TEXT = os.fsdecode(b"caf\xe9")
"""What Python makes of a name or value that is not UTF-8."""


async def test_texts_that_are_not_utf8_come_as_they_were():
    """File names, arguments and variables can be any bytes."""
    ends = [await Link.open(end) for end in socket.socketpair()]
    ends[0].send("plan", {"args": ["plain", TEXT], "env": {"NAME": TEXT}, "number": 1, "none": None})
    assert await ends[1].receive() == (
        "plan",
        {"args": ["plain", TEXT], "env": {"NAME": TEXT}, "number": 1, "none": None},
    )
    for end in ends:
        await end.aclose()
    assert await ends[1].receive() is None


class UnsendablePlan:
    """A plan that cannot be told."""

    def to_data(self) -> dict[str, object]:
        raise ValueError("it cannot be sent")


async def test_no_supervisor_is_left_behind_that_was_told_nothing(monkeypatch):
    """It would wait for a plan for as long as the program lives."""
    started = []
    popen = supervisor_process.subprocess.Popen

    def start(*args, **options):
        started.append(popen(*args, **options))
        return started[-1]

    monkeypatch.setattr(supervisor_process.subprocess, "Popen", start)
    with pytest.raises(ValueError, match="cannot be sent"):
        await SupervisorProcess.start(UnsendablePlan(), lambda _: None)  # type: ignore[arg-type]
    assert started[0].returncode is not None
