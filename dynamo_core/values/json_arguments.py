"""Reading the arguments of a call from an HTTP request: a JSON body, query parameters, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from dynamo_core.errors import InvalidRequestError
from dynamo_core.values.binding import find_name_problems
from dynamo_core.values.deep_nesting import find_deep_json_key
from dynamo_core.values.errors import MalformedRequestError, ReadError
from dynamo_core.values.reading import ValueReader, explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import EndpointDefinition

_BLANK: Final = b" \t\r\n"

_split: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class JsonArguments:
    """Reads requests for one endpoint.

    Args:
        service: Name of the service, for messages.
        endpoint: The endpoint.
        readers: Reader of each parameter by name.

    Attributes:
        lone_model: Reader of the only parameter, when that is a model and so the body itself; None otherwise.
    """

    def __init__(
        self, service: str, endpoint: EndpointDefinition, readers: Mapping[str, ValueReader]
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._readers = readers
        only = next(iter(readers.values())) if len(readers) == 1 else None
        self.lone_model = only if only is not None and only.value_type.is_model else None

    def decode(self, body: bytes, query: Mapping[str, Sequence[str]] | None) -> dict[str, object]:
        """Read *body*, and *query* where given; see ``EndpointCodec.decode_json_arguments``."""
        is_empty = not body.strip(_BLANK)
        if self.lone_model is not None and (not is_empty or not query or self.lone_model.name not in query):
            return self._decode_lone(self.lone_model, b"" if is_empty else body, query)
        problems: dict[str, str] = {}
        raws = {} if is_empty else self._split_body(body)
        texts = query or {}
        arguments = self._read_body(raws, problems)
        for name, values in texts.items():
            if name in raws:
                problems[name] = "given in the body and in the query"
            elif name in self._readers:
                try:
                    arguments[name] = self._readers[name].from_query(values)
                except ReadError as exc:
                    problems[name] = str(exc)
        if texts or raws.keys() != self._readers.keys():
            problems.update(find_name_problems(self._endpoint.parameters, {*raws, *texts}))
        if problems:
            raise self._invalid(problems)
        return arguments

    def _read_body(self, raws: Mapping[str, msgspec.Raw], problems: dict[str, str]) -> dict[str, object]:
        arguments: dict[str, object] = {}
        for name, raw in raws.items():
            reader = self._readers.get(name)
            if reader is not None:
                try:
                    arguments[name] = reader.from_json(bytes(raw))
                except ReadError as exc:
                    problems[name] = str(exc)
        return arguments

    def _decode_lone(
        self, reader: ValueReader, body: bytes, query: Mapping[str, Sequence[str]] | None
    ) -> dict[str, object]:
        if body and query:
            raise self._invalid(
                dict.fromkeys(query, f"the body is {reader.name}, so there are no query parameters")
            )
        try:
            if body:
                return {reader.name: reader.from_json(body)}
            if query:
                return {reader.name: reader.from_fields(query)}
        except ReadError as exc:
            if exc.is_malformed:
                raise self._malformed(reader.name, exc) from exc
            raise self._invalid({reader.name: str(exc)}) from exc
        if self._endpoint.parameters[0].is_required:
            raise self._invalid({reader.name: "missing: the body is empty"})
        return {}

    def _split_body(self, body: bytes) -> dict[str, msgspec.Raw]:
        try:
            return _split(body)
        except RecursionError as exc:
            raise self._invalid({find_deep_json_key(body) or "body": "nested too deeply"}) from exc
        except msgspec.ValidationError as exc:
            message = "must be an object of parameters by name"
            raise self._invalid({"body": message}) from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise self._malformed("body", explain(exc, "body")) from exc

    def _invalid(self, problems: Mapping[str, str]) -> InvalidRequestError:
        return InvalidRequestError(self._service, self._endpoint.name, problems)

    def _malformed(self, name: str, exc: ReadError) -> MalformedRequestError:
        return MalformedRequestError(self._service, self._endpoint.name, {name: f"not JSON: {exc}"})
