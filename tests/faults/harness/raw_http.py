"""HTTP by hand: what no proper client sends, and what came back, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any, Self

from dynamo_core.errors import CallError

PATIENCE_S = 10.0
_READ_BYTES = 65536


@dataclass(frozen=True)
class HttpAnswer:
    """One answer.

    Attributes:
        status: Its status.
        headers: Names in lower case.
        body: What came with it.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def data(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class HttpProblemError(CallError):
    """An answer that is no result, as an error of a call."""

    def __init__(self, service: str, answer: HttpAnswer) -> None:
        super().__init__(f"{service} answered {answer.status}: {answer.body.decode(errors='replace')}")
        self.service = service
        self.status = answer.status
        self.answer = answer


class RawHttp:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1") -> Self:
        """Open a connection."""
        return cls(*await asyncio.open_connection(host, port))

    async def send(self, data: bytes) -> None:
        """Send bytes, as far as the peer takes them.

        Raises:
            ConnectionError: It takes no more.
        """
        self._writer.write(data)
        await self._writer.drain()

    async def read_answer(self, timeout_s: float = PATIENCE_S) -> HttpAnswer | None:
        """The next answer; None when the connection has ended without one.

        Raises:
            TimeoutError: Neither came.
        """
        async with asyncio.timeout(timeout_s):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            status_line, *lines = head.decode("latin-1").split("\r\n")
            pairs = [line.partition(":") for line in lines if line]
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            body = b""
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await self._reader.readline(), 16):
                    body += (await self._reader.readexactly(size + 2))[:-2]
                await self._reader.readline()
            else:
                body = await self._reader.readexactly(int(headers.get("content-length", 0)))
            return HttpAnswer(int(status_line.split(" ")[1]), headers, body)

    async def read_some(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Whatever comes next.

        Raises:
            TimeoutError: Nothing did.
            EOFError: The connection has ended.
        """
        async with asyncio.timeout(timeout_s):
            data = await self._reader.read(_READ_BYTES)
        if not data:
            raise EOFError
        return data

    async def read_to_end(self, timeout_s: float = PATIENCE_S) -> bytes:
        """Everything until the peer closes.

        Raises:
            TimeoutError: It did not.
        """
        found = b""
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionError):
                while data := await self._reader.read(_READ_BYTES):
                    found += data
        return found

    async def request(
        self,
        path: str,
        body: bytes | Any = b"",
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one proper request, with JSON for whatever is not bytes, and wait for its answer.

        Raises:
            ConnectionError: The connection ended without one.
        """
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "host": "localhost",
            "content-type": "application/octet-stream" if isinstance(body, bytes) else "application/json",
            "content-length": str(len(payload)),
            **(headers or {}),
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + payload)
        answer = await self.read_answer()
        if answer is None:
            raise ConnectionResetError("the connection ended without an answer")
        return answer

    def close(self) -> None:
        """Close it; what was not sent is dropped."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def ask(port: int, path: str, body: bytes | Any, *, service: str) -> Any:
    """One request on a connection of its own; the result.

    Raises:
        HttpProblemError: The answer is none.
    """
    async with await RawHttp.connect(port) as http:
        return result_of(service, await http.request(path, body))


def result_of(service: str, answer: HttpAnswer) -> Any:
    """What an answer holds.

    Raises:
        HttpProblemError: It is no result.
    """
    if answer.status != 200:
        raise HttpProblemError(service, answer)
    return answer.data
