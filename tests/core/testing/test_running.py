"""Running services in a test of one's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Protocol

import httpx
import pytest

from dynamo_core import (
    InvalidRequestError,
    ServiceConfig,
    ServiceContext,
    api,
    current_call,
    depends,
    endpoint,
    link,
    on_start,
    service,
    to_async,
)
from dynamo_core.errors import (
    AddressInUseError,
    ConfigError,
    GraphError,
    ProviderNotFoundError,
    ServiceNotFoundError,
    StartError,
)
from dynamo_core.testing import running, running_services


@service
class Model:
    """Takes long to load, and needs a machine that is not here."""

    @on_start
    def load(self) -> None:
        raise RuntimeError("no such machine")

    @endpoint
    async def generate(self, text: str) -> AsyncIterator[str]:
        for word in text.split():
            yield word

    @endpoint
    async def size(self) -> int:
        return 70


@service
class Prompts:
    model = depends(Model)
    context: ServiceContext

    @api
    async def generate(self, text: str) -> list[str]:
        prefix = self.context.settings.get("prefix", "")
        return [prefix + word async for word in self.model.generate(text)]

    @endpoint
    def shout(self, text: str) -> str:
        return text.upper()


@service
class EchoModel:
    @endpoint
    async def generate(self, text: str) -> AsyncIterator[str]:
        yield text


async def test_local_classes_run():
    @service
    class Backend:
        @endpoint
        async def double(self, number: int) -> int:
            return number * 2

    @service
    class Frontend:
        backend = depends(Backend)

        @endpoint
        async def quadruple(self, number: int) -> int:
            return await self.backend.double(await self.backend.double(number))

    async with running(Frontend) as frontend:
        assert await frontend.quadruple(3) == 12
        with pytest.raises(InvalidRequestError):
            await frontend.quadruple("three")


async def test_fake_takes_the_place_of_a_service():
    async with running(Prompts, fakes={Model: EchoModel}) as prompts:
        assert await prompts.generate("a b") == ["a b"]


async def test_without_a_fake_the_real_service_is_started():
    with pytest.raises(StartError, match="no such machine"):
        async with running(Prompts):
            raise AssertionError("the run was given out")


async def test_fake_has_the_name_of_what_it_stands_for():
    async with running_services(Prompts, fakes={Model: EchoModel}) as services:
        assert [each.name for each in (await services.status()).services] == ["Model", "Prompts"]
        with pytest.raises(ServiceNotFoundError):
            services.client(Model)
        assert [item async for item in services.client(EchoModel).generate("a")] == ["a"]


async def test_what_only_the_real_service_needs_is_left_out():
    @service
    class Store:
        @endpoint
        async def get(self) -> str:
            return "stored"

    @service
    class Middle:
        store = depends(Store)

        @endpoint
        async def get(self) -> str:
            return await self.store.get()

    @service
    class Front:
        middle = depends(Middle)

        @endpoint
        async def get(self) -> str:
            return await self.middle.get()

    @service
    class Source:
        @endpoint
        async def read(self) -> str:
            return "read"

    @service
    class FakeMiddle:
        source = depends(Source)

        @endpoint
        async def get(self) -> str:
            return await self.source.read()

    async with running_services(Front, fakes={Middle: FakeMiddle}) as services:
        assert await services.client(Front).get() == "read"
        assert [each.name for each in (await services.status()).services] == ["Source", "Middle", "Front"]


async def test_fake_that_cannot_be_called_in_the_same_way_is_refused():
    @service
    class Wrong:
        @endpoint
        async def generate(self, prompt: str) -> str:
            return prompt

    with pytest.raises(GraphError, match="Wrong cannot be called as Model"):
        async with running(Prompts, fakes={Model: Wrong}):
            raise AssertionError("the run was given out")


async def test_fake_of_a_service_that_is_not_there():
    with pytest.raises(ServiceNotFoundError, match="EchoModel"):
        async with running(Prompts, fakes={EchoModel: EchoModel}):
            raise AssertionError("the run was given out")


async def test_configuration_changes_only_what_it_names():
    async with running_services(
        Prompts,
        fakes={Model: EchoModel},
        config={"Prompts": {"settings": {"prefix": "> "}}, "Model": {"workers": 2}},
    ) as services:
        assert await services.client(Prompts).generate("a") == ["> a"]
        status = await services.status()
        assert [len(each.workers) for each in status.services] == [2, 1]


async def test_configuration_by_class():
    config = ServiceConfig({"settings": {"prefix": "- "}})
    async with running(Prompts, fakes={Model: EchoModel}, config={Prompts: config}) as prompts:
        assert await prompts.generate("a") == ["- a"]


async def test_wrong_configuration_is_told():
    with pytest.raises(ConfigError, match="wrokers"):
        async with running(Prompts, config={Prompts: {"wrokers": 2}}):
            raise AssertionError("the run was given out")


async def test_linked_graph_runs():
    class Answers(Protocol):
        @endpoint
        async def answer(self) -> str: ...

    @service
    class Yes:
        @endpoint
        async def answer(self) -> str:
            return "yes"

    @service
    class Asking:
        answers = depends(Answers)

        @endpoint
        async def ask(self) -> str:
            return await self.answers.answer()

    async with running(link(Asking, Yes)) as asking:
        assert await asking.ask() == "yes"


async def test_several_services_without_an_edge_between_them():
    @service
    class Slots:
        @endpoint
        async def slot(self) -> int:
            call = current_call()
            return -1 if call is None else call.slot

    async with running_services(Slots, EchoModel) as services:
        assert await services.client(Slots).slot() == 0
        assert [item async for item in services.client(EchoModel).generate("a")] == ["a"]
    async with running(EchoModel, Slots) as model:
        assert [item async for item in model.generate("a")] == ["a"]


async def test_http_is_off_unless_asked_for():
    async with running_services(Prompts, fakes={Model: EchoModel}) as services:
        assert (await services.status()).services[1].http_url is None


async def test_http_takes_free_ports():
    """Two runs beside one another, of a service whose port was never chosen."""
    async with (
        running_services(Prompts, fakes={Model: EchoModel}, http=True) as first,
        running_services(Prompts, fakes={Model: EchoModel}, http=True) as second,
    ):
        urls = [(await each.status()).services[1].http_url for each in (first, second)]
        assert len({*urls}) == 2
        for url in urls:
            assert url is not None
            async with httpx.AsyncClient(base_url=url) as client:
                assert (await client.post("/generate", json={"text": "a b"})).json() == ["a b"]


async def test_port_that_was_chosen_is_kept():
    async with running_services(Prompts, fakes={Model: EchoModel}, http=True) as services:
        url = (await services.status()).services[1].http_url
        assert url is not None
        port = int(url.rsplit(":", 1)[1])
        config = {Prompts: {"http": {"port": port}}}
        with pytest.raises(AddressInUseError):
            async with running(Prompts, fakes={Model: EchoModel}, http=True, config=config):
                raise AssertionError("the run was given out")


async def test_blocking_endpoints_from_the_tests_loop():
    async with running(Prompts, fakes={Model: EchoModel}) as prompts:
        assert await to_async(prompts.shout)("hello") == "HELLO"


async def test_unknown_provider_is_told():
    with pytest.raises(ProviderNotFoundError, match="nobodys"):
        async with running(Prompts, provider="nobodys"):
            raise AssertionError("the run was given out")


def test_pytest_is_not_needed():
    """Neither to run services in a test, nor for workers that import the kit's services."""
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "import dynamo_core.testing\n"
        "import dynamo_core.testing.conformance.services.chain\n"
        "import dynamo_core.testing.conformance.services.web\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
