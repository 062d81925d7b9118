"""Two services that are served one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dynamo_bentoml import bentoml_service
from dynamo_core import api, depends, endpoint, service


@service(http={"port": 0})
class Far:
    """What the other one depends on."""

    @api
    async def answer(self, text: str) -> str:
        return f"far: {text}"

    @api
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @endpoint
    async def secret(self) -> str:
        return "secret"


@service(http={"port": 0})
class Near:
    """What is asked."""

    far = depends(Far)

    @api
    async def ask(self, text: str) -> str:
        return await self.far.answer(text)

    @api
    async def items(self, count: int) -> AsyncIterator[int]:
        async for number in self.far.count(count):
            yield number

    @api
    async def hidden(self) -> str:
        return await self.far.secret()


far_service = bentoml_service(Far)
near_service = bentoml_service(Near)
