"""Mistakes in declarations: all told at once, each in its line, each once, in file order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import EXIT_DECLARATION, GraphError
from dynamo_core.loader import load_graph

from .user_code import assert_told, write_module

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "async generator that is annotated to give one value": """
        class Frontend:
            @endpoint
            async def generate(self) -> str:  # ! 'async def' with a yield and annotated to give str: annotate the items, as AsyncIterator[...]
                yield "a"
    """,
    "coroutine that is annotated to give items": """
        class Frontend:
            @endpoint
            async def generate(self) -> AsyncIterator[str]:  # ! 'async def' without a yield and annotated to give AsyncIterator[str]: yield the items
                return iter([])
    """,
    "async generator that is annotated as a generator": """
        class Frontend:
            @endpoint
            async def generate(self) -> Iterator[str]:  # ! annotate the items, as AsyncIterator[...]
                yield "a"
    """,
    "generator that is annotated as an async one": """
        class Frontend:
            @endpoint
            def generate(self) -> AsyncIterator[str]:  # ! 'def' with a yield and annotated to give AsyncIterator[str]
                yield "a"
    """,
    "generator that is annotated to give one value": """
        class Frontend:
            @endpoint
            def generate(self) -> list[str]:  # ! annotate the items, as Iterator[...]
                yield "a"
    """,
    "function that returns an async iterator": """
        class Frontend:
            @endpoint
            def generate(self) -> AsyncIterator[str]:  # ! 'def' without a yield and annotated to give AsyncIterator[str]: that belongs to 'async def' with a yield
                return self.other()
    """,
    "function that returns an iterator": """
        class Frontend:
            @endpoint
            def generate(self) -> Iterable[str]:  # ! yield the items, or annotate what it returns
                return []
    """,
    "coroutine that returns an iterator": """
        class Frontend:
            @endpoint
            async def generate(self) -> Iterator[str]:  # ! that belongs to 'def' with a yield
                return iter([])
    """,
    "function that returns an awaitable": """
        class Frontend:
            @endpoint
            def generate(self) -> Awaitable[str]:  # ! write it as 'async def' without a yield and annotate what awaiting it gives
                return self.other()
    """,
    "coroutine that is annotated as one": """
        class Frontend:
            @endpoint
            async def generate(self) -> Awaitable[str]:  # ! annotate what awaiting it gives
                return "a"
    """,
    "stream that something is sent into": """
        class Frontend:
            @endpoint
            async def generate(self) -> AsyncGenerator[str, int]:  # ! nothing is sent into a stream
                yield "a"
    """,
    "generator that returns something": """
        class Frontend:
            @endpoint
            def generate(self) -> Generator[str, None, int]:  # ! it returns nothing
                yield "a"
                return 1
    """,
    "kind hidden by a wrapper": """
        import functools

        def traced(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        class Frontend:
            @endpoint
            @traced
            async def generate(self) -> str:  # ! a decorator hides that behind a plain 'def'
                return "a"
    """,
    "batch of two parameters": """
        class Frontend:
            @endpoint(batchable=True)
            async def run(self, inputs: list[int], factor: int) -> list[int]:  # ! exactly one parameter, a list
                return inputs
    """,
    "batch of no list": """
        class Frontend:
            @endpoint(batchable=True)
            async def run(self, value: int) -> list[int]:  # ! write it as 'def ...(self, inputs: list[A]) -> list[B]'
                return [value]
    """,
    "batch that gives no list": """
        class Frontend:
            @endpoint(batchable=True)
            def run(self, inputs: list[int]) -> int:  # ! gives a list of the same length
                return len(inputs)
    """,
    "batch that streams": """
        class Frontend:
            @endpoint(batchable=True)
            async def run(self, inputs: list[int]) -> AsyncIterator[list[int]]:  # ! or leave batchable out
                yield inputs
    """,
}

SIGNATURES = {
    "no annotations": """
        class Frontend:
            @endpoint
            async def generate(self, text, more=1, *, last):  # ! has no annotation for 'text', 'more', 'last' && has no annotation for its result
                return text
    """,
    "arguments without names": """
        class Frontend:
            @endpoint
            async def generate(self, text: str, /, *more: str, **rest: str) -> str:  # ! 'text', which is positional-only && 'more', which stands for any number && 'rest', which stands for any number
                return text
    """,
    "no instance": """
        class Frontend:
            @endpoint
            async def generate() -> str:  # ! has no first parameter for the instance
                return "a"
    """,
    "annotation that names nothing": """
        class Frontend:
            @endpoint
            async def generate(self, text: Txt, number: list[Number]) -> Missing:  # ! for 'text' that cannot be resolved: name 'Txt' is not defined && for 'number' that cannot be resolved && for its result that cannot be resolved: name 'Missing'
                return text
    """,
    "annotation that is no type": """
        class Frontend:
            @endpoint
            async def generate(self, text: "1 +") -> str:  # ! for 'text' that cannot be resolved: SyntaxError
                return text
    """,
    "annotations that cannot travel": """
        class Model:
            pass

        class Frontend:
            @endpoint
            async def generate(self, model: Model, names: dict[int, str]) -> Model:  # ! unusable annotation for 'model': Model cannot be sent && unusable annotation for 'names' && unusable annotation for its result
                return model
    """,
    "method that is none": """
        import functools

        class Frontend:
            @staticmethod
            @endpoint
            async def first() -> str:  # ! marked as an endpoint and then made a staticmethod
                return "a"

            @classmethod
            @api
            async def second(cls) -> str:  # ! and then made a classmethod
                return "a"

            @property
            @endpoint
            def third(self) -> str:  # ! and then made a property
                return "a"

            @functools.lru_cache
            @endpoint
            def fourth(self) -> str:  # ! and then made a _lru_cache_wrapper
                return "a"

            @staticmethod
            @on_start
            def fifth(self) -> None:  # ! marked as a life-cycle hook and then made a staticmethod
                pass

            @endpoint
            async def sound(self) -> str:
                return "a"
    """,
    "constructor that wants arguments": """
        @service
        class Frontend:
            def __init__(self, model: str, *, size: int, other: int = 1) -> None:  # ! Frontend.__init__ wants 'model', 'size'
                self.model = model
    """,
    "generated constructor that wants arguments": """
        import dataclasses

        @service
        @dataclasses.dataclass
        class Frontend:  # ! Frontend.__init__ wants 'model'
            model: str
    """,
    "override of a hook that wants arguments": """
        class Base:
            @on_start
            def load(self) -> None:
                pass

        @service
        class Frontend(Base):
            def load(self, model: str) -> None:  # ! @on_start calls load without arguments, and it wants 'model'
                pass
    """,
}

NAMES = {
    "two endpoints of one name": """
        class Frontend:
            @endpoint(name="same")
            async def first(self) -> str:
                return "a"

            @endpoint(name="same")
            async def second(self) -> str:  # ! two endpoints named 'same', the methods 'first' and 'second'
                return "a"
    """,
    "two endpoints of one route": """
        class Frontend:
            @api
            async def first(self) -> str:
                return "a"

            @api(path="/first")
            async def second(self) -> str:  # ! two endpoints that claim POST /first, 'first' and 'second'
                return "a"

            @api(path="/first", method="get")
            async def third(self) -> str:
                return "a"
    """,
    "two services of one name": """
        class Backend:
            @endpoint
            async def generate(self) -> str:
                return "a"

        @service(name="Backend")
        class Other:  # ! two services are named 'Backend', Other here and Backend at
            pass

        @service
        class Frontend:
            first = depends(Backend)
            second = depends(Other)
    """,
    "name of a class that no service can have": """
        class Bäckend:  # ! a service's name must fit [A-Za-z]
            @endpoint
            async def generate(self) -> str:
                return "a"

        @service
        class Frontend:
            backend = depends(Bäckend)
    """,
}

EDGES = {
    "cycle": """
        @service
        class Backend:
            frontend = depends("Frontend")  # ! in a cycle: Frontend -> Middle -> Backend -> Frontend

        @service
        class Middle:
            backend = depends(Backend)

        @service
        class Frontend:
            middle = depends(Middle)
    """,
    "two cycles": """
        @service
        class Frontend:
            itself = depends("Frontend")  # ! in a cycle: Frontend -> Frontend
            middle = depends("Middle")

        @service
        class Middle:
            frontend = depends("Frontend")  # ! in a cycle: Frontend -> Middle -> Frontend
            again = depends("Frontend")
    """,
    "class that is no service": """
        class Backend:
            async def generate(self) -> str:
                return "a"

        @service
        class Frontend:
            backend = depends(Backend)  # ! Frontend.backend depends on Backend, which is no service
            other = depends(Backend)
            text = depends(str)  # ! Frontend.text depends on str, which is no service
    """,
    "name that leads nowhere": """
        @service
        class Backend:
            pass

        @service
        class Frontend:
            first = depends("Backnd")  # ! there is no 'Backnd' in module
            second = depends("Backend.Inner")  # ! has no 'Inner'
            third = depends("link")  # ! that is function, no class
    """,
    "abstract class that nothing is bound to": """
        class Backend(ABC):
            @endpoint
            @abstractmethod
            async def generate(self) -> str: ...

        class Store(Protocol):
            def read(self) -> str: ...

        @service
        class Frontend:
            backend = depends(Backend)  # ! Frontend.backend depends on Backend, which is abstract and not bound
            store = depends(Store)  # ! Frontend.store depends on Store, which is abstract and not bound
    """,
    "protocol that asks for nothing": """
        class Store(Protocol):
            size: int

        @service
        class Frontend:
            store = depends(Store)  # ! Frontend.store depends on Store, which is no service
    """,
    "abstract entry": """
        class Frontend(ABC):  # ! Frontend cannot be run, a method is not implemented: generate
            @endpoint
            @abstractmethod
            async def generate(self) -> str: ...
    """,
    "protocol with a stream that is async": """
        class Store(Protocol):
            async def read(self) -> AsyncIterator[str]: ...  # ! write it as a plain 'def' here

        @service
        class Frontend:
            store = depends(Store)  # ! not bound
    """,
    "address of a service that HTTP does not reach": """
        class Backend:
            @endpoint
            async def generate(self) -> str:
                return "a"

        @service
        class Frontend:
            backend = depends(Backend, url="http://127.0.0.1:8000")  # ! none of its methods is marked with @api
    """,
    "service with a mistake where a protocol is asked for": """
        class Store(Protocol):
            async def read(self, key: str) -> bytes: ...

        class Memory:
            @endpoint
            async def read(self, key) -> bytes: ...  # ! Memory.read has no annotation for 'key'

        @service
        class Frontend:
            store = depends(Store)

        graph = link(Frontend, Memory)
    """,
    "slots": """
        @service
        class Backend:
            pass

        @service
        class Frontend:  # ! Frontend has dependencies and __slots__
            __slots__ = ("x",)
            backend = depends(Backend)
    """,
}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=name)
        for cases in (KINDS, SIGNATURES, NAMES, EDGES)
        for name, code in cases.items()
    ],
)
def test_mistake_is_told_in_its_line(imports: Path, code: str) -> None:
    """And nothing else is."""
    path = write_module(imports, code)
    with pytest.raises(GraphError) as caught:
        load_graph(f"{path}:Frontend")
    assert_told(caught.value, path)
    assert caught.value.exit_code == EXIT_DECLARATION


def test_all_mistakes_are_told_at_once(imports: Path) -> None:
    """Also those that need the whole graph to be seen."""
    code = """
        class Store(Protocol):
            async def read(self) -> bytes: ...

        @service
        class Backend:
            middle = depends("Middle")  # ! in a cycle: Middle -> Backend -> Middle
            store = depends(Store)  # ! abstract and not bound

            @endpoint
            async def generate(self, text) -> str:  # ! has no annotation for 'text'
                return text

        @service
        class Middle:
            backend = depends(Backend)
            nothing = depends("Nothing")  # ! there is no 'Nothing'

        @service(name="Backend")
        class Other:  # ! two services are named 'Backend'
            pass

        class Helper: ...

        @service(workers=2)
        class Frontend:
            middle = depends(Middle)
            helper = depends(Helper)  # ! which is no service
            other = depends(Other)

            @api(
                path="/generate",
            )
            async def generate(self, text: str) -> str:  # ! 'async def' with a yield
                yield text
    """
    path = write_module(imports, code)
    with pytest.raises(GraphError) as caught:
        load_graph(f"{path}:Frontend")
    assert_told(caught.value, path)
    assert caught.value.graph == "Frontend"


def test_mistake_of_a_base_class_is_told_once(imports: Path) -> None:
    """However many services inherit it, and however many depend on them."""
    code = """
        class Base:
            @endpoint
            async def generate(self, text) -> str:  # ! Base.generate has no annotation for 'text'
                return text

        class First(Base): ...

        class Second(Base): ...

        class Middle:
            second = depends(Second)

            @endpoint
            async def run(self) -> None: ...

        @service
        class Frontend:
            first = depends(First)
            second = depends(Second)
            middle = depends(Middle)
    """
    path = write_module(imports, code)
    with pytest.raises(GraphError) as caught:
        load_graph(f"{path}:Frontend")
    assert_told(caught.value, path)


def test_mistakes_of_several_files_stand_file_by_file(imports: Path) -> None:
    """Each by its line."""
    broken = """
        class Backend:
            @endpoint
            async def first(self, text) -> str: ...

            @endpoint
            async def second(self, text) -> str: ...
    """
    backend = write_module(imports, broken)
    frontend = write_module(
        imports,
        f"""
        from {backend.stem} import Backend

        class Frontend:
            backend = depends(Backend)

            @endpoint
            async def first(self, text) -> str: ...
        """,
    )
    with pytest.raises(GraphError) as caught:
        load_graph(f"{frontend}:Frontend")
    places = [problem.location for problem in caught.value.problems]
    assert [place.file for place in places if place is not None] == [str(backend)] * 2 + [str(frontend)]
    assert places == sorted(
        places, key=lambda place: (place.file, place.line) if place is not None else ("", 0)
    )


def test_module_that_was_imported_twice_is_told_as_that(imports: Path) -> None:
    """As happens to the main program when another module imports from it."""
    backend = write_module(
        imports,
        """
        @service
        class Backend: ...
        """,
    )
    code = f"""
        import importlib.util, sys

        spec = importlib.util.spec_from_file_location("another_name", {str(backend)!r})
        module = sys.modules["another_name"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        from {backend.stem} import Backend

        @service
        class Frontend:
            first = depends(Backend)
            second = depends(module.Backend)
    """
    with pytest.raises(GraphError) as caught:
        load_graph(f"{write_module(imports, code)}:Frontend")
    del sys.modules["another_name"]
    (problem,) = caught.value.problems
    assert f"Backend was imported twice, as {backend.stem!r} and as 'another_name'" in problem.message


def test_nothing_of_another_graph_is_told(imports: Path) -> None:
    """A module may hold services that are broken and not asked for."""
    code = """
        class Broken:
            @endpoint
            async def generate(self, text) -> str: ...

        class Frontend:
            @endpoint
            async def generate(self, text: str) -> str: ...
    """
    assert load_graph(f"{write_module(imports, code)}:Frontend").name == "Frontend"
