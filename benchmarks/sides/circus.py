"""Ours as its users have it: a graph under the circus provider; the caller is one of its services."""

from __future__ import annotations

import asyncio

from benchmarks.graph import Frontend
from benchmarks.sides.serving import PATIENCE_S, print_figures
from dynamo_circus import CircusDeploymentTarget
from dynamo_core.graph import collect
from dynamo_core.provider.binding import run_graph


async def main() -> None:
    async with run_graph(CircusDeploymentTarget(), collect(Frontend)) as services, asyncio.timeout(PATIENCE_S):
        print_figures(await services.client("Frontend").measure())


if __name__ == "__main__":
    asyncio.run(main())
