"""How one endpoint's arguments and results travel: encoded by their holder, checked and typed by their reader.

Each direction has a quick path, which lets msgspec do everything in one go, and a slow one, taken once something
does not fit, which finds out what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NotRequired, Required, TypedDict

import msgspec

from dynamo_core.errors import InvalidRequestError, UnsupportedValueError
from dynamo_core.parts import Parts
from dynamo_core.values.binding import find_binding_problems, find_name_problems
from dynamo_core.values.deep_nesting import find_deep_msgpack_key
from dynamo_core.values.encoding import check_and_encode, encode_wire, unsupported
from dynamo_core.values.errors import ReadError
from dynamo_core.values.json_arguments import JsonArguments
from dynamo_core.values.kinds import ValueType, analyse
from dynamo_core.values.plain import check_plain
from dynamo_core.values.reading import ValueReader, explain, make_hook, refuse_extension, wire_decoder
from dynamo_core.values.schema import Mode, Schema, SchemaBook, describe_object, with_default
from dynamo_core.values.splitting import (
    encode_split,
    read_split_arguments,
    read_split_items,
    read_split_result,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import EndpointDefinition

Buffer = bytes | bytearray | memoryview

_FIXMAP: Final = 0x80
_MAP16: Final = 0xDE


class EndpointCodec:
    """Encodes and decodes the arguments and results of one endpoint.

    Any number of threads may use one codec.

    Long byte strings need not be copied: see :class:`dynamo_core.parts.Parts`.

    Args:
        service: Name of the service, for messages.
        endpoint: The endpoint.

    Raises:
        UnusableAnnotationError: Values of an annotation cannot travel.

    Attributes:
        service: Name of the service.
        endpoint: The endpoint.
        splits_result: Whether the result, or an item, may be read in parts when it is a long byte string.
    """

    def __init__(self, service: str, endpoint: EndpointDefinition) -> None:
        self.service = service
        self.endpoint = endpoint
        self._what = f"{service}.{endpoint.name}"
        self._parameters = endpoint.parameters
        types = {
            parameter.name: analyse(parameter.name, parameter.annotation) for parameter in self._parameters
        }
        self._readers = {name: ValueReader(value_type) for name, value_type in types.items()}
        self._safe = {name: value_type.safe for name, value_type in types.items()}
        self._positional = tuple(each.name for each in self._parameters if not each.keyword_only)
        self._completers = tuple(
            (each.name, each.completer) for each in self._readers.values() if each.completer
        )
        self._names = frozenset(types)
        self._count = len(self._positional) if len(self._positional) == len(types) else -1
        self._required = frozenset(each.name for each in self._parameters if each.is_required)
        self._splits = tuple(name for name, value_type in types.items() if value_type.may_split)
        self._keeps_views = any(value_type.keeps_views for value_type in types.values())
        self._decode = self._make_arguments_decoder(types).decode
        self._result = analyse("result", endpoint.result)
        self._decode_result = wire_decoder(self._result, self._result.form).decode
        self._decode_items = wire_decoder(self._result, list[self._result.form]).decode  # type: ignore[name-defined]
        self._result_reader = ValueReader(self._result)
        self.splits_result = self._result.may_split
        self._json = JsonArguments(service, endpoint, self._readers)

    def _make_arguments_decoder(self, types: Mapping[str, ValueType]) -> msgspec.msgpack.Decoder[Any]:
        fields = {
            each.name: Required[types[each.name].form]
            if each.is_required
            else NotRequired[types[each.name].form]
            for each in self._parameters
        }
        readers = {cls: reader for value_type in types.values() for cls, reader in value_type.readers.items()}
        form = TypedDict("Arguments", fields)  # type: ignore[misc]  # made at run time: plain dict, checked by msgspec
        return msgspec.msgpack.Decoder(form, dec_hook=make_hook(readers), ext_hook=refuse_extension)

    # --- the caller's side ---

    def encode_arguments(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bytes:
        """As :meth:`encode_split_arguments`, in one piece."""
        encoded = self.encode_split_arguments(args, kwargs, is_split=False)
        assert isinstance(encoded, bytes)
        return encoded

    def encode_split_arguments(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], *, is_split: bool
    ) -> bytes | Parts:
        """Bind the arguments of a call to names and encode them as a msgpack map.

        Parameters that have a default may be left out.

        Raises:
            InvalidRequestError: They do not bind; every problem is named.
            UnsupportedValueError: One of them cannot be sent; the message has its path.
        """
        if kwargs or len(args) != self._count:
            arguments = self._bind(args, kwargs)
        elif self._count == 1:  # most have one, and this is quicker
            arguments = {self._positional[0]: args[0]}
        else:
            arguments = dict(zip(self._positional, args))  # noqa: B905  # as long as each other
        safe = self._safe
        try:
            for name, value in arguments.items():
                if type(value) not in safe[name]:
                    check_plain(value)
            if is_split and self._splits:
                return encode_split(arguments, self._splits)
            return encode_wire(arguments)
        except Exception as exc:  # user classes take part in encoding, and may raise anything
            raise unsupported(self._what, arguments, exc) from exc

    def _bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        arguments: dict[str, object] = dict(zip(self._positional, args, strict=False))
        is_sound = len(args) == len(arguments)
        if kwargs:
            arguments.update(kwargs)
            is_sound = (
                is_sound and len(arguments) == len(args) + len(kwargs) and self._names.issuperset(kwargs)
            )
        if not is_sound or (len(arguments) != len(self._names) and not self._required.issubset(arguments)):
            problems = find_binding_problems(self._parameters, args, kwargs)
            raise InvalidRequestError(self.service, self.endpoint.name, problems)
        return arguments

    def decode_result(self, payload: Buffer | Parts) -> object:
        """Read a result as the endpoint's annotation says.

        Raises:
            UnsupportedValueError: It does not fit the annotation.
        """
        if isinstance(payload, Parts):
            return read_split_result(payload, self.decode_result)
        try:
            result: object = self._decode_result(bytes(payload) if self._result.keeps_views else payload)
            if self._result_reader.completer is not None:
                self._result_reader.completer.complete(result)
        except Exception as exc:  # models of the user take part, and may raise anything
            raise self._misfit(exc) from exc
        return result

    def decode_items(self, payload: Buffer | Parts) -> list[object]:
        """Read an array of a stream's items, each as the endpoint's annotation says.

        Raises:
            UnsupportedValueError: One does not fit the annotation.
        """
        if isinstance(payload, Parts):
            return read_split_items(payload, self.decode_items)
        try:
            items: list[object] = self._decode_items(bytes(payload) if self._result.keeps_views else payload)
            if self._result_reader.completer is not None:
                for item in items:
                    self._result_reader.completer.complete(item)
        except Exception as exc:  # models of the user take part, and may raise anything
            raise self._misfit(exc) from exc
        return items

    # --- the worker's side ---

    def decode_arguments(self, payload: Buffer) -> dict[str, object]:
        """Read the arguments of a call by name, each as its annotation says; defaults are left out.

        Raises:
            InvalidRequestError: They do not fit; every bad, missing and unknown parameter is named.
        """
        if self._keeps_views:
            payload = bytes(payload)
        try:
            arguments: dict[str, object] = self._decode(payload)
            for name, completer in self._completers:
                completer.complete(arguments.get(name))
            if payload[0] == _FIXMAP | len(arguments) or _has_exactly(payload, len(arguments)):
                return arguments
        except Exception:  # noqa: BLE001  # reading one by one finds it again, and says what it is
            return self._decode_each(payload)
        return self._decode_each(payload)  # there are unknown names

    def decode_split_arguments(self, payload: Buffer | Parts) -> dict[str, object]:
        """As :meth:`decode_arguments`, for what may come in parts.

        Raises:
            InvalidRequestError: Likewise.
        """
        if isinstance(payload, Parts):
            return read_split_arguments(payload, self._splits, self.decode_arguments)
        return self.decode_arguments(payload)

    def _decode_each(self, payload: Buffer) -> dict[str, object]:
        try:
            given = _decode_raw(payload)
        except RecursionError as exc:
            raise self._invalid(
                {find_deep_msgpack_key(bytes(payload)) or "arguments": "nested too deeply"}
            ) from exc
        except (msgspec.MsgspecError, ValueError) as exc:
            name = self._parameters[0].name if len(self._parameters) == 1 else "arguments"
            raise self._invalid({name: str(explain(exc, name))}) from exc
        problems = find_name_problems(self._parameters, given)
        arguments: dict[str, object] = {}
        for name, raw in given.items():
            reader = self._readers.get(name)
            if reader is None:
                continue
            try:
                arguments[name] = reader.from_wire(bytes(raw))
            except ReadError as exc:
                problems[name] = str(exc)
        if problems:
            raise self._invalid(problems)
        return arguments

    def encode_result(self, value: object) -> bytes:
        """Encode what the endpoint returned.

        Raises:
            UnsupportedValueError: It cannot be sent, or does not fit the endpoint's annotation.
        """
        kind = type(value)
        if kind not in self._result.exact and not self._result.is_any:
            value = self._fit(value, "result")
        try:  # as check_and_encode, without a call more
            if kind not in self._result.safe:
                check_plain(value)
            return encode_wire(value)
        except Exception as exc:  # user classes take part in encoding, and may raise anything
            raise unsupported(self._what, {"result": value}, exc) from exc

    def encode_items(self, values: Sequence[object]) -> bytes:
        """Encode items of a stream as one array.

        Raises:
            UnsupportedValueError: One cannot be sent, or does not fit the endpoint's annotation.
        """
        kinds = {*map(type, values)}
        if not self._result.is_any and not kinds <= self._result.exact:
            values = [
                item if type(item) in self._result.exact else self._fit(item, "item") for item in values
            ]
        items = values if type(values) is list else list(values)
        return check_and_encode(self._what, "items", items, is_safe=kinds <= self._result.safe)

    # --- HTTP ---

    def decode_json_arguments(
        self, body: bytes, query: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, object]:
        """Read the arguments of a call from an HTTP request.

        An endpoint with exactly one parameter, of a model type, takes that model as the body.
        Otherwise the body is an object of parameters by name.

        Args:
            body: JSON; empty for none.
            query: The texts of each query parameter, when they count as arguments (GET); None otherwise.

        Raises:
            MalformedRequestError: The body is not JSON.
            InvalidRequestError: The arguments do not fit; every bad parameter is named.
        """
        return self._json.decode(body, query)

    def encode_json_result(self, value: object) -> bytes:
        """Encode what the endpoint returned as JSON; bytes in it become base64.

        Raises:
            UnsupportedValueError: It has no JSON form, or does not fit the endpoint's annotation.
        """
        return self._encode_json(value, "result")

    def encode_json_item(self, value: object) -> bytes:
        """Encode one item of a stream as JSON.

        Raises:
            UnsupportedValueError: It has no JSON form, or does not fit the endpoint's annotation.
        """
        return self._encode_json(value, "item")

    def _encode_json(self, value: object, name: str) -> bytes:
        kind = type(value)
        if kind not in self._result.exact and not self._result.is_any:
            value = self._fit(value, name)
        return check_and_encode(self._what, name, value, is_safe=kind in self._result.safe, is_json=True)

    # --- schemas ---

    def parameter_schemas(self, book: SchemaBook | None = None) -> dict[str, Schema]:
        """JSON Schema of each parameter by name, for a route whose arguments are query parameters.

        Args:
            book: Gathers what the schemas refer to; without one, each schema carries it under ``$defs``.
        """
        schemas = {}
        for each in self._parameters:
            schema = self._schema(self._readers[each.name].value_type, "validation", book)
            schemas[each.name] = schema if each.is_required else with_default(schema, each.default)
        return schemas

    def body_schema(self, book: SchemaBook | None = None) -> Schema:
        """JSON Schema of the body that :meth:`decode_json_arguments` takes.

        Args:
            book: Gathers what the schema refers to; without one, the schema carries it under ``$defs``, to be
                moved to ``#/components/schemas``, which is where its references point.
        """
        own = SchemaBook() if book is None else book
        if self._json.lone_model is not None:
            schema = own.add(self._json.lone_model.value_type, "validation")
        else:
            required = [each.name for each in self._parameters if each.is_required]
            schema = describe_object(self.parameter_schemas(own), required, f"{self.endpoint.name} arguments")
        return schema if book is not None else _self_contained(schema, own)

    def result_schema(self, book: SchemaBook | None = None) -> Schema:
        """JSON Schema of the result, or of one item of a stream.

        Args:
            book: As for :meth:`body_schema`.
        """
        return self._schema(self._result, "serialization", book)

    def _schema(self, value_type: ValueType, mode: Mode, book: SchemaBook | None) -> Schema:
        own = SchemaBook() if book is None else book
        schema = own.add(value_type, mode)
        return schema if book is not None else _self_contained(schema, own)

    # --- what both sides need ---

    @property
    def takes_model_as_body(self) -> bool:
        """Whether the JSON body is the only parameter, a model, itself."""
        return self._json.lone_model is not None

    @property
    def takes_bytes_as_body(self) -> bool:
        """Whether the only parameter is ``bytes``, so that HTTP can carry it as it is."""
        return len(self._readers) == 1 and all(
            reader.value_type.is_bytes for reader in self._readers.values()
        )

    @property
    def gives_bytes(self) -> bool:
        """Whether the result, or an item, is ``bytes``, so that HTTP can carry it as it is."""
        return self._result.is_bytes

    def _fit(self, value: object, name: str) -> object:
        """Read *value* as the caller would, since its class alone does not show that it fits."""
        payload = check_and_encode(self._what, name, value, is_safe=False)
        try:
            return self._result_reader.from_wire(payload)
        except ReadError as exc:
            raise UnsupportedValueError(
                f"{self._what} is declared to give {self._result.label}, but its {name} is of type "
                f"{type(value).__name__}: {exc}"
            ) from exc

    def _invalid(self, problems: Mapping[str, str]) -> InvalidRequestError:
        return InvalidRequestError(self.service, self.endpoint.name, problems)

    def _misfit(self, exc: Exception) -> UnsupportedValueError:
        return UnsupportedValueError(
            f"{self._what}: the result cannot be read as {self._result.label}: {explain(exc, 'result')}"
        )


_decode_raw: Final = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode


def _has_exactly(payload: Buffer, count: int) -> bool:
    """Whether the map in *payload* has *count* entries, where that is not in its first byte."""
    return payload[0] == _MAP16 and int.from_bytes(payload[1:3], "big") == count


def _self_contained(schema: Schema, book: SchemaBook) -> Schema:
    return {**schema, "$defs": book.components} if book.components else schema
