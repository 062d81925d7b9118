"""Ray Serve: a deployment that holds a handle of another; the caller is one of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import ray
from ray import serve

from benchmarks.models import Prompt
from benchmarks.pinning import PLACE_VARIABLE, pin_callee, pin_caller
from benchmarks.sides.serving import print_figures
from benchmarks.work import ITEM, measure

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


@serve.deployment(max_ongoing_requests=1000)
class Backend:
    def __init__(self) -> None:
        pin_callee()

    async def echo(self, value: Any) -> Any:
        return value

    async def ready(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM

    async def suspending(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield ITEM

    async def slow(self, count: int) -> AsyncIterator[str]:
        for _ in range(count):
            yield ITEM
            await asyncio.sleep(0.005)


class Client:
    """A client; models and bytes are pickled as they are."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._streaming = backend.options(stream=True)

    async def echo(self, value: Any) -> Any:
        return await self._backend.echo.remote(value)

    async def echo_model(self, value: Prompt) -> Any:
        return await self._backend.echo.remote(value)

    async def echo_bytes(self, value: bytes) -> Any:
        return await self._backend.echo.remote(value)

    async def ready(self, count: int) -> AsyncIterator[Any]:
        async for item in self._streaming.ready.remote(count):
            yield item

    async def suspending(self, count: int) -> AsyncIterator[Any]:
        async for item in self._streaming.suspending.remote(count):
            yield item

    async def slow(self, count: int) -> AsyncIterator[Any]:
        async for item in self._streaming.slow.remote(count):
            yield item


@serve.deployment
class Frontend:
    def __init__(self, backend: Any) -> None:
        pin_caller()
        self._client = Client(backend)

    async def measure(self) -> dict[str, Any]:
        """Do all the work from here."""
        return await measure(self._client)


def main() -> None:
    variables = {name: os.environ[name] for name in (PLACE_VARIABLE, "PYTHONPATH")}
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": variables},
        _node_ip_address="127.0.0.1",
    )
    try:
        application = Frontend.bind(Backend.bind())  # type: ignore[attr-defined]  # added by the decorator
        handle = serve.run(application, name="benchmark", route_prefix=None)
        print_figures(handle.measure.remote().result(timeout_s=150))
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
