"""Batchable endpoints."""

from __future__ import annotations

import asyncio
import time

from dynamo_core import api, depends, endpoint, service


@service(traffic={"max_batch": 64}, http={"port": 0})
class Model:
    """Notes the size of every batch."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    @endpoint(batchable=True)
    def double(self, inputs: list[int]) -> list[int]:
        self._sizes.append(len(inputs))
        time.sleep(0.02)
        return [2 * value for value in inputs]

    @api(batchable=True)
    async def halve(self, inputs: list[int]) -> list[float]:
        self._sizes.append(len(inputs))
        await asyncio.sleep(0.02)
        return [value / 2 for value in inputs]

    @endpoint(batchable=True)
    async def refuse(self, inputs: list[int]) -> list[int]:
        raise ValueError(f"cannot take {len(inputs)}")

    @endpoint(batchable=True)
    async def forget(self, inputs: list[int]) -> list[int]:
        return inputs[1:]

    @endpoint(batchable=True)
    async def wait(self, inputs: list[int]) -> list[int]:
        try:
            await asyncio.Event().wait()
        finally:
            self._sizes.append(-len(inputs))
        return inputs

    @endpoint
    async def sizes(self) -> list[int]:
        found, self._sizes = self._sizes, []
        return found


@service
class Caller:
    """Calls the model through ``depends``."""

    model = depends(Model)

    @endpoint
    async def double_all(self, values: list[int]) -> list[int]:
        from dynamo_core import to_async

        found = await asyncio.gather(*(to_async(self.model.double)([value]) for value in values))
        return [value for (value,) in found]
