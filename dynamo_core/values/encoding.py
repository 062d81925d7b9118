"""The encoders, and what they do with objects that msgspec does not know."""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from dynamo_core.errors import UnsupportedValueError
from dynamo_core.values.plain import UnsupportedSearch, check_plain

TEXT_TYPES: Final[tuple[type, ...]] = (
    PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv4Interface,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Interface,
    ipaddress.IPv6Network,
    ZoneInfo,
)
"""Classes that travel as their text, and are built from it again by annotation."""

_SUBCLASSED: Final[tuple[Any, ...]] = (str, int, float, bytes)
_DIGITS_TO_ZERO: Final = bytes(ord("0") if 48 <= byte < 58 else ord(" ") for byte in range(256))
_HUGE_NUMBER: Final = b"0" * 19
_SLICE_BYTES: Final = 1 << 20


def _simplify(value: object) -> object:
    """Turn an object that msgspec does not know into one that it does.

    Raises:
        TypeError: There is no such form.
    """
    for base in _SUBCLASSED:
        if isinstance(value, base):
            return base(value)  # a subclass, such as numpy.float64
    if isinstance(value, TEXT_TYPES):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, deque):
        return list(value)
    if type(value).__module__.partition(".")[0] in {"pydantic", "pydantic_core"}:
        return _simplify_pydantic(value)
    raise TypeError(f"cannot send objects of type {type(value).__name__}")


def _simplify_pydantic(value: object) -> object:
    """Leaves that pydantic's dumps in Python mode keep: secrets, addresses."""
    reveal = getattr(value, "get_secret_value", None)
    if reveal is not None:
        return reveal()
    if any("Url" in base.__name__ or "Dsn" in base.__name__ for base in type(value).__mro__):
        return str(value)
    raise TypeError(f"cannot send objects of type {type(value).__name__}")


def to_wire(value: object) -> object:
    """Hook of the msgpack encoder: pydantic models become maps by field name, with native values in them."""
    if hasattr(value, "__pydantic_root_model__"):  # every model has it; pydantic need not be importable here
        serializer: Any = type(value).__pydantic_serializer__  # type: ignore[attr-defined]
        return serializer.to_python(value, round_trip=True, by_alias=False, warnings=False)
    return _simplify(value)


def to_json(value: object) -> object:
    """Hook of the JSON encoder: pydantic models become the JSON that pydantic makes, aliases and all."""
    if hasattr(value, "__pydantic_root_model__"):
        serializer: Any = type(value).__pydantic_serializer__  # type: ignore[attr-defined]
        return msgspec.Raw(serializer.to_json(value, by_alias=True, warnings=False))
    if hasattr(value, "get_secret_value"):
        return str(value)
    return _simplify(value)


encode_wire: Final = msgspec.msgpack.Encoder(enc_hook=to_wire).encode
_encode_json: Final = msgspec.json.Encoder(enc_hook=to_json).encode


def encode_json(value: object) -> bytes:
    """Encode *value* as JSON; bytes become base64, integers past 64 bits raise ``OverflowError`` as on the wire."""
    document = _encode_json(value)
    if has_huge_number(document):
        encode_wire(value)
    return document


def has_huge_number(document: bytes) -> bool:
    """Whether some integer in the JSON *document* may pass 64 bits; a quick guess that errs to True."""
    if len(document) <= _SLICE_BYTES:
        return _HUGE_NUMBER in document.translate(_DIGITS_TO_ZERO)
    return any(
        _HUGE_NUMBER in document[start : start + _SLICE_BYTES + len(_HUGE_NUMBER)].translate(_DIGITS_TO_ZERO)
        for start in range(0, len(document), _SLICE_BYTES)
    )


def unsupported(
    what: str, values: Mapping[str, object], exc: Exception, *, is_json: bool = False
) -> UnsupportedValueError:
    """Build the error for *values* that could not be encoded because of *exc*, with the path of the culprit.

    Args:
        what: Whose values they are, such as ``Backend.generate``.
        values: By the name their paths begin with.
        exc: What the encoder or the check before it raised.
        is_json: They were meant for JSON.
    """
    search = UnsupportedSearch(encode_json if is_json else encode_wire)
    try:
        for name, value in values.items():
            reason = search.find(value, name)
            if reason is not None:
                return UnsupportedValueError(f"{what}: {reason}")
    except RecursionError:
        return UnsupportedValueError(f"{what}: a value is nested too deeply (or contains itself)")
    except Exception as found:  # noqa: BLE001  # user classes take part, and may raise anything
        exc = found
    return UnsupportedValueError(f"{what}: a value cannot be sent: {type(exc).__name__}: {exc}")


def check_and_encode(what: str, name: str, value: object, *, is_safe: bool, is_json: bool = False) -> bytes:
    """Encode one value called *name*; look for keys that are not text unless it *is_safe*.

    Raises:
        UnsupportedValueError: It cannot be sent; the message has the path.
    """
    try:
        if not is_safe:
            check_plain(value)
        return encode_json(value) if is_json else encode_wire(value)
    except Exception as exc:  # user classes take part in encoding, and may raise anything
        raise unsupported(what, {name: value}, exc, is_json=is_json) from exc
