"""One endpoint's arguments and results in the JSON of the HTTP contract, from the caller's side.

Core's codecs read requests and write answers; here the direction is the other one. A parameter is written as if it
were the result of an endpoint, and a result read as if it were a parameter, so that what travels is the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from dynamo_core.definition import EndpointKind, ParameterDefinition
from dynamo_core.errors import InvalidRequestError, UnsupportedValueError
from dynamo_core.values import EndpointCodec

if TYPE_CHECKING:
    from dynamo_core.definition import EndpointDefinition

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
_RESULT: Final = "value"


@attrs.frozen(kw_only=True)
class RequestParts:
    """What of a request depends on the arguments.

    Attributes:
        content: The body; None for none.
        content_type: Its media type; empty for none.
        query: Query parameters, some perhaps several times.
    """

    content: bytes | None = None
    content_type: str = ""
    query: tuple[tuple[str, str], ...] = ()


class HttpValues:
    """Translates for one endpoint; any number of threads may use it.

    Args:
        service: Name of the service.
        endpoint: The endpoint; HTTP reaches it.
    """

    def __init__(self, service: str, endpoint: EndpointDefinition) -> None:
        assert endpoint.api is not None
        self._service = service
        self._endpoint = endpoint
        self._takes_query = endpoint.api.method == "GET"
        self._codec = EndpointCodec(service, endpoint)
        plain = attrs.evolve(endpoint, kind=EndpointKind.UNARY)
        self._writers = {
            each.name: EndpointCodec(service, attrs.evolve(plain, result=each.annotation))
            for each in endpoint.parameters
        }
        result = ParameterDefinition(name=_RESULT, annotation=endpoint.result)
        self._reader = EndpointCodec(service, attrs.evolve(plain, parameters=(result,)))
        self.gives_bytes = self._codec.gives_bytes

    def write(self, arguments: bytes) -> RequestParts:
        """The request for a call's encoded arguments.

        Raises:
            InvalidRequestError: They do not fit the endpoint.
            UnsupportedValueError: One of them has no JSON form.
        """
        given = self._codec.decode_arguments(arguments)
        if self._takes_query:
            return RequestParts(query=self._write_query(given))
        if self._codec.takes_bytes_as_body:
            content = next(iter(given.values()), None)
            if content is None:
                return RequestParts()
            return RequestParts(content=bytes(content), content_type=OCTETS)  # type: ignore[call-overload]  # it was declared as bytes
        texts = {name: self._writers[name].encode_json_result(value) for name, value in given.items()}
        if self._codec.takes_model_as_body:
            content = next(iter(texts.values()), None)
        else:
            content = b"{" + b",".join(_key(name) + text for name, text in texts.items()) + b"}"
        return RequestParts() if content is None else RequestParts(content=content, content_type=JSON)

    def _write_query(self, given: dict[str, object]) -> tuple[tuple[str, str], ...]:
        found: list[tuple[str, str]] = []
        for name, value in given.items():
            plain = json.loads(self._writers[name].encode_json_result(value))
            fields = (
                plain.items()
                if self._codec.takes_model_as_body and isinstance(plain, dict)
                else [(name, plain)]
            )
            for key, each in fields:
                found += [(key, _text(item)) for item in (each if isinstance(each, list) else [each])]
        return tuple(found)

    def read(self, body: bytes) -> bytes:
        """A result, encoded as a channel gives it.

        Raises:
            UnsupportedValueError: It does not fit the endpoint's annotation.
        """
        return self._codec.encode_result(self._value(body))

    def read_item(self, body: bytes) -> bytes:
        """One item of a stream, as a channel gives it: an array of one.

        Raises:
            UnsupportedValueError: It does not fit the endpoint's annotation.
        """
        return self._codec.encode_items([self._value(body)])

    def _value(self, body: bytes) -> object:
        if not body.strip():
            body = b"null"
        whole = body if self._reader.takes_model_as_body else b"{" + _key(_RESULT) + body + b"}"
        try:
            return self._reader.decode_json_arguments(whole)[_RESULT]
        except InvalidRequestError as exc:
            raise UnsupportedValueError(
                f"{self._service}.{self._endpoint.name}: the answer does not fit: {exc.problems}"
            ) from exc


def _key(name: str) -> bytes:
    return msgspec.json.encode(name) + b":"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
