"""What every case uses: runs in a private folder, load, ledgers, invariants, and the search for processes."""

from __future__ import annotations

from harness.cases import case
from harness.ledgers import CallRecord, ServiceLine
from harness.load import Load
from harness.run import Run
from harness.served import Served
from harness.trial import Trial

__all__ = ["CallRecord", "Load", "Run", "Served", "ServiceLine", "Trial", "case"]
