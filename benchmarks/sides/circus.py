"""Ours as its users have it: a graph under the circus provider; the caller is one of its services."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.sides.living import RECOVER
from benchmarks.sides.serving import PATIENCE_S, print_figures
from dynamo_circus import CircusDeploymentTarget
from dynamo_core.graph import collect
from dynamo_core.provider.binding import run_graph


async def main() -> None:
    is_killed = sys.argv[1:2] == [RECOVER]
    if is_killed:
        from benchmarks.kill_graph import Frontend
    else:
        from benchmarks.graph import Frontend  # type: ignore[assignment]  # another graph
    async with (
        run_graph(CircusDeploymentTarget(), collect(Frontend)) as services,
        asyncio.timeout(PATIENCE_S),
    ):
        frontend = services.client("Frontend")
        if is_killed:
            print_figures(await frontend.recover(sys.argv[2:3] == ["idempotent"]))
        else:
            print_figures(await frontend.measure())


if __name__ == "__main__":
    asyncio.run(main())
