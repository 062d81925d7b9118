"""The handle to a run, without the run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dynamo_circus import ArbiterHandle
from dynamo_core import endpoint, service
from dynamo_core.errors import ServiceUnavailableError
from dynamo_core.inspection import define_service
from dynamo_core.transport import Member


@service
class Backend:
    @endpoint
    async def echo(self, text: str) -> str:
        return text


async def test_what_is_told_while_a_client_is_made_is_not_overtaken(tmp_path: Path) -> None:
    """The newest membership counts, not the one that was known when the client was asked for."""
    bound = SimpleNamespace(name="Backend", inner=Backend, definition=define_service(Backend))
    graph: Any = SimpleNamespace(find_service=lambda _service: bound, name="Backend", services=())
    members = (Member(slot=0, path=str(tmp_path / "none")),)
    supervisor: Any = SimpleNamespace(members={"Backend": (members, "")})
    handle = ArbiterHandle(graph, supervisor, "run", tmp_path / "control")
    client = handle.client(Backend)
    supervisor.members["Backend"] = ((), "it is given up")
    handle.members_changed("Backend", *supervisor.members["Backend"])
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(ServiceUnavailableError, match="it is given up"):
            await client.echo("x")
        await handle.aclose()
