"""Annotations as their author meant them: texts evaluated where they stand."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.local_names import type_names

if TYPE_CHECKING:
    from collections.abc import Callable


class UnresolvedAnnotationError(ValueError):
    """An annotation's text names something that is not there."""


@attrs.frozen(kw_only=True)
class Scope:
    """What annotations at one place mean.

    Attributes:
        module_names: Global names.
        inner_names: Types of the class and of the functions around it, which go before the global names.
        arguments: What type variables of the class stand for.
    """

    module_names: dict[str, Any]
    inner_names: Mapping[str, object]
    arguments: Mapping[Any, Any] = attrs.field(factory=dict)

    def with_names(self, names: Mapping[str, object]) -> Scope:
        """The same scope with more names around it, which go before the global ones only."""
        return attrs.evolve(self, inner_names={**names, **self.inner_names}) if names else self


def class_scope(cls: type, local_names: Mapping[str, object], *, seen_from: type) -> Scope:
    """The scope of the annotations in the body of *cls*.

    Args:
        cls: The class.
        local_names: Names of the function it is declared in; empty at the top of a module.
        seen_from: The class that inherits it, or itself; says what its type variables stand for.
    """
    return Scope(
        module_names=_module_names(cls),
        inner_names={**type_names(local_names), **type_names(vars(cls))},
        arguments=_find_arguments(seen_from, cls),
    )


def _module_names(cls: type) -> dict[str, Any]:
    module = sys.modules.get(cls.__module__)
    if module is not None:
        return vars(module)
    functions = [value for value in vars(cls).values() if inspect.isfunction(value)]
    return functions[0].__globals__ if functions else {}  # its module was thrown away, as runpy does


def _find_arguments(cls: type, base: type, given: Mapping[Any, Any] = MappingProxyType({})) -> dict[Any, Any]:
    """What the type variables of *base* stand for in its heir *cls*.

    Args:
        cls: The heir.
        base: The class whose variables are asked for.
        given: What those of *cls* stand for.
    """
    if cls is base:
        return dict(given)
    for form in vars(cls).get("__orig_bases__", cls.__bases__):
        parent = typing.get_origin(form) or form
        if isinstance(parent, type) and base in parent.__mro__:
            arguments = [_replace(argument, given) for argument in typing.get_args(form)]
            variables = getattr(parent, "__parameters__", ())
            return _find_arguments(parent, base, dict(zip(variables, arguments, strict=False)))
    return {}


def _replace(form: Any, arguments: Mapping[Any, Any]) -> Any:
    """*form* with type variables replaced by what they stand for."""
    if isinstance(form, typing.TypeVar):
        return arguments.get(form, form)
    variables = getattr(form, "__parameters__", ())
    if isinstance(form, type) or not any(variable in arguments for variable in variables):
        return form
    return form[tuple(arguments.get(variable, variable) for variable in variables)]


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
    return _replace(hints["value"], scope.arguments) if scope.arguments else hints["value"]
