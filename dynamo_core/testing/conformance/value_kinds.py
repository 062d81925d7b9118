"""Every kind of value that can travel, and what must not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dynamo_core import InvalidRequestError, UnsupportedValueError
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, on_loop
from dynamo_core.testing.conformance.services.values import Note, Parcel, Point, Span, Values

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynamo_core.testing.conformance.services.pydantic_values import PydanticValues, Review

LARGE_BYTES = 8 * 1024 * 1024

PLAIN_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    0.1,
    -0.0,
    1e308,
    math.inf,
    -math.inf,
    "",
    "ä\x00😀",
    b"",
    bytes(range(256)),
    [],
    [1, [2.5, ["three"]]],
    {},
    {"a": {"b": [None, True, b"\xff"]}, "": 0},
]


class ValueConformance(Conformance):
    """What arguments and results keep on their way."""

    entry: ClassVar[type] = Values

    @pytest.mark.parametrize("value", PLAIN_VALUES, ids=repr)
    def test_plain_value_keeps_value_and_type(self, run: OpenRun, value: Any) -> None:
        """What needs no annotation arrives as it was sent, there and back."""

        async def send() -> tuple[Any, str]:
            values = run.client(Values)
            return await values.untyped(value), await values.type_name(value)

        received, kind = run.do(send())
        assert received == value
        assert type(received) is type(value)
        assert kind == type(value).__name__

    @on_loop
    async def test_nan_travels(self, run: OpenRun) -> None:
        """Between services, not a number is a float like any other."""
        assert math.isnan(await run.client(Values).real(math.nan))
        assert math.isnan((await run.client(Values).untyped([math.nan]))[0])

    @on_loop
    async def test_sign_of_zero_is_kept(self, run: OpenRun) -> None:
        """Minus zero stays minus zero."""
        assert math.copysign(1, await run.client(Values).real(-0.0)) == -1

    @on_loop
    async def test_annotated_values_have_their_types(self, run: OpenRun) -> None:
        """An endpoint gets what it declares."""
        values = run.client(Values)
        await values.nothing(None)
        assert await values.boolean(True) is True
        assert await values.integer(7) == 7
        assert await values.real(7) == 7.0
        assert await values.text("a") == "a"
        assert await values.data(b"a\x00") == b"a\x00"
        assert await values.sequence([1, 2]) == [1, 2]
        assert await values.mapping({"a": [1.5, 2]}) == {"a": [1.5, 2.0]}

    @on_loop
    async def test_dataclass(self, run: OpenRun) -> None:
        """A dataclass arrives as one, nested ones too, and comes back as one."""
        parcel = await run.client(Values).parcel(Parcel("a", inside=[Parcel("b", 2)]))
        assert parcel == Parcel("a", 11, [Parcel("b", 2)])
        assert type(parcel.inside[0]) is Parcel

    @on_loop
    async def test_attrs_class(self, run: OpenRun) -> None:
        """An attrs class arrives as one and comes back as one."""
        assert await run.client(Values).point(Point(1.5)) == Point(1.5, 1.0)

    @on_loop
    async def test_msgspec_struct(self, run: OpenRun) -> None:
        """A Struct arrives as one and comes back as one."""
        assert await run.client(Values).span(Span(1)) == Span(1, 10)

    @on_loop
    async def test_typed_dict(self, run: OpenRun) -> None:
        """A TypedDict is checked, and stays a dict."""
        given: Note = {"title": "a", "tags": ["x"]}
        assert await run.client(Values).note(given) == {"title": "A", "tags": ["x"]}

    @pytest.mark.parametrize("given", [{"x": 1.5, "y": 2}, '{"x": 1.5, "y": 2}'], ids=["mapping", "text"])
    def test_model_may_be_given_in_other_forms(self, run: OpenRun, given: Any) -> None:
        """A model may be given as a mapping, or as its JSON text."""
        assert run.do(run.client(Values).point(given)) == Point(1.5, 3.0)

    @on_loop
    async def test_optional_model(self, run: OpenRun) -> None:
        """A union with None takes either."""
        values = run.client(Values)
        assert await values.optional() is None
        assert await values.optional(None) is None
        assert await values.optional(Point(2)) == Point(2)

    @on_loop
    async def test_misfit_of_a_model_is_told_by_path(self, run: OpenRun) -> None:
        """A wrong field of a model is an error that names it."""
        wrong: Any = {"label": "a", "inside": [{"label": 5}]}
        with pytest.raises(InvalidRequestError) as caught:
            await run.client(Values).parcel(wrong)
        assert list(caught.value.problems) == ["value"]
        assert "inside" in caught.value.problems["value"]

    @on_loop
    async def test_large_argument(self, run: OpenRun) -> None:
        """8 MiB on the way there."""
        assert await run.client(Values).size_bytes(bytes(LARGE_BYTES)) == LARGE_BYTES

    @on_loop
    async def test_large_result(self, run: OpenRun) -> None:
        """8 MiB on the way back."""
        assert await run.client(Values).zeros(LARGE_BYTES) == bytes(LARGE_BYTES)

    @pytest.mark.parametrize(
        "value",
        [2**64, -(2**63) - 1, {1: "a"}, {None: 1}, object(), "\ud800"],
        ids=["too large", "too small", "number as key", "none as key", "object", "surrogate"],
    )
    def test_what_cannot_travel_is_refused_before_sending(self, run: OpenRun, value: Any) -> None:
        """Such a value is the caller's error, and the far side never hears of it."""
        with pytest.raises(UnsupportedValueError, match="value"):
            run.do(run.client(Values).untyped([value]))

    @on_loop
    async def test_nothing_is_shared(self, run: OpenRun) -> None:
        """What comes back is another object, in one process too."""
        given = {"a": [1]}
        received = await run.client(Values).untyped(given)
        assert received == given
        assert received is not given
        assert received["a"] is not given["a"]

    @pytest.mark.parametrize("form", ["model", "mapping", "text"])
    def test_pydantic_model(self, open_run: Callable[[type], OpenRun], form: str) -> None:
        """A pydantic model may be given as the model, as a mapping, as its JSON text, and comes back as one."""
        values, review_class = _pydantic_services()
        review = review_class(title="a", stars=2)
        given: Any = {"model": review, "mapping": review.model_dump(), "text": review.model_dump_json()}[form]
        run = open_run(values)
        improved = run.do(run.client(values).improve(given))
        assert type(improved) is review_class
        assert improved == review_class(title="a", stars=3)

    def test_pydantic_rules_are_followed(self, open_run: Callable[[type], OpenRun]) -> None:
        """A model's own rules are checked before the method runs."""
        values, _ = _pydantic_services()
        run = open_run(values)
        wrong: Any = {"title": "", "stars": 9}
        with pytest.raises(InvalidRequestError) as caught:
            run.do(run.client(values).improve(wrong))
        assert list(caught.value.problems) == ["review"]


def _pydantic_services() -> tuple[type[PydanticValues], type[Review]]:
    pytest.importorskip("pydantic")
    from dynamo_core.testing.conformance.services.pydantic_values import PydanticValues, Review

    return PydanticValues, Review
