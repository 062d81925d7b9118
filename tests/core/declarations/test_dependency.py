"""``depends``: itself on the class, a client or a fake on an instance."""

from __future__ import annotations

import dataclasses
from typing import Any

import attrs
import pytest

from dynamo_core import Dependency, UnboundDependencyError, depends, endpoint
from dynamo_core.errors import GraphError
from dynamo_core.inspection import define_service


class Backend:
    @endpoint
    async def say(self, text: str) -> str:
        return text


class Fake(Backend):
    async def say(self, text: str) -> str:
        return f"fake {text}"


class Frontend:
    backend = depends(Backend)
    later = depends("Backend")

    @endpoint
    async def say(self, text: str) -> str:
        return await self.backend.say(text)


class Child(Frontend):
    other = depends(Backend)


async def test_fake_can_be_set_on_an_instance() -> None:
    """And only there."""
    frontend, another = Frontend(), Frontend()
    frontend.backend = Fake()
    assert await frontend.say("a") == "fake a"
    with pytest.raises(UnboundDependencyError):
        await another.say("a")


def test_dependency_on_the_class_is_itself() -> None:
    """With what it was told."""
    assert isinstance(Frontend.backend, Dependency)
    assert Frontend.backend.on is Backend
    assert Child.backend is Frontend.backend
    assert (repr(Frontend.backend), repr(Frontend.later)) == ("depends(Backend)", "depends(Backend)")
    assert Frontend.backend.location.file == __file__


def test_unbound_one_says_what_to_do() -> None:
    """An ``AttributeError`` too, as for any attribute that is not there."""
    with pytest.raises(
        UnboundDependencyError, match=r"Child\.backend is not bound.*dynamo_core\.testing\.running"
    ):
        Child().backend  # noqa: B018  # reading it is the test
    assert not hasattr(Frontend(), "backend")


def test_fake_can_be_taken_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``monkeypatch`` does in the end."""
    frontend = Frontend()
    with monkeypatch.context() as patch:
        patch.setattr(frontend, "backend", Fake(), raising=False)
        assert isinstance(frontend.backend, Fake)
    assert not hasattr(frontend, "backend")
    with pytest.raises(UnboundDependencyError):
        del frontend.backend


async def test_dependency_may_be_set_after_the_class_is_made() -> None:
    """Under the attribute that it has then."""

    class Late:
        backend: Any
        other: Any

        @endpoint
        async def say(self) -> None: ...

    Late.backend = depends(Backend)
    Late.other = depends(Frontend)
    assert list(define_service(Late).dependencies) == ["backend", "other"]
    first, second = Late(), Late()
    first.backend = Fake()
    first.other = Frontend()
    assert (type(first.backend), type(first.other)) == (Fake, Frontend)
    with pytest.raises(UnboundDependencyError, match=r"Late\.backend is not bound"):
        second.backend  # noqa: B018  # reading it is the test


def test_one_dependency_may_have_two_names() -> None:
    """Both lead to the same client."""

    class Twice:
        first = second = depends(Backend)

        @endpoint
        async def say(self) -> None: ...

    twice = Twice()
    twice.second = Fake()
    assert twice.first is twice.second
    assert list(define_service(Twice).dependencies) == ["first", "second"]


def test_dependency_of_another_class_can_be_used_again() -> None:
    """The first one keeps its name."""

    class Again:
        renamed = Frontend.backend

    with pytest.raises(UnboundDependencyError, match=r"Frontend\.backend"):
        Frontend().backend  # noqa: B018  # reading it is the test
    with pytest.raises(UnboundDependencyError, match=r"Again\.renamed"):
        Again().renamed  # noqa: B018  # reading it is the test


def test_dependencies_that_would_share_a_place_are_refused() -> None:
    """One that was taken from another class beside one that has its name."""

    class Both:
        backend = depends(Backend)
        renamed = Frontend.backend

        @endpoint
        async def say(self) -> None: ...

    with pytest.raises(GraphError, match=r"Both\.backend and renamed would keep their clients in one place"):
        define_service(Both)


def test_dataclass_does_not_take_the_dependency_for_a_client() -> None:
    """Its generated constructor sets every annotated attribute to what it found on the class."""

    @dataclasses.dataclass
    class Data:
        backend: Dependency[Backend] = depends(Backend)  # noqa: RUF009  # on purpose
        count: int = 0

    with pytest.raises(UnboundDependencyError, match=r"Data\.backend is not bound"):
        Data().backend  # noqa: B018  # reading it is the test
    client: Any = Fake()
    built = Data.__new__(Data)
    built.backend = client
    built.__init__()  # type: ignore[misc]  # as a worker builds it
    assert built.backend is client


def test_class_with_slots_is_refused_once_it_is_inspected() -> None:
    """A client has no place on its instances."""

    @attrs.define
    class Slotted:
        backend = depends(Backend)

        @endpoint
        async def say(self) -> None: ...

    with pytest.raises(GraphError, match="Slotted has dependencies and __slots__"):
        define_service(Slotted)
