"""The worker's end of the channel to its supervisor, on which it also tells how it is."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from dynamo_core.worker_kit.supervisor_line import SupervisorLine

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReportingLine(SupervisorLine):
    """A line on which the worker tells how it is."""

    def tell(self, fields: Mapping[str, str]) -> None:
        """Tell something, in the manner of sd_notify, from any thread; what cannot be told now is dropped."""
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps(dict(fields)).encode() + b"\n")
