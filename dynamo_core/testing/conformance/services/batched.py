"""A service whose calls are joined."""

from __future__ import annotations

import asyncio

from dynamo_core import depends, endpoint, service, to_async

LARGEST_BATCH = 16


@service(traffic={"max_batch": LARGEST_BATCH})
class Batched:
    """Notes the size of every batch."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    @endpoint(batchable=True)
    async def double(self, numbers: list[int]) -> list[int]:
        """Each twice."""
        return await self._double(numbers)

    @endpoint(batchable=True)
    def double_in_thread(self, numbers: list[int]) -> list[int]:
        """Each twice."""
        return asyncio.run(self._double(numbers))

    async def _double(self, numbers: list[int]) -> list[int]:
        self._sizes.append(len(numbers))
        await asyncio.sleep(0.01)
        return [number * 2 for number in numbers]

    @endpoint(batchable=True)
    async def only_positive(self, numbers: list[int]) -> list[int]:
        """Take a batch as it is, or not at all."""
        if min(numbers) < 0:
            raise ValueError(f"a batch with {min(numbers)}")
        return numbers

    @endpoint
    async def sizes(self) -> list[int]:
        """Sizes of the batches since the last time."""
        found, self._sizes = self._sizes, []
        return found

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


@service
class Batcher:
    """Makes many calls that can be joined."""

    batched = depends(Batched)

    @endpoint
    async def double_each(self, numbers: list[int]) -> list[int]:
        """A call for each."""
        double = to_async(self.batched.double_in_thread)
        return [result for (result,) in await asyncio.gather(*(double([number]) for number in numbers))]
