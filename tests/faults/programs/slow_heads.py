"""``slow_heads.py PORT CLIENTS``: clients that send one byte of a request's head each second.

Prints, as JSON, for how many seconds the server let each go on, and the status that it gave then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

BEGINNING = b"POST /ask HTTP/1.1\r\nhost: localhost\r\nx: "


async def drip(port: int, wait_s: float) -> tuple[float, str]:
    """One client, which begins after a while."""
    await asyncio.sleep(wait_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    answer = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        writer.write(BEGINNING)
        while not answer.done():
            await asyncio.wait([answer], timeout=1.0)
            writer.write(b"a")
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        return time.monotonic() - began, (await answer)[9:12].decode() or "closed"
    return time.monotonic() - began, "reset"


async def main(port: int, clients: int) -> None:
    found = await asyncio.gather(*(drip(port, number / clients) for number in range(clients)))
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
