"""From encoded arguments to encoded results: what every carrier of calls does with an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from dynamo_core.channel import Buffer
    from dynamo_core.host.context import CallContext
    from dynamo_core.host.endpoint import HostedEndpoint


async def answer(hosted: HostedEndpoint, payload: Buffer, context: CallContext) -> bytes:
    """Decode the arguments, call the endpoint, encode its result.

    Raises:
        InvalidRequestError: The arguments do not fit.
        UnsupportedValueError: The result cannot be sent, or does not fit its annotation.
        CallError: As ``HostedEndpoint.call``.
    """
    codec = hosted.codec
    return codec.encode_result(await hosted.call(codec.decode_arguments(payload), context))


async def answer_stream(
    hosted: HostedEndpoint, payload: Buffer, context: CallContext
) -> AsyncGenerator[bytes, None]:
    """Decode the arguments, run the stream, encode its items; close it early to cancel.

    Yields:
        Arrays of one or more items, for ``EndpointCodec.decode_items``.

    Raises:
        CallError: As :func:`answer`.
    """
    codec = hosted.codec
    items = hosted.stream(codec.decode_arguments(payload), context)
    try:
        async for item in items:
            yield codec.encode_items([item])
    finally:
        await items.aclose()
