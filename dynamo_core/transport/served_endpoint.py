"""One endpoint as a server calls it: everything a call needs, looked up once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.errors import InvalidRequestError
from dynamo_core.transport.frames import AS_JSON, WANTS_STREAM

if TYPE_CHECKING:
    from dynamo_core.host import HostedEndpoint
    from dynamo_core.parts import Parts
    from dynamo_core.transport.frames import Buffer

_encode: Final = msgspec.msgpack.Encoder().encode


class ServedEndpoint:
    """What a call of one endpoint needs.

    Args:
        service: Name of the service.
        hosted: The endpoint.
    """

    __slots__ = (
        "_codec",
        "call",
        "decode",
        "encode",
        "feed",
        "is_stream",
        "may_wait",
        "name",
        "service",
        "splits_result",
    )

    def __init__(self, service: str, hosted: HostedEndpoint) -> None:
        self.service = service
        self.name = hosted.definition.name
        self.is_stream = hosted.is_stream
        self.may_wait = hosted.may_wait
        self.call = hosted.call
        self.feed = hosted.feed
        self._codec = hosted.codec
        self.decode = hosted.codec.decode_arguments
        self.encode = hosted.codec.encode_result
        self.splits_result = hosted.codec.splits_result

    def decode_flagged(self, flags: int, arguments: Buffer | Parts) -> dict[str, object]:
        """Read the arguments of a call that has flags.

        Raises:
            InvalidRequestError: They do not fit, or the caller expects another kind of result.
        """
        if flags & AS_JSON:
            return self._codec.decode_json_arguments(bytes(arguments))
        if bool(flags & WANTS_STREAM) != self.is_stream:
            raise self.wrong_kind()
        return self._codec.decode_split_arguments(arguments)

    def encode_flagged(self, flags: int, value: object) -> bytes:
        """Encode the result of a call that has flags.

        Raises:
            UnsupportedValueError: It cannot be sent.
        """
        return self._codec.encode_json_result(value) if flags & AS_JSON else self.encode(value)

    def encode_items(self, items: list[object]) -> bytes:
        """Encode items as one array.

        Raises:
            UnsupportedValueError: One cannot be sent.
        """
        return self._codec.encode_items(items)

    def encode_json_items(self, items: list[object]) -> bytes:
        """Encode items as one array of JSON texts.

        Raises:
            UnsupportedValueError: One cannot be sent.
        """
        encode_item = self._codec.encode_json_item
        return _encode([encode_item(item) for item in items])

    def wrong_kind(self) -> InvalidRequestError:
        """The error for a caller that expects a stream where there is none, or the other way round."""
        wanted, found = ("a stream", "one result") if not self.is_stream else ("one result", "a stream")
        return InvalidRequestError(
            self.service,
            self.name,
            {
                "result": f"the caller expects {wanted}, the endpoint gives {found}: use one version of its class"
            },
        )
