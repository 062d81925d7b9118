"""Which endpoints can be batched: those that take one list and give one as long."""

from __future__ import annotations

import collections.abc
import typing
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import DeclarationError

if TYPE_CHECKING:
    from dynamo_core.definition import EndpointDefinition

_LISTS: Final = (list, collections.abc.Sequence)


def check_batchable(service: str, endpoint: EndpointDefinition) -> None:
    """Make sure that calls of a batchable endpoint can be joined.

    Raises:
        DeclarationError: They cannot: it is a stream, or does not take one list and give one.
    """
    if not endpoint.batchable:
        return
    parameters = endpoint.parameters
    is_sound = (
        not endpoint.kind.is_stream
        and len(parameters) == 1
        and _is_list(parameters[0].annotation)
        and _is_list(endpoint.result)
    )
    if not is_sound:
        raise DeclarationError(
            f"{service}.{endpoint.name} is batchable, and calls can only be joined where an endpoint has exactly "
            "one parameter, a list, and gives a list of the same length: write it as "
            "'def ...(self, inputs: list[A]) -> list[B]', or leave batchable out",
            endpoint.location,
        )


def _is_list(form: Any) -> bool:
    bare = form.__origin__ if typing.get_origin(form) is typing.Annotated else form
    return (typing.get_origin(bare) or bare) in _LISTS
