"""Modules of users are written to a folder of their own."""

from __future__ import annotations

from ..graph.conftest import imports

__all__ = ["imports"]
