"""``@service``, ``@endpoint``, ``@api`` and the life-cycle hooks: they mark, and change nothing."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from typing import TYPE_CHECKING

import pytest

from dynamo_core import (
    DynamoConfig,
    HttpConfig,
    api,
    async_on_start,
    endpoint,
    liveness,
    on_shutdown,
    on_start,
    readiness,
    service,
)
from dynamo_core.errors import EXIT_DECLARATION, DeclarationError
from dynamo_core.inspection import define_service
from dynamo_core.loader import load_graph

from ..graph.user_code import marked_lines, write_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@service(workers=2)
class Counter:
    """Counts."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    @endpoint
    async def add(self, number: int) -> int:
        """Add a number."""
        self.count += number
        return self.count

    @api(path="/numbers", timeout_s=1)
    async def numbers(self) -> AsyncIterator[int]:
        for number in range(self.count):
            yield number

    @on_start
    def load(self) -> None:
        self.count = 10


def test_decorators_return_what_they_mark() -> None:
    """The class itself and the function itself."""

    class Plain: ...

    async def method(self: object) -> None: ...

    def hook(self: object) -> None: ...

    async def async_hook(self: object) -> None: ...

    assert service(Plain) is Plain
    assert service(name="other")(Plain) is Plain
    for decorator in (endpoint, api, endpoint(name="a"), api(name="a")):
        assert decorator(method) is method
    for mark in (on_start, on_shutdown, liveness, readiness):
        assert mark(hook) is hook
    assert async_on_start(async_hook) is async_hook


def test_marked_class_stays_an_ordinary_one() -> None:
    """``isinstance``, ``inspect`` and pickling work."""
    counter = Counter(3)
    assert isinstance(counter, Counter)
    assert inspect.iscoroutinefunction(Counter.add)
    assert inspect.isasyncgenfunction(Counter.numbers)
    assert list(inspect.signature(Counter.add).parameters) == ["self", "number"]
    assert inspect.getdoc(Counter.add) == "Add a number."
    assert pickle.loads(pickle.dumps(Counter)) is Counter
    assert pickle.loads(pickle.dumps(counter)).count == 3


async def test_methods_can_be_called_directly() -> None:
    """As in a plain unit test; no hook runs by itself."""
    counter = Counter()
    assert await counter.add(2) == 2
    assert [number async for number in counter.numbers()] == [0, 1]
    counter.load()
    assert await counter.add(1) == 11


def test_methods_can_be_called_without_pytest_help() -> None:
    """``asyncio.run`` is enough."""
    assert asyncio.run(Counter(1).add(1)) == 2


def test_every_option_of_the_decorator_reaches_the_configuration() -> None:
    """As mappings or as the classes."""

    async def app(scope: object, receive: object, send: object) -> None: ...

    @service(
        name="full",
        workers=3,
        resources={"cpu": 2},
        image={"python": "3.12"},
        envs=[{"name": "A", "value": "1"}],
        labels={"team": "a"},
        dynamo=DynamoConfig(enabled=True, namespace="space"),
        http=HttpConfig(port=9000),
        app=app,
        traffic={"max_concurrency": 4},
        supervision={"stop_timeout_s": 3},
        secrets=["TOKEN"],
        inherit_env=False,
        hardening=True,
        settings={"model": "small"},
    )
    class Full: ...

    definition = define_service(Full)
    config = definition.config
    assert (definition.name, definition.app, definition.serves_http) == ("full", app, True)
    assert (config.workers, config.resources.cpu, config.envs, config.labels) == (
        3,
        2,
        {"A": "1"},
        {"team": "a"},
    )
    assert (config.dynamo.namespace, config.http.port, config.traffic.max_concurrency) == ("space", 9000, 4)
    assert (config.supervision.stop_timeout_s, config.secrets) == (3, ("TOKEN",))
    assert (config.inherit_env, config.hardening, config.settings["model"]) == (False, True, "small")


BAD_NAMES = ["../x", "a/b", "", "a" * 200, "a\nb", "-rf", "circus.env.X", "naïve", "1a", "a b", "a\0", 3]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_name_that_no_service_may_have_is_refused(name: str) -> None:
    """With the rule, and where; nothing is made of such a name."""
    with pytest.raises(DeclarationError, match=r"must fit \[A-Za-z\]\[A-Za-z0-9_-\]\{0,63\}") as caught:

        @service(name=name)
        class Named: ...

    assert caught.value.exit_code == EXIT_DECLARATION
    location = caught.value.problem.location
    assert location is not None
    assert location.file == __file__
    assert "\n" not in str(caught.value)


WRONG = {
    "service option": "@service(workers=0)\nclass Frontend:  # ! @service on Frontend: workers must\n    pass\n",
    "service app": "@service(app=3)\nclass Frontend:  # ! app must be an ASGI application\n    pass\n",
    "service key": (
        "@service(\n    http={'prot': 1},\n)\nclass Frontend:  # ! did you mean 'port'\n    pass\n"
    ),
    "service on a function": "@service  # ! @service marks a class, got function\ndef frontend(): ...\n",
    "endpoint on a class": "@endpoint  # ! @endpoint marks a method written with def or async def, got type\nclass A: ...\n",
    "endpoint on a property": (
        "class A:\n    @endpoint  # ! got property; @staticmethod\n    @property\n    def a(self): ...\n"
    ),
    "api on a staticmethod": (
        "class A:\n    @api(path='/')  # ! @api marks a method written with def or async def, got staticmethod\n"
        "    @staticmethod\n    def a(): ...\n"
    ),
    "name": "class A:\n    @endpoint(name='a b')\n    def a(self): ...  # ! must match [A-Za-z_]\n",
    "name of the wrong type": "class A:\n    @endpoint(name=3)\n    def a(self): ...  # ! got 3\n",
    "name of Python's": "class A:\n    @endpoint\n    def __call__(self): ...  # ! '__call__' cannot be an endpoint\n",
    "name that is not ASCII": "class A:\n    @endpoint\n    def naïve(self): ...  # ! must match [A-Za-z_]\n",
    "timeout": "class A:\n    @endpoint(timeout_s=0)\n    def a(self): ...  # ! timeout_s must be a number above 0\n",
    "timeout for ever": (
        "class A:\n    @endpoint(timeout_s=float('inf'))\n    async def a(self): ...  # ! got inf\n"
    ),
    "timeout that is no number": "class A:\n    @endpoint(timeout_s=True)\n    def a(self): ...  # ! got True\n",
    "concurrency": "class A:\n    @api(max_concurrency=0)\n    def a(self): ...  # ! must be an integer >= 1, got 0\n",
    "flag": "class A:\n    @api(idempotent='no')\n    def a(self): ...  # ! idempotent must be True or False\n",
    "method": "class A:\n    @api(method='HEAD')\n    def a(self): ...  # ! method must be one of GET, POST\n",
    "method of the wrong type": "class A:\n    @api(method=3)\n    def a(self): ...  # ! got 3\n",
    "path": "class A:\n    @api(path='a')\n    def a(self): ...  # ! path must start with '/'\n",
    "path with a parameter": "class A:\n    @api(path='/a/{b}')\n    def a(self): ...  # ! path must start with '/'\n",
    "hook with an argument": "class A:\n    @on_start\n    def a(self, b): ...  # ! calls a without arguments, and it wants 'b'\n",
    "hook without self": "class A:\n    @on_start\n    def a(): ...  # ! a has no first parameter for the instance\n",
    "hook that is async": "class A:\n    @on_start\n    async def a(self): ...  # ! mark it with @async_on_start\n",
    "hook that is a generator": "class A:\n    @on_shutdown\n    def a(self): yield  # ! and a is a generator\n",
    "hook on a classmethod": (
        "class A:\n    @on_start\n    @classmethod\n    def a(cls): ...  # ! got classmethod\n"
    ),
    "depends on a value": "class A:\n    a = depends(3)  # ! depends() takes a class or the name of one, got 3\n",
    "depends on a function": "class A:\n    a = depends(len)  # ! takes a class or the name of one\n",
    "depends at no address": (
        "class A:\n    a = depends('A', url='127.0.0.1:80')  # ! takes an http:// or https:// address\n"
    ),
}


@pytest.mark.parametrize("code", WRONG.values(), ids=WRONG)
def test_wrong_use_is_told_when_the_module_is_imported(imports: Path, code: str) -> None:
    """Once, with the line of the ``def`` or ``class``, or of the decorator when there is none."""
    path = write_module(imports, code)
    with pytest.raises(DeclarationError) as caught:
        load_graph(f"{path}:Frontend")
    ((line, text),) = marked_lines(path)
    location = caught.value.problem.location
    assert location is not None
    assert (location.file, location.line) == (str(path), line), caught.value
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "http:///a", "http://a:0", "http://a:99999", "http://[::1", "", 3, "HTTP"]
)
def test_address_that_is_none_is_refused(url: str) -> None:
    """It must have a host, and a port that can be."""
    from dynamo_core import depends

    with pytest.raises(DeclarationError, match="takes an http:// or https:// address"):
        depends("Backend", url=url)
