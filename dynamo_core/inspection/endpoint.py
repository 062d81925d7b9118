"""From a marked method to an endpoint: how it is called, and what it takes and gives."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.definition import (
    REQUIRED,
    ApiRoute,
    EndpointDefinition,
    EndpointKind,
    ParameterDefinition,
)
from dynamo_core.inspection.annotations import UnresolvedAnnotationError, function_scope, resolve
from dynamo_core.source_location import locate_function
from dynamo_core.values import EndpointCodec, UnusableAnnotationError
from dynamo_core.values.forms import describe
from dynamo_core.values.kinds import analyse

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.endpoint_mark import EndpointMark
    from dynamo_core.errors import Location
    from dynamo_core.inspection.annotations import Scope
    from dynamo_core.inspection.members import Method
    from dynamo_core.inspection.problems import Problems

_KIND_OF_FORM: Final = {
    collections.abc.AsyncIterator: EndpointKind.STREAM,
    collections.abc.AsyncIterable: EndpointKind.STREAM,
    collections.abc.AsyncGenerator: EndpointKind.STREAM,
    collections.abc.Iterator: EndpointKind.SYNC_STREAM,
    collections.abc.Iterable: EndpointKind.SYNC_STREAM,
    collections.abc.Generator: EndpointKind.SYNC_STREAM,
    collections.abc.Awaitable: EndpointKind.UNARY,
    collections.abc.Coroutine: EndpointKind.UNARY,
}
"""Forms that say how a method is called, beside what it gives."""

_WRITTEN: Final = {
    EndpointKind.UNARY: "'async def' without a yield",
    EndpointKind.STREAM: "'async def' with a yield",
    EndpointKind.SYNC: "'def' without a yield",
    EndpointKind.SYNC_STREAM: "'def' with a yield",
}
_STREAM_FORMS: Final = {
    EndpointKind.STREAM: "AsyncIterator[...]",
    EndpointKind.SYNC_STREAM: "Iterator[...]",
}
_NAMELESS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "stands for any number of arguments",
    inspect.Parameter.VAR_KEYWORD: "stands for any number of arguments",
}


def kind_of(function: Callable[..., Any]) -> EndpointKind:
    """How *function* is written."""
    if inspect.isasyncgenfunction(function):
        return EndpointKind.STREAM
    if inspect.iscoroutinefunction(function):
        return EndpointKind.UNARY
    if inspect.isgeneratorfunction(function):
        return EndpointKind.SYNC_STREAM
    return EndpointKind.SYNC


def read_endpoint(
    method: Method, mark: EndpointMark | None, *, scope: Scope, problems: Problems
) -> EndpointDefinition | None:
    """Work out one endpoint.

    Args:
        method: The method.
        mark: What its decorator was told; None for a method that a protocol asks for without marking it.
        scope: What annotations in the body of its class see.
        problems: Takes in the mistakes.

    Returns:
        The endpoint; None when it has mistakes.
    """
    return _Reading(method, scope, problems).finish(mark)


@attrs.frozen
class _Reading:
    method: Method
    class_scope: Scope
    problems: Problems

    def finish(self, mark: EndpointMark | None) -> EndpointDefinition | None:
        parameters = self._read_parameters()
        called = self._read_result()
        if parameters is None or called is None:
            return None
        kind, result = called
        attribute = self.method.attribute
        name = attribute if mark is None or mark.name is None else mark.name
        options: dict[str, Any] = {}
        if mark is not None:
            options = {
                "idempotent": mark.idempotent,
                "batchable": mark.batchable,
                "timeout_s": mark.timeout_s,
                "max_concurrency": mark.max_concurrency,
                "api": ApiRoute(method=mark.method, path=mark.path or f"/{name}") if mark.is_api else None,
            }
        definition = EndpointDefinition(
            name=name,
            attribute=attribute,
            kind=kind,
            parameters=parameters,
            result=result,
            location=self.location,
            doc=inspect.getdoc(self.method.function) or "",
            **options,
        )
        return definition if self._can_travel(definition) and self._can_be_joined(definition) else None

    @property
    def location(self) -> Location:
        return locate_function(self.method.function)

    @property
    def scope(self) -> Scope:
        return function_scope(self.method.function, self.class_scope)

    def _refuse(self, message: str) -> None:
        self.problems.add(f"{self.method.label} {message}", self.location)

    # --- parameters ---

    def _read_parameters(self) -> tuple[ParameterDefinition, ...] | None:
        if not self.method.takes_self:
            self._refuse("has no first parameter for the instance (self)")
            return None
        known = len(self.problems)
        parameters = list(inspect.signature(self.method.function).parameters.values())[1:]
        for each in parameters:
            if each.kind in _NAMELESS:
                self._refuse(
                    f"has parameter {each.name!r}, which {_NAMELESS[each.kind]}: "
                    "the arguments of an endpoint travel by name, so that each needs one"
                )
        named = [each for each in parameters if each.kind not in _NAMELESS]
        bare = [repr(each.name) for each in named if each.annotation is each.empty]
        if bare:
            self._refuse(
                f"has no annotation for {', '.join(bare)}: an endpoint's arguments are checked by it"
            )
        read = [self._read_parameter(each) for each in named if each.annotation is not each.empty]
        return tuple(each for each in read if each is not None) if len(self.problems) == known else None

    def _read_parameter(self, parameter: inspect.Parameter) -> ParameterDefinition | None:
        try:
            annotation = resolve(parameter.annotation, self.scope)
        except UnresolvedAnnotationError as exc:
            self._refuse(f"has an annotation for {parameter.name!r} that cannot be resolved: {exc}")
            return None
        return ParameterDefinition(
            name=parameter.name,
            annotation=annotation,
            default=REQUIRED if parameter.default is parameter.empty else parameter.default,
            keyword_only=parameter.kind is parameter.KEYWORD_ONLY,
        )

    # --- result and kind ---

    def _read_result(self) -> tuple[EndpointKind, Any] | None:
        function = self.method.function
        kind, inner = kind_of(function), kind_of(inspect.unwrap(function))
        if kind is EndpointKind.SYNC and inner is not kind:
            self._refuse(
                f"is written as {_WRITTEN[inner]}, and a decorator hides that behind a plain 'def': "
                f"the decorator's wrapper must be written in the same way"
            )
            return None
        annotations = getattr(function, "__annotations__", {})
        if "return" not in annotations:
            self._refuse("has no annotation for its result: '-> None' if it gives nothing")
            return None
        try:
            form = resolve(annotations["return"], self.scope)
        except UnresolvedAnnotationError as exc:
            self._refuse(f"has an annotation for its result that cannot be resolved: {exc}")
            return None
        return self._fit(kind, form)

    def _fit(self, kind: EndpointKind, form: Any) -> tuple[EndpointKind, Any] | None:
        """The kind and the type of the result or item, when *form* fits how the method is written."""
        bare = form.__origin__ if typing.get_origin(form) is typing.Annotated else form
        given = typing.get_args(bare)
        meant = _KIND_OF_FORM.get(typing.get_origin(bare) or bare) if _is_hashable(bare) else None
        if meant is None and not kind.is_stream:
            return kind, form
        if kind.is_stream and bare is Any:
            return kind, Any
        if kind.is_stream and meant is kind:
            return self._fit_stream(kind, form, given)
        if kind is EndpointKind.SYNC and self.method.is_declared_only and meant is not None:
            is_coroutine = meant is EndpointKind.UNARY
            return meant, (given[-1] if is_coroutine else given[0]) if given else Any
        self._refuse(_disagreement(kind, meant, form, is_declared_only=self.method.is_declared_only))
        return None

    def _fit_stream(
        self, kind: EndpointKind, form: Any, given: tuple[Any, ...]
    ) -> tuple[EndpointKind, Any] | None:
        if any(extra not in {None, type(None), Any} for extra in given[1:]):
            self._refuse(
                f"is annotated to give {describe(form)}: only items travel, nothing is sent into a stream and it "
                f"returns nothing; annotate {_STREAM_FORMS[kind]}"
            )
            return None
        return kind, given[0] if given else Any

    def _can_travel(self, definition: EndpointDefinition) -> bool:
        try:
            EndpointCodec("", definition)
        except UnusableAnnotationError as exc:
            wrong = _find_unusable(definition) or {exc.parameter: exc.message}
        else:
            return True
        for part, message in wrong.items():
            self._refuse(f"has an unusable annotation for {part}: {message}")
        return False

    def _can_be_joined(self, definition: EndpointDefinition) -> bool:
        """Whether calls can be joined as they should: with one list there and one as long back."""
        forms = [each.annotation for each in definition.parameters]
        is_sound = (
            not definition.kind.is_stream
            and len(forms) == 1
            and all(map(_is_list, [*forms, definition.result]))
        )
        if not definition.batchable or is_sound:
            return True
        self._refuse(
            "is batchable, and calls can only be joined where an endpoint has exactly one parameter, a list, and gives "
            "a list of the same length: write it as 'def ...(self, inputs: list[A]) -> list[B]', or leave batchable out"
        )
        return False


def _find_unusable(definition: EndpointDefinition) -> dict[str, str]:
    """What is wrong with each part of an endpoint; the codec tells of the first one only."""
    forms = {repr(each.name): each.annotation for each in definition.parameters}
    wrong = {}
    for part, form in {**forms, "its result": definition.result}.items():
        try:
            analyse(part, form)
        except UnusableAnnotationError as exc:
            wrong[part] = exc.message
    return wrong


def _is_list(form: Any) -> bool:
    bare = form.__origin__ if typing.get_origin(form) is typing.Annotated else form
    return (typing.get_origin(bare) or bare) in (list, collections.abc.Sequence)


def _is_hashable(form: object) -> bool:
    try:
        hash(form)
    except TypeError:
        return False
    return True


def _disagreement(
    kind: EndpointKind, meant: EndpointKind | None, form: Any, *, is_declared_only: bool
) -> str:
    told = f"is written as {_WRITTEN[kind]} and annotated to give {describe(form)}"
    if kind.is_stream:
        return f"{told}: annotate the items, as {_STREAM_FORMS[kind]}"
    if meant is EndpointKind.UNARY:
        if kind is EndpointKind.UNARY:
            return f"{told}: annotate what awaiting it gives"
        return f"{told}: write it as {_WRITTEN[meant]} and annotate what awaiting it gives"
    if is_declared_only:
        return f"{told}: write it as a plain 'def' here, since nothing is yielded where it is only declared"
    assert meant is not None
    if meant.is_sync is kind.is_sync:
        return f"{told}: yield the items, or annotate what it returns"
    return f"{told}: that belongs to {_WRITTEN[meant]}"
