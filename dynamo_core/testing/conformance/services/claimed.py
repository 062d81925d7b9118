"""Services that show whether a provider does what few of them claim.

Run as a program, this module is the command that starts a worker of :class:`Commanded`.
"""

from __future__ import annotations

import os
import sys

from dynamo_core import api, depends, endpoint, service

DEVICES_VARIABLE = "CUDA_VISIBLE_DEVICES"
MEBIBYTE = 1024 * 1024
MEMORY_LIMIT_MIB = 256


@service
class Commanded:
    """Started by a command of the user's."""

    @endpoint
    async def arguments(self) -> list[str]:
        """What stands after the program and its module."""
        return sys.argv[1:]


@service(resources={"gpu": 1})
class FirstOnGpu:
    """Asks for a GPU."""

    @endpoint
    async def devices(self) -> list[str]:
        """Which ones it may use."""
        return [name for name in os.environ.get(DEVICES_VARIABLE, "").split(",") if name]


@service(resources={"gpu": 1})
class SecondOnGpu:
    """Asks for another one."""

    first = depends(FirstOnGpu)

    @endpoint
    async def devices(self) -> list[list[str]]:
        """Which ones the first may use, and this one."""
        own = [name for name in os.environ.get(DEVICES_VARIABLE, "").split(",") if name]
        return [await self.first.devices(), own]


@service(resources={"memory": f"{MEMORY_LIMIT_MIB}Mi"})
class Limited:
    """May have little memory."""

    @endpoint
    async def take(self, mebibytes: int) -> int:
        """Fill so much of it; gives the number of bytes."""
        return len(b"x" * (mebibytes * MEBIBYTE))


@service(http={"port": 0})
class Counted:
    """Its calls are counted."""

    @api
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


if __name__ == "__main__":
    from dynamo_core.provider import serve_worker

    serve_worker()
