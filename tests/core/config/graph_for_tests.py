"""A graph to configure."""

from __future__ import annotations

from typing import Protocol

from dynamo_core import depends, endpoint, service


class Scorer(Protocol):
    """Something that a configuration binds."""

    async def score(self, text: str) -> float: ...


@service(
    workers=2,
    resources={"gpu": 1, "memory": "1Gi"},
    envs={"MODE": "fast", "LEVEL": "1"},
    http={"port": 9000, "host": "localhost"},
    labels={"team": "a"},
)
class Backend:
    @endpoint
    async def score(self, text: str) -> float:
        return len(text) / 2


@service
class Frontend:
    backend = depends(Backend)

    @endpoint
    async def run(self, text: str) -> float:
        return await self.backend.score(text)
