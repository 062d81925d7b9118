"""Calls whose arguments and results are JSON, for callers that have no classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping


def call_json(
    path: str,
    *,
    run_id: str,
    service: str,
    endpoint: str,
    body: bytes,
    slot: int | None = None,
    timeout_s: float | None = None,
    metadata: Mapping[str, str] | None = None,
    limits: TransportLimits = DEFAULT_LIMITS,
) -> AsyncGenerator[bytes, None]:
    """Call an endpoint with a JSON document and give the JSON text of its result, or of each item."""
    raise NotImplementedError
