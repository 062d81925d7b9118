"""Attributes that ask for the instance's place in the run, by being annotated with ``ServiceContext``."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from typing import TYPE_CHECKING, Final

from dynamo_core.inspection.annotations import UnresolvedAnnotationError, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.inspection.annotations import Scope

_MODULE: Final = "dynamo_core.context"
_NAME: Final = "ServiceContext"


def find_context_attributes(cls: type, scope: Callable[[type], Scope]) -> tuple[str, ...]:
    """Names of the attributes of *cls* that are annotated with ``ServiceContext``, those of base classes first.

    Args:
        cls: The class.
        scope: What annotations in the body of a class see.
    """
    found: dict[str, bool] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, annotation in inspect.get_annotations(base).items():
            found[name] = _asks_for_context(annotation, base, scope)
    return tuple(name for name, asks in found.items() if asks)


def _asks_for_context(annotation: object, base: type, scope: Callable[[type], Scope]) -> bool:
    form = annotation
    if isinstance(annotation, str):
        if _NAME not in annotation:
            return False
        try:
            form = resolve(annotation, scope(base))
        except UnresolvedAnnotationError:  # imported under TYPE_CHECKING only
            return annotation.split("|")[0].strip().rpartition(".")[2] == _NAME
    context = getattr(sys.modules.get(_MODULE), _NAME, None)
    is_choice = typing.get_origin(form) in {typing.Annotated, typing.Union, types.UnionType}
    return context is not None and (form is context or (is_choice and context in typing.get_args(form)))
