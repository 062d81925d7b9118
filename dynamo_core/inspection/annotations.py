"""Annotations as their author meant them: texts evaluated where they stand."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.local_names import type_names

if TYPE_CHECKING:
    from collections.abc import Callable


class UnresolvedAnnotationError(ValueError):
    """An annotation's text names something that is not there."""


@attrs.frozen(kw_only=True)
class Scope:
    """The names that annotations see at one place.

    Attributes:
        module_names: Global names.
        inner_names: Types of the class and of the functions around it, which go before the global names.
    """

    module_names: dict[str, Any]
    inner_names: Mapping[str, object]

    def with_names(self, names: Mapping[str, object]) -> Scope:
        """The same scope with more names around it, which go before the global ones only."""
        return attrs.evolve(self, inner_names={**names, **self.inner_names}) if names else self


def class_scope(cls: type, local_names: Mapping[str, object]) -> Scope:
    """The scope of the annotations in the body of *cls*.

    Args:
        cls: The class.
        local_names: Names of the function it is declared in; empty at the top of a module.
    """
    module = sys.modules.get(cls.__module__)
    return Scope(
        module_names={} if module is None else vars(module),
        inner_names={**type_names(local_names), **type_names(vars(cls))},
    )


def function_scope(function: Callable[..., Any], scope: Scope) -> Scope:
    """The scope of a method's annotations: its own module may be another than that of its class."""
    return attrs.evolve(scope, module_names=inspect.unwrap(function).__globals__)


def resolve(annotation: object, scope: Scope) -> Any:
    """Give the type form that *annotation* means, with the texts in it evaluated.

    Raises:
        UnresolvedAnnotationError: A text in it cannot be evaluated.
    """

    def carrier() -> None: ...

    carrier.__annotations__ = {"value": annotation}
    try:
        hints = typing.get_type_hints(
            carrier, scope.module_names, dict(scope.inner_names), include_extras=True
        )
    except NameError as exc:
        raise UnresolvedAnnotationError(
            f"{exc}; what an endpoint's annotation names must be there at run time, not only under TYPE_CHECKING"
        ) from exc
    except Exception as exc:  # the user's text was evaluated: anything may come
        raise UnresolvedAnnotationError(f"{type(exc).__name__}: {exc}") from exc
    return hints["value"]
