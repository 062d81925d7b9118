"""Every kind of value that can travel; each endpoint shows that it got the type it declares."""

from __future__ import annotations

import dataclasses
from typing import Any, TypedDict, TypeVar

import attrs
import msgspec

from dynamo_core import endpoint, service

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A dataclass in a dataclass."""

    label: str
    weight_g: int = 10
    inside: list[Parcel] = dataclasses.field(default_factory=list)


@attrs.frozen
class Point:
    """An attrs class."""

    x: float
    y: float = 0.0


class Span(msgspec.Struct, frozen=True):
    """A msgspec Struct."""

    start: int
    end: int = 9


class Note(TypedDict):
    """A TypedDict."""

    title: str
    tags: list[str]


@service
class Values:
    """Takes and gives every kind."""

    @endpoint
    async def untyped(self, value: Any) -> Any:
        """Whatever it is."""
        return value

    @endpoint
    async def type_name(self, value: Any) -> str:
        """What class an untyped value arrives as."""
        return type(value).__name__

    @endpoint
    async def nothing(self, value: None) -> None:
        """None."""
        _same(value, type(None))

    @endpoint
    async def boolean(self, value: bool) -> bool:  # the parameter is the point
        """A bool."""
        return _same(value, bool)

    @endpoint
    async def integer(self, value: int) -> int:
        """An int."""
        return _same(value, int)

    @endpoint
    async def real(self, value: float) -> float:
        """A float."""
        return _same(value, float)

    @endpoint
    async def text(self, value: str) -> str:
        """A str."""
        return _same(value, str)

    @endpoint
    async def data(self, value: bytes) -> bytes:
        """Some bytes."""
        return _same(value, bytes)

    @endpoint
    async def sequence(self, value: list[int]) -> list[int]:
        """A list."""
        return _same(value, list)

    @endpoint
    async def mapping(self, value: dict[str, list[float]]) -> dict[str, list[float]]:
        """A dict."""
        return _same(value, dict)

    @endpoint
    async def parcel(self, value: Parcel) -> Parcel:
        """A dataclass."""
        for inner in _same(value, Parcel).inside:
            _same(inner, Parcel)
        return dataclasses.replace(value, weight_g=value.weight_g + 1)

    @endpoint
    async def point(self, value: Point) -> Point:
        """An attrs class."""
        return attrs.evolve(_same(value, Point), y=value.y + 1)

    @endpoint
    async def span(self, value: Span) -> Span:
        """A msgspec Struct."""
        return msgspec.structs.replace(_same(value, Span), end=value.end + 1)

    @endpoint
    async def note(self, value: Note) -> Note:
        """A TypedDict."""
        return {"title": value["title"].upper(), "tags": _same(value["tags"], list)}

    @endpoint
    async def optional(self, value: Point | None = None) -> Point | None:
        """A model, or None."""
        return value

    @endpoint
    async def size_bytes(self, value: bytes) -> int:
        """How much arrived."""
        return len(value)

    @endpoint
    async def zeros(self, size_bytes: int) -> bytes:
        """Give a large result."""
        return bytes(size_bytes)


def _same(value: T, kind: type) -> T:
    """Give *value* back if it is exactly of that class.

    Raises:
        TypeError: It is not.
    """
    if type(value) is not kind:
        raise TypeError(f"wanted {kind.__name__}, got {type(value).__name__}")
    return value
