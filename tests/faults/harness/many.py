"""Graphs of many small services."""

from __future__ import annotations

from pathlib import Path

HEAD = """
from __future__ import annotations
from dynamo_core import depends, endpoint, service
"""
ONE = """
@service(workers={workers})
class S{number}:
    @endpoint
    async def work(self, call_id: str) -> str:
        return call_id
"""
ALL = """
@service(workers={workers})
class Hub:
{edges}

    @endpoint
    async def ask(self, call_id: str) -> list[str]:
        clients = [{clients}]
        return [await client.work(call_id) for client in clients]
"""


def write_graph(path: Path, count: int, *, workers: int = 1) -> Path:
    """Write a file with that many services, one of them a ``Hub`` that depends on all others, ``S0`` and so on.

    Args:
        path: The file.
        count: Services, at least 2.
        workers: Of each.
    """
    edges = "\n".join(f"    s{number} = depends(S{number})" for number in range(count - 1))
    clients = ", ".join(f"self.s{number}" for number in range(count - 1))
    services = "".join(ONE.format(number=number, workers=workers) for number in range(count - 1))
    path.write_text(HEAD + services + ALL.format(edges=edges, clients=clients, workers=workers))
    return path
