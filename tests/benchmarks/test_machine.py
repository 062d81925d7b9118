"""What was measured on."""

from __future__ import annotations

import socket

from benchmarks import machine


def test_machine_is_described_without_its_name() -> None:
    facts = machine.describe()
    assert set(facts) == {"processor", "memory", "kernel", "Python", "packages"}
    assert "dynamo-core" in facts["packages"]
    assert socket.gethostname() not in " ".join(facts.values()).split()
