"""Calling services: clients, and other ways of calling their endpoints."""

from dynamo_core.client.factory import make_client, missing_client
from dynamo_core.client.views import (
    endpoint_of,
    to_async,
    to_async_stream,
    to_sync,
    to_sync_stream,
    with_options,
)

__all__ = [
    "endpoint_of",
    "make_client",
    "missing_client",
    "to_async",
    "to_async_stream",
    "to_sync",
    "to_sync_stream",
    "with_options",
]
