"""Services that write a lot, in every way."""

from __future__ import annotations

import logging
import os
import sys

from dynamo_core import depends, endpoint, on_shutdown, service

logging.basicConfig(format="%(levelname)s: %(name)s: %(message)s")


@service
class Talkative:
    @endpoint
    async def say(self) -> None:
        print("printed")
        sys.stderr.write("to standard error\n")
        logging.getLogger("talkative").warning("logged")
        logging.getLogger("dynamo_core.test").error("by the library")
        print("Caller/0 | forged")
        os.write(1, b"\x1b[2Jescaped\x00\rand \xff\n")
        os.write(2, b"the end\n")

    @endpoint
    def flood(self, megabytes: int) -> None:
        block = b"flood flood flood\n" * 3600
        for _ in range(16 * megabytes):
            os.write(1, block)
        os.write(1, b"the flood is over\n")

    @endpoint
    def write_long(self, size: int) -> None:
        os.write(1, b"x" * size + b"\n")
        print("after the long one")

    @endpoint
    def write_numbers(self, count: int) -> None:
        for number in range(count):
            sys.stdout.write(" ".join([str(number)] * (number % 50 + 1)) + "\n")  # whole, unlike print

    @on_shutdown
    def part(self) -> None:
        print("goodbye")


@service
class Caller:
    talkative = depends(Talkative)

    @endpoint
    async def ping(self) -> str:
        return "pong"
