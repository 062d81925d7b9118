"""A server in a process of its own, and whoever calls it in this one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvloop

from benchmarks.pinning import pin_callee, pin_caller
from benchmarks.sides.living import FIRST, hold
from benchmarks.work import ARGUMENT, measure

SERVE = "--serve"
PATIENCE_S = 60.0


def main(
    serve: Callable[[str], Coroutine[Any, Any, None]],
    connect: Callable[[str], AbstractAsyncContextManager[Any]],
) -> None:
    """The command line of a side that has a server and a client.

    Args:
        serve: Serves on a unix socket until cancelled; calls :func:`is_ready` once it does.
        connect: Opens a client.
    """
    if sys.argv[1:2] == [SERVE]:
        pin_callee()
        uvloop.run(serve(sys.argv[2]))
        return
    pin_caller()
    with _serving() as path:
        if sys.argv[1:2] == [FIRST]:
            uvloop.run(_answer_first(connect, path))
        else:
            print_figures(uvloop.run(_measure(connect, path)))


def is_ready() -> None:
    """Tell that callers may come."""
    print("ready", flush=True)


def print_figures(figures: dict[str, Any]) -> None:
    """Tell the result."""
    print(json.dumps(figures))


async def _measure(connect: Callable[[str], AbstractAsyncContextManager[Any]], path: str) -> dict[str, Any]:
    async with connect(path) as client:
        return await measure(client)


async def _answer_first(connect: Callable[[str], AbstractAsyncContextManager[Any]], path: str) -> None:
    async with connect(path) as client:
        if await client.echo(ARGUMENT) != ARGUMENT:
            raise ValueError("another value came back")
        hold()


@contextlib.contextmanager
def _serving() -> Iterator[str]:
    module = sys.modules["__main__"].__spec__
    assert module is not None, "run it with python -m"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        command = [sys.executable, "-m", module.name, SERVE, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                if process.stdout.readline() != b"ready\n":
                    raise RuntimeError(f"{module.name} does not serve")
                yield path
            finally:
                process.kill()
