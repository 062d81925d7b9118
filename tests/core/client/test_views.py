"""Views: every endpoint in every form, of clients and of what a test puts in their place."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from dynamo_core import (
    endpoint,
    endpoint_of,
    service,
    to_async,
    to_async_stream,
    to_sync,
    to_sync_stream,
    with_options,
)
from dynamo_core.errors import BlockingCallError, EndpointNotFoundError

from .clients_for_tests import calling, in_thread


@service(name="Backend")
class Service:
    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    @endpoint
    async def one(self, a: int) -> int:
        return a + 1

    @endpoint
    def one_blocking(self, a: int) -> int:
        self.threads.append(threading.current_thread())
        return a + 1

    @endpoint
    async def many(self, upto: int) -> AsyncIterator[int]:
        for number in range(upto):
            yield number

    @endpoint
    def many_blocking(self, upto: int) -> Iterator[int]:
        yield from range(upto)


@contextlib.asynccontextmanager
async def stand_in(form: str) -> AsyncIterator[Any]:
    """A client of the service, or the service itself, as a unit test would set it."""
    if form == "client":
        async with calling(Service) as it:
            yield it.client
    else:
        yield Service()


FORMS = pytest.mark.parametrize("form", ["client", "service itself"])


@FORMS
@pytest.mark.parametrize("name", ["one", "one_blocking"])
async def test_one_result_in_both_forms(form: str, name: str) -> None:
    async with stand_in(form) as backend:
        method = getattr(backend, name)
        assert await to_async(method)(1) == 2
        assert await to_async(to_async(method))(a=1) == 2
        assert await in_thread(lambda: to_sync(method)(1)) == 2
        with pytest.raises(BlockingCallError):
            to_sync(method)(1)


@FORMS
@pytest.mark.parametrize("name", ["many", "many_blocking"])
async def test_a_stream_in_both_forms(form: str, name: str) -> None:
    async with stand_in(form) as backend:
        method = getattr(backend, name)
        assert [item async for item in to_async_stream(method)(3)] == [0, 1, 2]
        async with contextlib.aclosing(to_async_stream(method)(3)) as items:
            assert await anext(items) == 0
        assert await in_thread(lambda: list(to_sync_stream(method)(3))) == [0, 1, 2]

        def take_one() -> int:
            items = to_sync_stream(method)(3)
            first: int = next(items)
            items.close()
            return first

        assert await in_thread(take_one) == 0
        with pytest.raises(BlockingCallError):
            to_sync_stream(method)(3)


async def test_a_blocking_fake_does_not_block_the_loop() -> None:
    fake = Service()
    await to_async(fake.one_blocking)(1)
    assert fake.threads != [threading.current_thread()]


@FORMS
async def test_options_keep_what_views_see(form: str) -> None:
    async with stand_in(form) as backend:
        assert await to_async(with_options(backend, timeout_s=5).one_blocking)(1) == 2
        assert await endpoint_of(backend, "one")(1) == 2
        with pytest.raises(EndpointNotFoundError):
            endpoint_of(backend, "none")


async def test_a_view_for_the_other_kind_says_which_one_is_right() -> None:
    async with calling(Service) as it:
        for view, method, instead in (
            (to_async, it.client.many, "to_async_stream"),
            (to_sync, it.client.many_blocking, "to_sync_stream"),
            (to_async_stream, it.client.one, "to_async"),
            (to_sync_stream, it.client.one_blocking, "to_sync"),
        ):
            with pytest.raises(TypeError, match=rf"use {instead}\(\)"):
                view(method)
        with pytest.raises(TypeError, match=r"client\.generate"):
            to_async("one")  # type: ignore[call-overload]
