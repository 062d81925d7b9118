"""The service of ``circus_example.py``, in a module of its own: workers import it."""

from __future__ import annotations

import os

from dynamo_core import endpoint


class BackendClass:
    """Answers with what it was told, and who answered."""

    @endpoint
    def echo(self, text: str) -> str:
        return f"{text} (from process {os.getpid()})"
