"""What sort of type an annotation is, worked out once, when a codec is built.

msgspec reads every type it knows natively.
The rest is handed to *readers* by class: pydantic models, a few classes that travel as text, and annotations that
only pydantic understands, which a marker class stands for.
"""

from __future__ import annotations

import datetime
import decimal
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from msgspec import inspect as mi

from dynamo_core.values.encoding import TEXT_TYPES
from dynamo_core.values.errors import ReadError, UnusableAnnotationError
from dynamo_core.values.forms import (
    describe,
    flatten,
    is_model_form,
    is_pydantic_model,
    mentions_pydantic,
    needs_adapter,
    replace_object,
    without_responses,
)
from dynamo_core.values.plain import SCALARS

if TYPE_CHECKING:
    from dynamo_core.values.pydantic_support import ModelReader

Reader = Callable[[object], object]

_MODEL_TYPES: Final = (mi.DataclassType, mi.StructType, mi.TypedDictType)
_BYTES: Final = (bytes, bytearray, memoryview)
_EXACT_BY_TYPE: Final[dict[type, tuple[type, ...]]] = {
    mi.NoneType: (type(None),),
    mi.BoolType: (bool,),
    mi.IntType: (int,),
    mi.FloatType: (float, int),
    mi.StrType: (str,),
    mi.BytesType: _BYTES,
    mi.ByteArrayType: _BYTES,
    mi.DateTimeType: (datetime.datetime,),
    mi.DateType: (datetime.date,),
    mi.TimeType: (datetime.time,),
    mi.TimeDeltaType: (datetime.timedelta,),
    mi.UUIDType: (uuid.UUID,),
    mi.DecimalType: (decimal.Decimal,),
    mi.ListType: (list,),
    mi.SetType: (set,),
    mi.FrozenSetType: (frozenset,),
    mi.VarTupleType: (tuple,),
    mi.DictType: (dict,),
    mi.TypedDictType: (dict,),
}


class _AdaptedMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True  # msgspec checks what a reader gave against the marker


@attrs.frozen(kw_only=True, eq=False)
class ValueType:
    """One annotation, ready for encoding and decoding.

    Attributes:
        name: Of the parameter, or ``result``.
        annotation: As declared.
        label: The annotation as messages show it.
        form: What msgspec is given; markers stand for what only pydantic reads.
        is_model: A model, or a choice of models; such a value may be given as a mapping or as JSON text.
        is_bytes: The annotation is ``bytes`` itself.
        is_list: A list, set or tuple, so that a query parameter may be given several times.
        is_any: Everything fits.
        may_split: A value may be a byte string of any length, to be sent and received in parts.
        keeps_views: Decoded values may point into the payload, which then has to be copied.
        exact: Classes whose instances fit on the face of it; others are tried out before they are sent.
        safe: Classes whose instances hold nothing that needs the check for plain values.
        readers: By class, for what msgspec does not know, when data came over the wire.
        document_readers: The same for data out of a JSON document.
        pydantic: Reader of the whole, when it is one pydantic model, or an annotation only pydantic reads.
        info: msgspec's description of the form.
    """

    name: str
    annotation: Any  # type forms have no static type
    label: str
    form: Any
    is_model: bool
    is_bytes: bool
    is_list: bool
    is_any: bool
    may_split: bool
    keeps_views: bool
    exact: frozenset[type]
    safe: frozenset[type]
    readers: Mapping[type, Reader]
    document_readers: Mapping[type, Reader]
    pydantic: ModelReader | None
    info: mi.Type


def analyse(name: str, annotation: Any) -> ValueType:
    """Work out how values of *annotation* travel.

    Args:
        name: Of the parameter; ``result`` for what an endpoint gives.
        annotation: A resolved type form.

    Raises:
        UnusableAnnotationError: Values of it cannot travel.
    """
    return _Analysis(name, annotation).finish()


class _Analysis:
    def __init__(self, name: str, annotation: Any) -> None:
        self.name = name
        self.annotation = annotation
        self.readers: dict[type, Reader] = {}
        self.document_readers: dict[type, Reader] = {}
        self.pydantic: dict[type, ModelReader] = {}
        self.has_untyped = False
        self.keeps_views = False
        self.form = replace_object(without_responses(annotation))

    def finish(self) -> ValueType:
        if typing.get_origin(self.form) in {typing.Final, typing.ClassVar}:
            raise self._unusable("it is for attributes, not for values")
        if needs_adapter(self.form):
            self._adapt()
        try:
            info = self._inspect()
        except TypeError as exc:
            if not mentions_pydantic(self.form):
                raise self._unusable(_first_line(exc)) from exc
            self._adapt()
            info = self._inspect()
        for path, part in walk_info(info):
            self._take_part(path, part)
        parts = members(info)
        exact = self._exact_types(parts)
        if any(isinstance(member, mi.NoneType) for member in getattr(strip(info), "types", ())):
            exact |= {type(None)}
        is_model = all(self._is_model(member) for member in parts) and bool(parts)
        return ValueType(
            name=self.name,
            annotation=self.annotation,
            label=describe(self.annotation),
            form=self.form,
            is_model=is_model,
            is_bytes=isinstance(info, mi.BytesType),
            is_list=any(isinstance(member, mi.CollectionType | mi.TupleType) for member in parts),
            is_any=isinstance(info, mi.AnyType),
            may_split=not exact.isdisjoint(_BYTES)
            or any(isinstance(member, mi.AnyType | mi.MemoryViewType) for member in parts),
            keeps_views=self.keeps_views,
            exact=exact,
            safe=SCALARS | (self._safe_types(parts) if self.has_untyped else exact - {dict}),
            readers=self.readers,
            document_readers=self.document_readers,
            pydantic=self._whole_reader(parts),
            info=info,
        )

    def _unusable(self, message: str) -> UnusableAnnotationError:
        return UnusableAnnotationError(self.name, f"{describe(self.annotation)} cannot be sent: {message}")

    def _inspect(self) -> mi.Type:
        try:
            info = mi.type_info(self.form)
            msgspec.msgpack.Decoder(self.form, dec_hook=_no_reader)
            msgspec.json.Decoder(self.form, dec_hook=_no_reader)
        except (NameError, AttributeError, RecursionError, ValueError) as exc:
            raise self._unusable(f"its types cannot be resolved: {_first_line(exc)}") from exc
        return info

    def _adapt(self) -> None:
        reader = self._make_reader(self.form)
        marker = _AdaptedMeta("Adapted", (), {"__doc__": describe(self.annotation)})
        self.form = marker
        self._add_pydantic(marker, reader)
        self.has_untyped = True

    def _make_reader(self, form: Any) -> ModelReader:
        try:
            return make_model_reader(form)
        except Exception as exc:  # pydantic raises many kinds for forms it does not know
            raise self._unusable(_first_line(exc)) from exc

    def _add_pydantic(self, kind: type, reader: ModelReader) -> None:
        self.readers[kind] = reader.from_wire
        self.document_readers[kind] = reader.from_document
        self.pydantic[kind] = reader

    def _whole_reader(self, parts: tuple[mi.Type, ...]) -> ModelReader | None:
        only = parts[0] if len(parts) == 1 else None
        return self.pydantic.get(only.cls) if isinstance(only, mi.CustomType) else None

    def _take_part(self, path: str, part: mi.Type) -> None:
        where = f"{path}: " if path else ""
        match part:
            case mi.CustomType():
                self._take_class(where, part.cls)
            case mi.AnyType():
                self.has_untyped = True
            case mi.DictType():
                self.has_untyped = True
                if not _is_text(part.key_type):
                    raise self._unusable(f"{where}keys of mappings must be text (str)")
            case mi.RawType() | mi.ExtType():
                raise self._unusable(f"{where}{type(part).__name__.removesuffix('Type')} is no value type")
            case mi.MemoryViewType():
                self.keeps_views = True
            case mi.DataclassType():
                hidden = [field for field in _init_fields(part.cls) if field.startswith("_")]
                if hidden:
                    raise self._unusable(
                        f"{where}field {hidden[0]!r} of {part.cls.__name__} starts with '_'; "
                        "such fields of attrs classes are not sent"
                    )
            case _:
                pass

    def _take_class(self, where: str, cls: Any) -> None:
        if cls in self.readers:
            return
        if cls is object:
            self.has_untyped = True
            self.readers[cls] = self.document_readers[cls] = _identity
        elif isinstance(cls, type) and issubclass(cls, TEXT_TYPES):
            self.readers[cls] = self.document_readers[cls] = _TextReader(cls)
        elif is_pydantic_model(cls):
            self._add_pydantic(cls, self._make_reader(cls))
        else:
            hint = ""
            if hasattr(cls, "__fields__") and hasattr(cls, "parse_obj"):
                hint = " (models of pydantic 1 are not supported)"
            raise self._unusable(f"{where}{describe(cls)} is no value type{hint}")

    def _is_model(self, member: mi.Type) -> bool:
        if isinstance(member, mi.CustomType):
            if isinstance(member.cls, _AdaptedMeta):
                return is_model_form(self.annotation)
            return is_pydantic_model(member.cls)
        return isinstance(member, _MODEL_TYPES)

    def _exact_types(self, parts: tuple[mi.Type, ...]) -> frozenset[type]:
        """Classes of which an instance fits without a closer look; empty where values count too."""
        found: set[type] = set()
        for member in parts:
            kind = type(member)
            if _is_constrained(member):
                continue
            if kind in _EXACT_BY_TYPE:
                found.update(_EXACT_BY_TYPE[kind])
            elif isinstance(member, mi.CustomType) and isinstance(member.cls, _AdaptedMeta):
                found.update(cls for cls in flatten(self.annotation) if is_pydantic_model(cls))
            elif isinstance(
                member, mi.CustomType | mi.DataclassType | mi.StructType | mi.NamedTupleType | mi.EnumType
            ):
                found.add(member.cls)
        return frozenset(found)

    def _safe_types(self, parts: tuple[mi.Type, ...]) -> frozenset[type]:
        classes = [member.cls for member in parts if isinstance(member, mi.CustomType)]
        return frozenset(cls for cls in classes if is_pydantic_model(cls))


def make_model_reader(annotation: Any) -> ModelReader:
    """Build the reader of a pydantic model, or of a form that only pydantic reads."""
    from dynamo_core.values.pydantic_support import ModelReader  # only now is pydantic needed

    return ModelReader(annotation)


class _TextReader:
    def __init__(self, cls: type) -> None:
        self._cls = cls

    def __call__(self, data: object) -> object:
        if not isinstance(data, str):
            raise ReadError(f"expected {self._cls.__name__} as text, got {type(data).__name__}")
        return self._cls(data)


def _identity(data: object) -> object:
    return data


def _no_reader(cls: type, data: object) -> object:
    raise NotImplementedError(cls)


def walk_info(info: mi.Type) -> Iterator[tuple[str, mi.Type]]:
    """Give every type inside *info* once, itself first, with the path of fields to it."""
    seen: set[int] = set()
    waiting: list[tuple[str, mi.Type]] = [("", info)]
    while waiting:
        path, part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield path, part
        for step, inner in _inner_types(part):
            waiting.append((f"{path}.{step}".lstrip(".") if step else path, inner))


def _inner_types(part: mi.Type) -> Iterator[tuple[str, mi.Type]]:
    match part:
        case mi.DataclassType() | mi.StructType() | mi.TypedDictType() | mi.NamedTupleType():
            yield from ((field.name, field.type) for field in part.fields)
        case mi.DictType():
            yield "", part.key_type
            yield "", part.value_type
        case mi.TupleType():
            yield from (("", item) for item in part.item_types)
        case mi.UnionType():
            yield from (("", member) for member in part.types)
        case mi.CollectionType():
            yield "", part.item_type
        case mi.Metadata():
            yield "", part.type
        case _:
            return


def strip(info: mi.Type) -> mi.Type:
    """Take the metadata off a type."""
    while isinstance(info, mi.Metadata):
        info = info.type
    return info


def members(info: mi.Type) -> tuple[mi.Type, ...]:
    """The members of a union but None; the type itself, when it is none."""
    bare = strip(info)
    if not isinstance(bare, mi.UnionType):
        return (bare,)
    return tuple(strip(member) for member in bare.types if not isinstance(member, mi.NoneType))


def _is_text(info: mi.Type) -> bool:
    match strip(info):
        case mi.StrType() | mi.AnyType():
            return True
        case mi.LiteralType(values=values):
            return all(isinstance(value, str) for value in values)
        case mi.EnumType(cls=cls):
            return issubclass(cls, str)
        case _:
            return False


def _is_constrained(info: mi.Type) -> bool:
    return any(
        getattr(info, limit, None) is not None
        for limit in ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "tz")
    )


def _init_fields(cls: Any) -> tuple[str, ...]:
    """Fields of an attrs class that its caller gives; msgspec does not send those that start with '_'."""
    return tuple(field.name for field in getattr(cls, "__attrs_attrs__", ()) if field.init)


def _first_line(exc: BaseException) -> str:
    text = str(exc).strip().partition("\n")[0]
    return text or type(exc).__name__
