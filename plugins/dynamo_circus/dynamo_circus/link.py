"""The line between a caller's program and the supervisor process it started.

Frames of JSON, each after its length in four bytes, over one socket pair.
The caller sends the plan; the supervisor sends what happens.
Either end's death closes it: the caller's ends the run, the supervisor's is told to the caller.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_LENGTH: Final = struct.Struct("!I")
LARGEST_FRAME_BYTES: Final = 64 * 1024 * 1024


class Link:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        """Take over one end of a connected pair."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Queue one message; what cannot be sent any more is dropped."""
        body = _encode({"kind": kind, "data": data or {}})
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(body)) + body)

    async def receive(self) -> tuple[str, dict[str, Any]] | None:
        """The next message; None when the other end is gone."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > LARGEST_FRAME_BYTES:
                return None
            message = _decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            return None
        return message["kind"], message["data"]

    async def flush(self) -> None:
        """Wait until what was sent has been taken; returns too when the other end is gone."""
        try:
            await self._writer.drain()
        except OSError:
            return

    def end_sending(self) -> None:
        """Tell the other end that nothing more comes."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def aclose(self) -> None:
        """Close the line."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return


def _encode(message: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:  # a file's name, an argument or a variable that is not UTF-8
        import json  # seldom needed

        return json.dumps(message).encode("ascii")


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        import json  # as above

        return json.loads(body)
