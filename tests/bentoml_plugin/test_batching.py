"""Calls of batchable endpoints are joined, whichever way they come in."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dynamo_bentoml import BentoMLDeploymentTarget
from dynamo_core import RemoteCallError, to_async, with_options
from dynamo_core.errors import CallTimeoutError
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph
from dynamo_core.provider.loop_thread import LoopThread

from .runs_for_tests import GRAPHS, Runs

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

CALLS = 64


class OnLoop:
    """A running graph on a loop of its own, shared by the tests of a class."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._thread = LoopThread("batching")
        self._opened: Any = None
        self.services: Any = None
        self._end = asyncio.Event()
        opened = asyncio.Event()

        async def main() -> None:
            graph = load_graph(target)
            try:
                async with run_graph(BentoMLDeploymentTarget(), graph) as self.services:
                    opened.set()
                    await self._end.wait()
            finally:
                opened.set()

        self._thread.start(main)
        with contextlib.suppress(Exception):
            self._thread.call(opened.wait())
        if self.services is None:
            self._thread.join()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._thread.call(work)

    def close(self) -> None:
        self._thread.call_soon(self._end.set)
        self._thread.join()


@pytest.fixture(scope="class")
def run(shared_runs: Runs) -> Iterator[OnLoop]:
    """The graph of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_runs.environ().items():
            patch.setenv(name, value)
        opened = OnLoop(f"{GRAPHS}/batches.py:Caller")
    yield opened
    opened.close()


class TestBatching:
    """One run, many batches."""

    def test_many_callers_share_batches(self, run: OnLoop, capsys: pytest.CaptureFixture[str]) -> None:
        """Each gets its own results; sizes are printed."""

        async def call() -> None:
            model = run.services.client("Model")
            await model.sizes()
            for _ in range(3):  # BentoML's dispatcher learns from the first ones
                answers = await asyncio.gather(*(to_async(model.double)([n, -n]) for n in range(CALLS)))
                assert answers == [[2 * n, -2 * n] for n in range(CALLS)]
            sizes = await model.sizes()
            with capsys.disabled():
                print(f"\n3 × {CALLS} callers with 2 inputs each, at most 64 together: batches of {sizes}")
            assert sum(sizes) == 3 * CALLS * 2
            assert max(sizes) <= 64
            assert len(sizes) < 3 * CALLS / 2

        run.do(call())

    def test_calls_through_depends_are_joined(self, run: OnLoop) -> None:
        """As those from outside."""

        async def call() -> None:
            model = run.services.client("Model")
            await model.sizes()
            assert await run.services.client("Caller").double_all(list(range(CALLS))) == [
                2 * n for n in range(CALLS)
            ]
            assert len(await model.sizes()) < CALLS / 2

        run.do(call())

    def test_calls_over_http_are_joined_with_others(self, run: OnLoop) -> None:
        """Asynchronous methods as well."""

        async def call() -> None:
            model = run.services.client("Model")
            await model.sizes()
            url = (await run.services.status()).find_service("Model").http_url
            async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
                posts = [client.post("/halve", json={"inputs": [n]}) for n in range(CALLS)]
                calls = [model.halve([n]) for n in range(CALLS)]
                answers = await asyncio.gather(*posts, *calls)
                metrics = (await client.get("/metrics")).text
            assert [answer.json() for answer in answers[:CALLS]] == [[n / 2] for n in range(CALLS)]
            assert answers[CALLS:] == [[n / 2] for n in range(CALLS)]
            assert len(await model.sizes()) < CALLS
            assert "bentoml_service_adaptive_batch_size_count" in metrics

        run.do(call())

    def test_lone_call_does_not_wait_for_others(self, run: OnLoop) -> None:
        """And an empty one is run by itself."""

        async def call() -> None:
            model = run.services.client("Model")
            async with asyncio.timeout(20):
                for number in range(10):
                    assert await model.halve([number]) == [number / 2]
                assert await model.halve([]) == []

        run.do(call())

    def test_more_inputs_than_a_batch_holds_are_split(self, run: OnLoop) -> None:
        """And their results joined again."""

        async def call() -> None:
            model = run.services.client("Model")
            await model.sizes()
            assert await to_async(model.double)(list(range(200))) == [2 * n for n in range(200)]
            sizes = await model.sizes()
            assert sum(sizes) == 200
            assert max(sizes) <= 64

        run.do(call())

    def test_failure_of_a_batch_reaches_every_caller(self, run: OnLoop) -> None:
        """As the endpoint's own."""

        async def call() -> None:
            model = run.services.client("Model")
            answers = await asyncio.gather(*(model.refuse([n]) for n in range(4)), return_exceptions=True)
            for answer in answers:
                assert isinstance(answer, RemoteCallError)
                assert answer.type_name == "ValueError"
                assert "cannot take" in answer.message

        run.do(call())

    def test_wrong_number_of_results_is_an_error(self, run: OnLoop) -> None:
        """Nobody gets what is another's."""

        async def call() -> None:
            with pytest.raises(RemoteCallError, match="1 inputs and gave 0 results"):
                await run.services.client("Model").forget([1])

        run.do(call())

    def test_batch_for_which_nobody_waits_is_cancelled(self, run: OnLoop) -> None:
        """A deadline of one caller does not end the others' batch."""

        async def call() -> None:
            model = run.services.client("Model")
            await model.sizes()
            with pytest.raises(CallTimeoutError):
                await with_options(model, timeout_s=0.3).wait([1])
            async with asyncio.timeout(10):
                while -1 not in await model.sizes():
                    await asyncio.sleep(0.02)

        run.do(call())
