"""What each worker needs of its machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.config import readers
from dynamo_core.config.core_schema import resolve
from dynamo_core.config.nodes import Scalar
from dynamo_core.config.record import ConfigRecord, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_CPU: Final = re.compile(r"(?P<milli>[0-9]+)m")
_MEMORY: Final = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?) ?(?P<unit>[kKMGTPE]i?)?B?")
_EXPONENTS: Final = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}


def read_cpu(value: object) -> float:
    """Processors, as a number or in thousandths: ``500m``."""
    node = readers.as_node(value)
    match = _CPU.fullmatch(node.text) if isinstance(node, Scalar) else None
    found = int(match["milli"]) / 1000 if match else None
    if found is None and isinstance(node, Scalar) and not isinstance(resolve(node.text), str):
        return readers.number(above=0)(node)
    return found or readers.refuse(node, "a number above 0 or a text such as 500m")


def read_memory(value: object) -> int:
    """Bytes, as a number or with a unit: ``2Gi``, ``512MiB``, ``1.5G``."""
    node = readers.as_node(value)
    match = _MEMORY.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        readers.refuse(node, "a number of bytes or a text such as 2Gi")
    unit = (match["unit"] or "").lower()
    factor = (1024 if unit.endswith("i") else 1000) ** _EXPONENTS.get(unit[:1], 0)
    digits = match["number"]
    found: int = int(digits) * factor if digits.isdigit() else round(float(digits) * factor)
    return found if found > 0 else readers.refuse(node, "more than 0 bytes")


@attrs.frozen(kw_only=True, init=False)
class ResourceConfig(ConfigRecord):
    """What each worker of a service needs of its machine.

    Attributes:
        cpu: Processors, above 0; accepts thousandths such as ``500m``. None for no wish.
        memory: Bytes, above 0; accepts units such as ``2Gi`` or ``512M``. None for no wish.
        gpu: Graphics processors, at least 0; a fraction shares one.
    """

    cpu: float | None = attrs.field(default=None, metadata=read_by(readers.optional(read_cpu)))
    memory: int | None = attrs.field(default=None, metadata=read_by(readers.optional(read_memory)))
    gpu: float = attrs.field(default=0.0, metadata=read_by(readers.number(at_least=0)))

    if TYPE_CHECKING:

        def __init__(  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            cpu: float | str | None = ...,
            memory: int | str | None = ...,
            gpu: float = ...,
        ) -> None: ...
