"""Calls whose arguments and results are JSON, for callers that have no classes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.errors import (
    CallTimeoutError,
    HandshakeError,
    ProtocolError,
    ServiceUnavailableError,
    UnsupportedValueError,
    WorkerLostError,
)
from dynamo_core.parts import Parts
from dynamo_core.transport.client_connection import ClientConnection, Expired, Lost
from dynamo_core.transport.client_stream import EndOfStream
from dynamo_core.transport.connecting import Target, connect
from dynamo_core.transport.frames import AS_JSON
from dynamo_core.transport.limits import DEFAULT_LIMITS, TransportLimits
from dynamo_core.transport.messages import encode_metadata

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

_decode_texts: Final = msgspec.msgpack.Decoder(list[bytes]).decode


async def call_json(  # noqa: PLR0913  # keywords, each with its own meaning
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
    """Make one call on one worker; closing the iterator early cancels it.

    Args:
        path: The worker's socket.
        run_id: Id of the run.
        service: Name of the service.
        endpoint: Name of the endpoint.
        body: Arguments as a JSON document, as HTTP would take it; empty for none.
        slot: Slot that the worker must have; None takes any.
        timeout_s: Seconds for all of it; None for no limit.
        metadata: Texts for the endpoint's call context.
        limits: Of this side.

    Yields:
        The JSON text of the one result, or of each item of a stream.

    Raises:
        ServiceUnavailableError: No worker took the call.
        CallTimeoutError: *timeout_s* passed.
        WorkerLostError: The worker was lost during the call.
        CallError: What the worker answered.
        EndpointNotFoundError: There is no such endpoint.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    encoded = encode_metadata(metadata or {})
    target = Target(path=path, run_id=run_id, service=service, slot=slot)
    patience_s = limits.unavailable_timeout_s
    try:
        async with asyncio.timeout(patience_s if timeout_s is None else timeout_s):
            connection = await connect(target, limits)
    except TimeoutError:
        if timeout_s is not None:
            raise CallTimeoutError(service, endpoint, timeout_s=timeout_s) from None
        raise ServiceUnavailableError(service, f"no worker has answered within {patience_s:g} s") from None
    except (HandshakeError, ProtocolError, OSError) as exc:
        raise ServiceUnavailableError(service, f"{exc} (at {path})") from exc
    try:
        async for text in _read_texts(connection, endpoint, body, encoded, deadline):
            yield text
    except Expired:
        raise CallTimeoutError(service, endpoint, timeout_s=timeout_s) from None
    except Lost as exc:
        slot = connection.welcome.slot
        raise WorkerLostError(service, slot, endpoint=endpoint, begun=exc.begun, reason=exc.reason) from None
    finally:
        connection.close()
        await connection.closed


async def _read_texts(
    connection: ClientConnection, endpoint: str, body: bytes, metadata: bytes, deadline: float | None
) -> AsyncGenerator[bytes, None]:
    stream = connection.start_stream(endpoint.encode(), body, metadata, deadline, AS_JSON)
    try:
        while True:
            try:
                array = await stream.take()
            except EndOfStream:
                return
            try:
                texts = _decode_texts(bytes(array) if isinstance(array, Parts) else array)
            except msgspec.MsgspecError as exc:
                raise UnsupportedValueError(f"the result of {endpoint} cannot be read: {exc}") from exc
            for text in texts:
                yield text
    finally:
        connection.cancel(stream.number)
