"""The graph whose backend is killed on circus: it imports nothing that it does not need."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from typing import Any

import attrs

from benchmarks.sides.living import TAKES_S, recover
from dynamo_core import depends, endpoint, service
from dynamo_core.errors import WorkerLostError


@service
class Backend:
    @endpoint
    async def pid(self) -> int:
        return os.getpid()

    @endpoint
    async def take(self) -> None:
        await asyncio.sleep(TAKES_S)

    @endpoint(idempotent=True)
    async def take_again(self) -> None:
        await asyncio.sleep(TAKES_S)


@service
class Frontend:
    backend = depends(Backend)

    @endpoint
    async def recover(self, idempotent: bool) -> dict[str, Any]:
        """Kill the backend under load."""
        kill = functools.partial(os.kill, await self.backend.pid(), signal.SIGKILL)
        call = self.backend.take_again if idempotent else self.backend.take
        return attrs.asdict(await recover(call, kill, is_unbegun))


def is_unbegun(exc: Exception) -> bool:
    """Whether a call that failed had not begun, as far as our errors tell."""
    return not (isinstance(exc, WorkerLostError) and exc.begun)
