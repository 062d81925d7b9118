"""Whether a service can stand where an abstract class or a protocol is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.definition import REQUIRED
from dynamo_core.endpoint_mark import MARK
from dynamo_core.inspection.members import find_mark, is_protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynamo_core.definition import EndpointDefinition, ServiceDefinition


def is_derived(cls: type, base: type) -> bool:
    """Whether *cls* says itself that it is a *base*."""
    if base in cls.__mro__:
        return True
    return not is_protocol(base) and issubclass(cls, base)  # registered with an abstract class


def can_stand_for(cls: type, wanted: type) -> bool:
    """Whether *cls* comes into question for *wanted*: derived from it, or *wanted* is a protocol."""
    return is_protocol(wanted) or is_derived(cls, wanted)


def find_misfits(service: ServiceDefinition, wanted: ServiceDefinition) -> list[str]:
    """What keeps calls made for *wanted* from working on *service*.

    Types are left to type checkers: names, order, defaults and kinds are what a call depends on.

    Args:
        service: A service that can be run.
        wanted: The abstract class or protocol.

    Returns:
        A text for each misfit; empty when there is none.
    """
    by_attribute = {endpoint.attribute: endpoint for endpoint in service.endpoints.values()}
    misfits = []
    for asked in wanted.endpoints.values():
        endpoint = by_attribute.get(asked.attribute)
        if endpoint is None and find_mark(service.inner, asked.attribute, MARK) is not None:
            continue  # it has one with a mistake, which is told already
        if endpoint is None:
            misfits.append(f"it has no endpoint {asked.attribute!r}")
        elif endpoint.kind is not asked.kind:
            misfits.append(
                f"its {asked.attribute!r} is {endpoint.kind.value}, where {asked.kind.value} is asked for"
            )
        else:
            misfits.extend(f"its {asked.attribute!r} {fault}" for fault in _find_faults(endpoint, asked))
    return misfits


def _find_faults(endpoint: EndpointDefinition, asked: EndpointDefinition) -> Iterator[str]:
    taken = {parameter.name: parameter for parameter in endpoint.parameters}
    wanted = {parameter.name: parameter for parameter in asked.parameters}
    for name, parameter in wanted.items():
        own = taken.get(name)
        if own is None:
            yield f"takes no {name!r}"
        elif own.is_required and not parameter.is_required:
            yield f"cannot do without {name!r}"
    for name, parameter in taken.items():
        if name not in wanted and parameter.default is REQUIRED:
            yield f"wants {name!r} as well"
    order = [name for name, parameter in wanted.items() if not parameter.keyword_only]
    own_order = [name for name, parameter in taken.items() if not parameter.keyword_only]
    if all(name in taken for name in order) and own_order[: len(order)] != order:
        yield f"takes {', '.join(own_order) or 'nothing'} by position, where {', '.join(order)} is asked for"
