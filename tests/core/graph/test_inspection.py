"""What is read from classes without mistakes."""

from __future__ import annotations

import dataclasses
import functools
import typing
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Annotated, Any, Protocol

import pytest

from dynamo_core import (
    ServiceConfig,
    ServiceContext,
    api,
    async_on_start,
    depends,
    endpoint,
    liveness,
    on_shutdown,
    on_start,
    readiness,
    service,
)
from dynamo_core.definition import REQUIRED, ApiRoute, EndpointKind
from dynamo_core.errors import GraphError
from dynamo_core.inspection import define_service

F = typing.TypeVar("F", bound=Callable[..., Any])


@dataclasses.dataclass
class Request:
    text: str


class Base:
    """A service that others build on."""

    @endpoint
    async def first(self, text: str) -> str:
        """Say it."""
        return text

    @endpoint(name="second", idempotent=True, timeout_s=2, max_concurrency=3)
    async def other(self, request: Request, *, limit: int = 3) -> AsyncIterator[Request]:
        yield request

    async def plain(self) -> None: ...


class Child(Base):
    @endpoint
    def third(self) -> None: ...

    async def first(self, text: str, more: str = "") -> str:
        return text + more


def test_endpoint_is_what_its_method_says() -> None:
    """Parameters, result, options, place and docstring."""
    definition = define_service(Base)
    assert list(definition.endpoints) == ["first", "second"]
    first, second = definition.endpoints.values()
    assert (first.kind, first.result, first.doc, first.api) == (EndpointKind.UNARY, str, "Say it.", None)
    assert (first.attribute, first.timeout_s, first.idempotent) == ("first", None, False)
    assert first.location.line == Base.first.__code__.co_firstlineno + 1
    assert first.parameters[0].is_required
    assert (second.attribute, second.kind, second.result) == ("other", EndpointKind.STREAM, Request)
    assert [(each.name, each.annotation, each.default, each.keyword_only) for each in second.parameters] == [
        ("request", Request, REQUIRED, False),
        ("limit", int, 3, True),
    ]
    options = (second.idempotent, second.batchable, second.timeout_s, second.max_concurrency)
    assert options == (True, False, 2, 3)


def test_service_without_decorator_has_its_class_name_and_no_config() -> None:
    """And its class is how it is imported."""
    definition = define_service(Base)
    assert (definition.name, definition.inner) == ("Base", Base)
    assert definition.config == ServiceConfig()
    assert definition.target.load() is Base
    assert not definition.is_abstract
    assert not definition.serves_http


def test_endpoints_are_inherited_in_declaration_order() -> None:
    """An override keeps its place and its mark."""
    definition = define_service(Child)
    assert list(definition.endpoints) == ["first", "second", "third"]
    first = definition.endpoints["first"]
    assert [each.name for each in first.parameters] == ["text", "more"]
    assert first.location.line == Child.first.__code__.co_firstlineno


def test_override_may_change_options_or_take_the_endpoint_away() -> None:
    """A mark of its own counts alone; something else in its place is no endpoint."""

    class Changed(Base):
        @api(method="get", path="/say")
        def first(self) -> str:  # type: ignore[override]  # written differently on purpose
            return "a"

        other = None  # type: ignore[assignment]  # taken away on purpose

    definition = define_service(Changed)
    assert list(definition.endpoints) == ["first"]
    changed = definition.endpoints["first"]
    assert (changed.kind, changed.api) == (EndpointKind.SYNC, ApiRoute(method="GET", path="/say"))
    assert definition.api_endpoints == (changed,)
    assert definition.serves_http


def test_mark_of_a_base_class_is_not_inherited() -> None:
    """Neither its name nor its configuration: they are about one service."""

    @service(name="parent", workers=3)
    class Parent(Base): ...

    class Heir(Parent): ...

    @service(workers=2)
    class Marked(Parent): ...

    assert (define_service(Parent).name, define_service(Parent).config.workers) == ("parent", 3)
    assert (define_service(Heir).name, define_service(Heir).config.workers) == ("Heir", 1)
    assert (define_service(Marked).name, define_service(Marked).config.workers) == ("Marked", 2)


def test_default_path_is_the_name_on_the_wire() -> None:
    """Not that of the method."""

    class Named:
        @api(name="say")
        async def speak(self) -> None: ...

    assert define_service(Named).endpoints["say"].api == ApiRoute(method="POST", path="/say")


class Kinds:
    @endpoint
    async def unary(self) -> int:
        return 1

    @endpoint
    async def stream(self) -> typing.AsyncIterator[int]:
        yield 1

    @endpoint
    async def generator(self) -> typing.AsyncGenerator[int, None]:
        yield 1

    @endpoint
    def sync(self) -> list[int]:
        return [1]

    @endpoint
    def sync_stream(self) -> typing.Iterable[int]:
        yield 1

    @endpoint
    def sync_generator(self) -> typing.Generator[int, None, None]:
        yield 1

    @endpoint
    async def bare(self) -> AsyncIterator:  # type: ignore[type-arg]  # without items on purpose
        yield 1

    @endpoint
    async def anything(self) -> Any:
        yield 1

    @endpoint
    async def annotated(self) -> Annotated[AsyncIterator[int], "numbers"]:
        yield 1


def test_kind_is_how_the_method_is_written() -> None:
    """And the result of a stream is the type of an item."""
    endpoints = define_service(Kinds).endpoints
    assert {name: (each.kind.value, each.result) for name, each in endpoints.items()} == {
        "unary": ("unary", int),
        "stream": ("stream", int),
        "generator": ("stream", int),
        "sync": ("sync", list[int]),
        "sync_stream": ("sync_stream", int),
        "sync_generator": ("sync_stream", int),
        "bare": ("stream", Any),
        "anything": ("stream", Any),
        "annotated": ("stream", int),
    }


class Asked(Protocol):
    async def unary(self, text: str) -> int: ...
    def future(self) -> Awaitable[int]: ...
    def coroutine(self) -> Coroutine[Any, Any, int]: ...
    def stream(self) -> AsyncIterator[int]: ...
    def sync(self) -> int: ...
    def sync_stream(self) -> Iterator[int]: ...
    def _private(self) -> int: ...


def test_protocol_tells_kinds_by_its_annotations() -> None:
    """Every public method counts when none is marked."""
    definition = define_service(Asked)
    assert definition.is_abstract
    assert {name: (each.kind.value, each.result) for name, each in definition.endpoints.items()} == {
        "unary": ("unary", int),
        "future": ("unary", int),
        "coroutine": ("unary", int),
        "stream": ("stream", int),
        "sync": ("sync", int),
        "sync_stream": ("sync_stream", int),
    }


def test_abstract_class_tells_kinds_too_and_passes_marks_on() -> None:
    """What implements it needs no marks."""

    class Wanted(ABC):
        @endpoint(timeout_s=3)
        @abstractmethod
        def numbers(self) -> AsyncIterator[int]: ...

        @abstractmethod
        def helper(self) -> None: ...

    class Given(Wanted):
        async def numbers(self) -> AsyncIterator[int]:
            yield 1

        def helper(self) -> None: ...

    wanted, given = define_service(Wanted), define_service(Given)
    assert (wanted.is_abstract, given.is_abstract) == (True, False)
    assert list(wanted.endpoints) == list(given.endpoints) == ["numbers"]
    assert wanted.endpoints["numbers"].kind is given.endpoints["numbers"].kind is EndpointKind.STREAM
    assert given.endpoints["numbers"].timeout_s == 3


class Nested:
    class Reply:
        """No value type, which shows that it is found."""

    @dataclasses.dataclass
    class Question:
        text: str

    def list(self) -> None: ...

    @endpoint
    async def ask(self, question: Question, names: list[str]) -> Question:  # type: ignore[valid-type]  # on purpose
        return question


def test_annotations_see_the_types_of_the_class_and_no_other_member() -> None:
    """A method called ``list`` hides nothing."""
    ask = define_service(Nested).endpoints["ask"]
    assert [each.annotation for each in ask.parameters] == [Nested.Question, list[str]]
    assert ask.result is Nested.Question


def test_annotations_see_the_types_around_a_class_in_a_function() -> None:
    """With and without ``@service``."""

    @dataclasses.dataclass
    class Local:
        text: str

    class Plain:
        @endpoint
        async def say(self, local: Local) -> list[Local]:
            return [local]

    @service
    class Marked:
        plain = depends("Plain")
        context: Annotated[ServiceContext, Local]

        @endpoint
        async def say(self, local: Local) -> list[Local]:
            return [local]

    for cls in (Plain, Marked):
        say = define_service(cls).endpoints["say"]
        assert (say.parameters[0].annotation, say.result) == (Local, list[Local])
    assert define_service(Marked).dependencies["plain"].on is Plain
    assert define_service(Marked).context_attributes == ("context",)


Q = typing.TypeVar("Q")
A = typing.TypeVar("A")


class Answering(ABC, typing.Generic[Q, A]):
    @endpoint
    async def ask(self, question: Q, more: list[Q]) -> A | None: ...

    @endpoint
    def stream(self) -> Iterator[dict[str, A]]:
        yield {}


class Halfway(Answering[A, list[A]]): ...


class Numbers(Halfway[int]): ...


class MoreNumbers(Numbers): ...


@pytest.mark.parametrize("cls", [Numbers, MoreNumbers])
def test_type_variables_are_what_a_subclass_says(cls: type) -> None:
    """As type checkers see them, through every step of inheritance."""
    endpoints = define_service(cls).endpoints
    ask = endpoints["ask"]
    assert [each.annotation for each in ask.parameters] == [int, list[int]]
    assert ask.result == list[int] | None
    assert endpoints["stream"].result == dict[str, list[int]]


def test_decorators_may_stand_on_both_sides() -> None:
    """As long as they keep the way a method is written."""

    def traced(function: F) -> F:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return typing.cast("F", wrapper)

    class Traced:
        @endpoint(name="one")
        @traced
        async def inside(self, text: str) -> str:
            return text

        @traced
        @endpoint(timeout_s=1)
        async def outside(self, text: str) -> str:
            return text

    definition = define_service(Traced)
    assert list(definition.endpoints) == ["one", "outside"]
    for each in definition.endpoints.values():
        assert [parameter.annotation for parameter in each.parameters] == [str]
    assert definition.endpoints["outside"].timeout_s == 1


def test_one_function_may_be_two_endpoints() -> None:
    """Each has the name of its attribute."""

    class Twice:
        @endpoint
        async def first(self) -> None: ...

        second = first

    assert list(define_service(Twice).endpoints) == ["first", "second"]


class Hooked:
    context: ServiceContext
    maybe: ServiceContext | None = None
    others: list[ServiceContext] = []  # a plain attribute
    unknown: Missing  # type: ignore[name-defined]  # noqa: F821  # not there on purpose
    number: int = 1

    @on_start
    def load(self) -> None: ...

    @async_on_start
    async def connect(self) -> None: ...

    @liveness
    @readiness
    async def look(self) -> bool:
        return True

    @on_shutdown
    def close(self) -> None: ...

    @endpoint
    async def say(self) -> None: ...


def test_hooks_and_context_are_found_through_base_classes() -> None:
    """In declaration order, those of bases first; an override stays a hook."""

    class Heir(Hooked):
        mine: ServiceContext

        @on_start
        def warm_up(self) -> None: ...

        def close(self) -> None: ...

    definition = define_service(Heir)
    hooks = definition.hooks
    assert hooks.on_start == ("load", "warm_up")
    assert (hooks.async_on_start, hooks.on_shutdown) == (("connect",), ("close",))
    assert hooks.liveness == hooks.readiness == ("look",)
    assert definition.context_attributes == ("context", "maybe", "mine")


class Later:
    backend = depends("Backend")
    nested = depends("Outer.Inner")
    far = depends("typing.Any")

    @endpoint
    async def say(self) -> None: ...


class Backend(Base): ...


class Outer:
    class Inner(Base): ...


def test_dependencies_may_name_what_is_defined_later() -> None:
    """Dots lead into classes; the names are those of the module where the edge stands."""

    class Heir(Later):
        far = depends(Base, url="http://127.0.0.1:9000")

    edges = define_service(Heir).dependencies
    assert [(edge.attribute, edge.on, edge.service_name, edge.url) for edge in edges.values()] == [
        ("backend", Backend, None, None),
        ("nested", Outer.Inner, None, None),
        ("far", Base, None, "http://127.0.0.1:9000"),
    ]
    assert edges["backend"].location.file == __file__


def test_class_without_endpoint_or_mark_is_no_service() -> None:
    """Told with the line of the class."""

    class Helper: ...

    with pytest.raises(GraphError, match=r"Helper is no service: it has neither @service nor") as caught:
        define_service(Helper)
    location = caught.value.problems[0].location
    assert location is not None
    assert location.file == __file__


def test_marked_class_needs_no_endpoint() -> None:
    """It may only listen, or only run its hooks."""

    @service
    class Quiet: ...

    assert define_service(Quiet).endpoints == {}


def test_definition_is_not_changed_by_who_holds_it() -> None:
    """Its mappings are read-only."""
    definition = define_service(Base)
    with pytest.raises(TypeError):
        definition.endpoints["x"] = definition.endpoints["first"]  # type: ignore[index]  # refused at run time too
