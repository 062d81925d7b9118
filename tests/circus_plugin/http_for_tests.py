"""A small HTTP client that shows what is on the wire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection.

    Args:
        url: Where to, without a path.
    """

    def __init__(self, url: str) -> None:
        self._host, port = url.removeprefix("http://").split(":")
        self._port = int(port)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, method: str, path: str, arguments: dict[str, Any] | None = None) -> Answer:
        """Make one request, and read its answer, which must have a length."""
        body = json.dumps(arguments or {}).encode() if method == "POST" else b""
        fields = {"host": self._host, "content-type": "application/json", "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = 0 if method == "HEAD" else int(headers["content-length"])
        return Answer(int(first.split()[1]), headers, await self._reader.readexactly(size))


async def ask(
    url: str, path: str, arguments: dict[str, Any] | None = None, *, method: str = "POST"
) -> Answer:
    """Make one request on a connection of its own."""
    async with Client(url) as client:
        return await client.ask(method, path, arguments)
