"""A service that tells what it was given; run by itself it is a worker with arguments of its own."""

from __future__ import annotations

import os
import sys

from dynamo_core import ServiceContext, endpoint, service
from dynamo_core.provider import serve_worker


@service(supervision={"startup_timeout_s": 10})
class Telling:
    """Tells bytes as hexadecimal digits, so that nothing on the way can change them."""

    context: ServiceContext

    @endpoint
    async def arguments(self) -> list[str]:
        return [os.fsencode(text).hex() for text in sys.argv[1:]]

    @endpoint
    async def variables(self, names: list[str]) -> list[str | None]:
        values = [os.environb.get(name.encode()) for name in names]
        return [None if value is None else value.hex() for value in values]

    @endpoint
    async def settings(self, names: list[str]) -> list[str]:
        return [self.context.settings.text(name).encode().hex() for name in names]

    @endpoint
    async def echo(self, text: str) -> str:
        return text.encode().hex()


if __name__ == "__main__":
    serve_worker(Telling)
