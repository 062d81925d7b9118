"""Reading one value by its annotation, and saying what is wrong with it when it does not fit."""

from __future__ import annotations

import re
import typing
from typing import Any, Final, NoReturn

import msgspec
from msgspec import inspect as mi

from dynamo_core.values.completion import make_completer
from dynamo_core.values.encoding import encode_wire, has_huge_number
from dynamo_core.values.errors import ReadError
from dynamo_core.values.forms import flatten, is_pydantic_model
from dynamo_core.values.kinds import Reader, ValueType, members, strip
from dynamo_core.values.unknown_fields import UnknownFieldFinder

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AT: Final = re.compile(r"^(.*?)(?: - at `(?:key in )?(\$?[^`]*)`)?$", re.DOTALL)
_MAX_MESSAGE: Final = 2000
_BLANK: Final = b" \t\r\n"


def refuse_extension(code: int, data: memoryview) -> NoReturn:
    """Hook of the msgpack decoders: no extension type carries a value."""
    raise ReadError(f"msgpack extension type {code} is not supported")


def make_hook(readers: Mapping[type, Reader]) -> Any:
    """Build the hook that msgspec asks to read what it does not know."""

    def read(cls: type, data: object) -> object:
        return readers[cls](data)

    return read


def wire_decoder(value_type: ValueType, form: Any) -> msgspec.msgpack.Decoder[Any]:
    """Build the msgpack decoder of a *form* made of the form of *value_type*."""
    return msgspec.msgpack.Decoder(form, dec_hook=make_hook(value_type.readers), ext_hook=refuse_extension)


def explain(exc: BaseException, name: str) -> ReadError:
    """Say in one line why reading the value called *name* failed."""
    if isinstance(exc, ReadError):
        return exc
    if isinstance(exc, RecursionError):
        return ReadError("nested too deeply")
    if isinstance(exc, UnicodeDecodeError):
        return ReadError("text that is not UTF-8", is_malformed=True)
    if isinstance(exc, msgspec.ValidationError):
        match = _AT.match(str(exc))
        message, path = (match.group(1), match.group(2)) if match else (str(exc), None)
        own = isinstance(exc.__cause__, ReadError)
        message = message[:_MAX_MESSAGE] if own else message[:1].lower() + message[1:_MAX_MESSAGE]
        inner = (path or "").removeprefix("$")
        return ReadError(f"{message} (at {name}{inner})" if inner else message)
    if isinstance(exc, msgspec.DecodeError):
        return ReadError(str(exc)[:_MAX_MESSAGE], is_malformed=True)
    text = " ".join(str(exc).split())[:_MAX_MESSAGE]
    return ReadError(text if type(exc) is ValueError else f"{type(exc).__name__}: {text}")


class ValueReader:
    """Reads values of one annotation from every form they arrive in.

    Every method raises :class:`ReadError`, and no other error.

    Args:
        value_type: What :func:`dynamo_core.values.kinds.analyse` made of the annotation.

    Attributes:
        completer: Completes what msgspec decoded; None when that is complete.
    """

    def __init__(self, value_type: ValueType) -> None:
        self.value_type = value_type
        self.name = value_type.name
        self._wire = wire_decoder(value_type, value_type.form)
        self._document_hook = make_hook(value_type.document_readers)
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            value_type.form, dec_hook=self._document_hook
        )
        self._unknown = UnknownFieldFinder(value_type.info)
        self._list_fields = _list_fields(value_type)
        self.completer = make_completer(value_type.info)

    def from_wire(self, payload: bytes | bytearray | memoryview) -> object:
        """Read one msgpack value; a model may also be its JSON text."""
        try:
            return self._complete(self._wire.decode(payload))
        except Exception as exc:  # models of the user take part, and may raise anything
            problem = explain(exc, self.name)
            text = self._find_text(payload, is_json=False)
            if text is None:
                raise self._find_all(payload, problem, is_json=False) from exc
            return self.from_text(text, fallback=problem)

    def from_json(self, document: bytes | memoryview) -> object:
        """Read one value out of a JSON document; bytes are base64, and unknown fields are refused."""
        raw = bytes(document)
        try:
            value = self._read_json(raw)
        except Exception as exc:  # models of the user take part, and may raise anything
            problem = explain(exc, self.name)
            text = self._find_text(raw, is_json=True)
            if text is None:
                raise self._find_all(raw, problem, is_json=True) from exc
            return self.from_text(text, fallback=problem)
        self._check_document(raw, value)
        return value

    def from_text(self, text: str, *, fallback: ReadError) -> object:
        """Read a model from its JSON text; *fallback* says what to raise when it is no JSON at all."""
        try:
            return self._read_json(text.encode("utf-8", "surrogatepass"))
        except Exception as exc:  # models of the user take part, and may raise anything
            problem = explain(exc, self.name)
            if not problem.is_malformed:
                raise self._find_all(text.encode("utf-8", "surrogatepass"), problem, is_json=True) from exc
            if self.value_type.pydantic is not None and self.value_type.pydantic.is_root:
                raise fallback from exc  # its text may have been meant as a plain value
            label = self.value_type.label
            raise ReadError(
                f"expected {label} as a mapping or as its JSON text, got text that is not JSON"
            ) from exc

    def from_query(self, texts: Sequence[str]) -> object:
        """Read the values of one query parameter."""
        value_type = self.value_type
        if value_type.is_list:
            return self._convert(list(texts))
        if len(texts) != 1:
            raise ReadError(f"given {len(texts)} times, takes one value")
        text = texts[0]
        if value_type.is_any:
            return text
        if value_type.is_model:
            return self.from_text(text, fallback=ReadError("expected JSON text"))
        if isinstance(strip(value_type.info), mi.DictType):
            return self.from_json(text.encode("utf-8", "surrogatepass"))
        return self._convert(text)

    def from_fields(self, query: Mapping[str, Sequence[str]]) -> object:
        """Read a model whose fields are query parameters."""
        data = {
            name: list(texts) if name in self._list_fields or len(texts) != 1 else texts[0]
            for name, texts in query.items()
        }
        unknown = self._unknown.find(data, self.name)
        if unknown is not None:
            raise ReadError(unknown)
        return self._convert(data)

    def _convert(self, data: object) -> object:
        try:
            value = msgspec.convert(data, self.value_type.form, strict=False, dec_hook=self._document_hook)
            return self._complete(value)
        except Exception as exc:  # models of the user take part, and may raise anything
            raise explain(exc, self.name) from exc

    def _read_json(self, document: bytes) -> object:
        pydantic = self.value_type.pydantic
        if pydantic is not None and document.strip(_BLANK) != b"null":
            return pydantic.from_json(document)
        return self._complete(self._json.decode(document))

    def _complete(self, value: object) -> object:
        if self.completer is not None:
            self.completer.complete(value)
        return value

    def _check_document(self, document: bytes, value: object) -> None:
        """Refuse what typed reading lets through: unknown fields, and integers past 64 bits."""
        try:
            if self._unknown.is_needed:
                unknown = self._unknown.find(msgspec.json.decode(document), self.name)
                if unknown is not None:
                    raise self._find_all(document, ReadError(unknown), is_json=True)
            if has_huge_number(document):
                encode_wire(value)
        except OverflowError as exc:
            raise ReadError("integers must be within -2**63 .. 2**64-1") from exc
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise explain(exc, self.name) from exc
        except (TypeError, AttributeError):
            return  # only sending it would fail: that is for whoever sends it

    def _find_all(
        self, payload: bytes | bytearray | memoryview, problem: ReadError, *, is_json: bool
    ) -> ReadError:
        """Whatever else is wrong with the fields of a model; pydantic tells all of it at once."""
        if self.value_type.pydantic is not None or not self.value_type.is_model or problem.is_malformed:
            return problem
        from dynamo_core.values.field_faults import describe_fields  # failures only; it reads by this class

        return describe_fields(self.value_type.info, payload, problem, is_json=is_json)

    def _find_text(self, payload: bytes | bytearray | memoryview, *, is_json: bool) -> str | None:
        """Give the text in *payload*, when this is a model and text is what was given for it."""
        if not self.value_type.is_model:
            return None
        try:
            if is_json:
                return msgspec.json.decode(payload, type=str)
            return msgspec.msgpack.decode(payload, type=str)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def _list_fields(value_type: ValueType) -> frozenset[str]:
    """Names of the model's fields that take several values."""
    found: set[str] = set()
    for info in members(value_type.info):
        if isinstance(info, mi.DataclassType | mi.StructType | mi.TypedDictType):
            listed = (mi.CollectionType, mi.TupleType)
            found.update(field.encode_name for field in info.fields if isinstance(strip(field.type), listed))
    for part in flatten(value_type.annotation):
        for name, field in (part.model_fields if is_pydantic_model(part) else {}).items():
            if typing.get_origin(field.annotation) in {list, set, frozenset, tuple}:
                found.update({name, field.alias or name})
    return frozenset(found)
