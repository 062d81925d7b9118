"""Many calls through ``depends``."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter

from dynamo_core import depends, endpoint, service


@service(workers=2)
class Backend:
    @endpoint(idempotent=True)
    async def echo(self, number: int) -> list[int]:
        await asyncio.sleep(0)
        return [number, os.getpid()]


@service
class Caller:
    backend = depends(Backend)

    @endpoint
    async def many(self, calls: int, in_flight: int) -> dict[str, float]:
        """Make calls, and give how each ended, by name, and the seconds that it took."""
        outcomes: Counter[str] = Counter()
        workers = set()
        left = iter(range(calls))

        async def work() -> None:
            for number in left:
                try:
                    answer, pid = await self.backend.echo(number)
                except Exception as exc:
                    outcomes[type(exc).__name__] += 1
                else:
                    outcomes["right" if answer == number else "wrong"] += 1
                    workers.add(pid)

        began = time.monotonic()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        return {**outcomes, "workers": len(workers), "seconds": time.monotonic() - began}
