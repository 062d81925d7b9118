"""How BentoML's services are configured wherever they are measured."""

from __future__ import annotations

from typing import Any

OPTIONS: dict[str, Any] = {
    "traffic": {"timeout": 120},
    "logging": {"access": {"enabled": False}},
    # After 100 requests, which is usual, its client closes the connections that other calls still wait on: these fail.
    "runner_connection": {"max_requests": 1_000_000_000},
}
