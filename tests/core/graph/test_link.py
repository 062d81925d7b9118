"""Graphs of chosen services, and edges to abstract classes."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Protocol

import pytest

from dynamo_core import depends, endpoint, link, service
from dynamo_core.errors import DeclarationError, GraphError
from dynamo_core.graph import collect, collect_graph
from dynamo_core.inspection import define_service
from dynamo_core.loader import load_graph

from .user_code import assert_told, write_module

if TYPE_CHECKING:
    from pathlib import Path

    from dynamo_core import ServiceGraph


class Engine(ABC):
    @endpoint
    @abstractmethod
    def generate(self, text: str, limit: int = 3) -> AsyncIterator[str]: ...


class SmallEngine(Engine):
    async def generate(self, text: str, limit: int = 3) -> AsyncIterator[str]:
        yield text


class LargeEngine(Engine):
    async def generate(self, text: str, limit: int = 9, *, style: str = "") -> AsyncIterator[str]:
        yield text


class Store(Protocol):
    async def read(self, key: str) -> str: ...


class Memory:
    @endpoint
    async def read(self, key: str) -> str:
        return key


@service
class Middle:
    engine = depends(Engine)
    memory = depends(Memory)


@service
class Frontend:
    middle = depends(Middle)
    store = depends(Store)


def edges(graph: ServiceGraph) -> dict[str, Mapping[str, str | None]]:
    return {
        service.name: {name: edge.service_name for name, edge in service.dependencies.items()}
        for service in graph.services
    }


def test_link_keeps_edges_between_the_chosen() -> None:
    """Others are left out, and so is what they lead to."""
    assert edges(link(Frontend, Middle)) == {
        "Middle": {"engine": None, "memory": None},
        "Frontend": {"middle": "Middle", "store": None},
    }
    assert edges(link(Frontend)) == {"Frontend": {"middle": None, "store": None}}


def test_link_binds_abstract_edges_to_the_chosen() -> None:
    """A class derived from the abstract one, or that has the endpoints of the protocol."""
    graph = link(Frontend, Middle, LargeEngine, Memory)
    assert edges(graph) == {
        "LargeEngine": {},
        "Memory": {},
        "Middle": {"engine": "LargeEngine", "memory": "Memory"},
        "Frontend": {"middle": "Middle", "store": "Memory"},
    }
    assert graph.find_service("Middle").dependencies["engine"].on is Engine


def test_one_class_may_be_linked_twice() -> None:
    """Neither graph knows of the other."""
    small, large = link(Middle, SmallEngine), link(Middle, LargeEngine)
    assert edges(small)["Middle"]["engine"] == "SmallEngine"
    assert edges(large)["Middle"]["engine"] == "LargeEngine"


def test_two_that_fit_are_refused() -> None:
    """Guessing would be worse; the message has both, and how to choose."""
    message = (
        r"Middle\.engine needs one Engine, and SmallEngine and LargeEngine implement it; name one: link\("
    )
    with pytest.raises(GraphError, match=message):
        link(Middle, SmallEngine, LargeEngine)
    created = [define_service(cls) for cls in (Middle, SmallEngine, LargeEngine)]
    with pytest.raises(
        GraphError, match=r"name one in the configuration: Middle: \{ServiceArgs: \{bind: \{eng"
    ):
        collect_graph(created, entry=created[0])


def test_link_may_say_which_of_two_is_meant() -> None:
    """As when both are in the graph, for different edges."""

    class Both:
        quick = depends(Engine)
        good = depends(Engine)

        @endpoint
        async def run(self) -> None: ...

    graph = link(
        Both,
        SmallEngine,
        LargeEngine,
        bindings={("Both", "quick"): "SmallEngine", ("Both", "good"): "LargeEngine"},
    )
    assert edges(graph)["Both"] == {"quick": "SmallEngine", "good": "LargeEngine"}


class Other:
    @endpoint
    async def write(self, key: str) -> None: ...


def test_linked_service_that_is_not_reached_is_refused() -> None:
    """It would never be called."""
    message = "Other is linked and not reached from Frontend: none of the linked services depends on it"
    with pytest.raises(GraphError, match=message):
        link(Frontend, Other)
    with pytest.raises(GraphError, match="SmallEngine is linked and not reached from Frontend"):
        link(Frontend, SmallEngine)


def test_service_that_nearly_fits_is_told_why_it_does_not() -> None:
    """Kinds, names, defaults and order count."""

    class Wrong:
        @endpoint
        def read(self, key: str) -> str:
            return key

    class Lacking:
        @endpoint
        async def read(self, name: str) -> str:
            return name

    with pytest.raises(
        GraphError, match="Wrong cannot stand for Store: its 'read' is sync, where unary is asked"
    ):
        link(Frontend, Wrong)
    with pytest.raises(
        GraphError,
        match="Lacking cannot stand for Store: its 'read' takes no 'key'; its 'read' wants 'name' as",
    ):
        link(Frontend, Lacking)


def test_derived_service_must_fit_as_well(imports: Path) -> None:
    """The place is that of the edge."""
    code = """
        class Engine(ABC):
            @endpoint
            @abstractmethod
            async def generate(self, text: str, limit: int = 3) -> str: ...

        class Bad(Engine):
            async def generate(self, limit: int, text: str) -> str: ...

        @service
        class Frontend:
            engine = depends(Engine)  # ! Bad cannot stand for Engine: its 'generate' cannot do without 'limit'; its 'generate' takes limit, text by position, where text, limit is asked for

        graph = link(Frontend, Bad)
    """
    path = write_module(imports, code)
    with pytest.raises(GraphError) as caught:
        load_graph(f"{path}:graph")
    told = [problem for problem in caught.value.problems if "linked and not reached" not in problem.message]
    assert_told(GraphError("", told), path)


@pytest.mark.parametrize("chosen", [int, Engine])
def test_link_takes_services_that_can_run(chosen: type) -> None:
    """Neither a class that is none, nor an abstract one."""
    with pytest.raises(GraphError, match=f"{chosen.__name__} .*(is no service|cannot be run)"):
        link(chosen)
    with pytest.raises(GraphError, match=f"{chosen.__name__} .*(is no service|cannot be run)"):
        link(Frontend, Middle, chosen)


def test_link_takes_classes_only() -> None:
    """Told before anything is read."""
    with pytest.raises(DeclarationError, match=r"link\(\) takes the classes of services, got 'Frontend'"):
        link("Frontend")  # type: ignore[arg-type]  # refused at run time too


def test_program_gives_services_for_abstract_edges() -> None:
    """What was created comes into question, as in link."""
    created = [define_service(SmallEngine), define_service(Middle)]
    graph = collect_graph(created, entry=created[1])
    assert edges(graph)["Middle"] == {"engine": "SmallEngine", "memory": "Memory"}


def test_service_never_stands_for_its_own_dependency() -> None:
    """Such as one that passes calls on to another of its kind."""

    class Cache(Engine):
        beneath = depends(Engine)

        async def generate(self, text: str, limit: int = 3) -> AsyncIterator[str]:
            async for item in self.beneath.generate(text, limit):
                yield item

    graph = link(Cache, SmallEngine)
    assert edges(graph)["Cache"] == {"beneath": "SmallEngine"}


class Shout(Protocol):
    async def say(self, text: str) -> str: ...


class Last:
    @endpoint
    async def say(self, text: str) -> str:
        return text


class Second:
    below = depends(Shout)

    @endpoint
    async def say(self, text: str) -> str:
        return await self.below.say(text)


class First:
    below = depends(Second)

    @endpoint
    async def say(self, text: str) -> str:
        return await self.below.say(text)


class Declared(Shout):
    @endpoint
    async def say(self, text: str) -> str:
        return text


def test_service_that_leads_back_is_no_candidate() -> None:
    """In a chain where each link has the same endpoints, only the one below comes into question."""
    assert edges(link(First, Second, Last))["Second"] == {"below": "Last"}
    created = [define_service(cls) for cls in (Second, First, Last)]
    assert edges(collect_graph(created, entry=created[1]))["Second"] == {"below": "Last"}


def test_class_that_names_the_protocol_goes_before_one_that_only_fits() -> None:
    """What is said counts more than what happens to be so."""
    created = [define_service(cls) for cls in (Second, Last, Declared)]
    assert edges(collect_graph(created, entry=created[0]))["Second"] == {"below": "Declared"}


# --- bindings from the configuration ----------------------------------------------------------------------


def test_binding_chooses_by_name() -> None:
    """Services of the modules at hand, and classes derived from the abstract one, are known."""
    graph = collect(Frontend, bindings={("Middle", "engine"): "LargeEngine", ("Frontend", "store"): "Memory"})
    assert edges(graph)["Middle"]["engine"] == "LargeEngine"
    assert edges(graph)["Frontend"]["store"] == "Memory"


def test_binding_may_name_a_class_of_another_module(imports: Path) -> None:
    """As ``module:Class``."""
    path = write_module(
        imports,
        f"""
        from {__name__} import Engine

        class FarEngine(Engine):
            async def generate(self, text: str, limit: int = 3) -> AsyncIterator[str]:
                yield text
        """,
    )
    sys.path.insert(0, str(imports))
    graph = collect(Middle, bindings={("Middle", "engine"): f"{path.stem}:FarEngine"})
    assert edges(graph)["Middle"]["engine"] == "FarEngine"


def test_binding_may_replace_a_service_by_one_derived_from_it() -> None:
    """Also where the edge names a class that could run itself."""

    class FastMemory(Memory): ...

    graph = collect(
        Middle, bindings={("Middle", "engine"): "SmallEngine", ("Middle", "memory"): "FastMemory"}
    )
    assert edges(graph)["Middle"]["memory"] == "FastMemory"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("LargeEngin", "no service of that name is known, did you mean 'LargeEngine'"),
        ("Engine", "no service of that name is known"),
        ("Memory", "Memory is not derived from Engine"),
        ("no_such_module:Engine", "there is no module named 'no_such_module'"),
        ("builtins:int", "int is no service"),
        ("builtins:len", "builtin_function_or_method, no class"),
    ],
)
def test_binding_that_cannot_be_is_refused(name: str, message: str) -> None:
    """With the place of the edge and the reason."""
    with pytest.raises(GraphError, match=message) as caught:
        collect(Middle, bindings={("Middle", "engine"): name})
    location = caught.value.problems[0].location
    assert location is not None
    assert location.file == __file__


def test_misspelt_binding_is_shown_where_one_is_missing() -> None:
    """The configuration tells its place once the graph is whole."""
    with pytest.raises(GraphError, match="it binds 'engin', which is no dependency of Middle"):
        collect(Middle, bindings={("Middle", "engin"): "SmallEngine"})


def test_linked_graph_can_be_bound_otherwise() -> None:
    """What was replaced is left out."""
    graph = link(Middle, SmallEngine)
    assert graph.rebound({}) is graph
    bound = graph.rebound({("Middle", "engine"): "LargeEngine"})
    assert edges(bound) == {"LargeEngine": {}, "Middle": {"engine": "LargeEngine", "memory": None}}
