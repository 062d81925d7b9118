"""The forms a stream takes on its way to an HTTP client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from dynamo_core.errors import UnsupportedValueError
from dynamo_core.http.accept import BYTES, NDJSON, SSE, TEXT, choose_form

if TYPE_CHECKING:
    from dynamo_core.host import HostedEndpoint
    from dynamo_core.http.problems import ProblemDocument

Encode = Callable[[Any], bytes]  # any value an endpoint may give

SSE_END: Final = b"event: end\ndata: {}\n\n"


@attrs.frozen(kw_only=True)
class StreamForm:
    """How the items of one endpoint are written in one media type.

    Attributes:
        media_type: Value of ``Content-Type``.
        encode: Gives the bytes of one item.
        encode_problem: Gives the bytes that tell of a failure; None where the form has no room for it.
        end: What a complete stream ends with.
    """

    media_type: bytes
    encode: Encode
    encode_problem: Callable[[ProblemDocument], bytes] | None
    end: bytes = b""


class StreamForms:
    """Every form one endpoint's stream can take, and the choice among them.

    Args:
        hosted: The endpoint.
    """

    def __init__(self, hosted: HostedEndpoint) -> None:
        encode_json: Encode = hosted.codec.encode_json_item
        self._forms = {NDJSON: _ndjson(encode_json), SSE: _sse(encode_json)}
        if hosted.definition.result is str:
            self._forms[TEXT] = StreamForm(
                media_type=b"text/plain; charset=utf-8", encode=_encode_text, encode_problem=None
            )
        if hosted.codec.gives_bytes:
            self._forms[BYTES] = StreamForm(media_type=BYTES.encode(), encode=as_bytes, encode_problem=None)
        self.offered = tuple(self._forms)

    def choose(self, accept: bytes) -> StreamForm:
        """Choose the form that an ``Accept`` header asks for."""
        return self._forms[choose_form(accept, self.offered)]


def _ndjson(encode_json: Encode) -> StreamForm:
    return StreamForm(
        media_type=NDJSON.encode(),
        encode=lambda item: encode_json(item) + b"\n",
        encode_problem=lambda problem: msgspec.json.encode({"error": problem.to_data()}) + b"\n",
    )


def _sse(encode_json: Encode) -> StreamForm:
    return StreamForm(
        media_type=SSE.encode() + b"; charset=utf-8",
        encode=lambda item: b"data: " + encode_json(item) + b"\n\n",
        encode_problem=lambda problem: b"event: error\ndata: " + problem.to_json() + b"\n\n",
        end=SSE_END,
    )


def _encode_text(item: object) -> bytes:
    if not isinstance(item, str):
        raise UnsupportedValueError(
            f"a stream of text was declared, got an item of type {type(item).__name__}"
        )
    return item.encode("utf-8", "replace")


def as_bytes(value: object) -> bytes:
    """Give a value that was declared as ``bytes``.

    Raises:
        UnsupportedValueError: It is something else.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        raise UnsupportedValueError(f"bytes were declared, got {type(value).__name__}")
    return bytes(value)
