"""Reading values with pydantic.

Imported only when an annotation has a pydantic model in it.
Models are read from Python data as pydantic does by default; where that fails, once more as JSON, so that strict
models take what a format without their types carries (a date as text, a tuple as a list).
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import pydantic
import pydantic_core
from pydantic.errors import PydanticInvalidForJsonSchema

from dynamo_core.values.errors import ReadError

_MAX_LISTED_ERRORS: Final = 20
_BY_NAME: Final[dict[str, bool]] = (
    {"by_alias": True, "by_name": True}
    if tuple(int(part) for part in re.findall(r"\d+", pydantic.VERSION)[:2]) >= (2, 11)
    else {}
)
_NOT_JSON: Final = (b"NaN", b"Infinity")
_LIMITS: Final = ("recursion limit", "out of range")
"""In messages about text that is JSON, but passes a limit of pydantic's parser."""


class ModelReader:
    """Reads one pydantic model class, or any annotation that only pydantic understands.

    Args:
        annotation: A model class, or another type form.

    Raises:
        pydantic.errors.PydanticUserError: The model is not fully defined, or the form means nothing to pydantic.

    Attributes:
        is_root: A model that is one plain value; text given for it may be that value.
    """

    def __init__(self, annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            annotation.model_rebuild(raise_errors=True)  # does nothing to a model that is complete
            self._owner: Any = annotation
            self.is_root = issubclass(annotation, pydantic.RootModel)
            self._takes_text = not self.is_root
        else:
            self._owner = _Adapted(annotation)
            self.is_root = False
            self._takes_text = False
        self.annotation = annotation

    def from_wire(self, data: object) -> object:
        """Read what the wire carried: a map by field names or aliases, or JSON text."""
        if self._takes_text and type(data) is str and data[:1] == "{":
            return self.from_json(data, is_wire=True)
        return self._read(data, _BY_NAME)

    def from_document(self, data: object) -> object:
        """Read a part of a JSON document that is parsed already."""
        return self._read(data, {})

    def from_json(self, text: str | bytes, *, is_wire: bool = False) -> object:
        """Read JSON text.

        Raises:
            ReadError: It is not JSON, or does not fit.
        """
        encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        if any(word in encoded for word in _NOT_JSON):
            _refuse_constants(encoded)  # pydantic takes NaN, which is not JSON
        try:
            return self._owner.__pydantic_validator__.validate_json(encoded, **(_BY_NAME if is_wire else {}))
        except pydantic_core.ValidationError as exc:
            errors = exc.errors(**_BRIEF)
            is_malformed = any(
                error["type"] == "json_invalid" and not any(limit in error["msg"] for limit in _LIMITS)
                for error in errors
            )
            raise ReadError(summarise(exc), is_malformed=is_malformed) from exc

    def _read(self, data: object, options: dict[str, bool]) -> object:
        validator = self._owner.__pydantic_validator__
        try:
            return validator.validate_python(data, **options)
        except pydantic_core.ValidationError as exc:
            try:
                document = pydantic_core.to_json(data, inf_nan_mode="constants")
                return validator.validate_json(document, **options)
            except ValueError:  # also pydantic's own errors
                raise ReadError(summarise(exc)) from exc

    def schema(self, ref_template: str, mode: Any) -> dict[str, Any]:
        """JSON Schema with ``$defs``; *mode* is ``validation`` or ``serialization``."""
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(self.annotation)
        try:
            return adapter.json_schema(ref_template=ref_template, mode=mode, by_alias=True)
        except PydanticInvalidForJsonSchema as exc:
            return {"description": f"has no JSON Schema: {exc.message}"}


class _Adapted:
    """Gives a TypeAdapter's validator the name that model classes have for it."""

    def __init__(self, annotation: Any) -> None:
        adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
        self.__pydantic_validator__ = adapter.validator


_BRIEF: Final[dict[str, Any]] = {"include_url": False, "include_context": False, "include_input": False}


def _refuse_constants(document: bytes) -> None:
    try:
        msgspec.json.decode(document)
    except msgspec.ValidationError:
        pass  # numbers out of range are for pydantic to judge
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ReadError(str(exc), is_malformed=True) from exc


def summarise(exc: pydantic_core.ValidationError) -> str:
    """Put the errors of *exc* on one line: path and message of each, never the values."""
    errors = exc.errors(**_BRIEF)
    parts = []
    for error in errors[:_MAX_LISTED_ERRORS]:
        path = ".".join(str(step) for step in error["loc"])
        parts.append(f"{path}: {error['msg']}" if path else error["msg"])
    if len(errors) > _MAX_LISTED_ERRORS:
        parts.append(f"and {len(errors) - _MAX_LISTED_ERRORS} more")
    return "; ".join(parts)
