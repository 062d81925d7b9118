"""What another user of the machine can do: functions that run under another uid, which takes root."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

NOBODY = 65534


def can_be_another_user() -> bool:
    """Whether this process may take another uid."""
    return os.geteuid() == 0


async def as_another_user(do: Callable[[], T]) -> T:
    """Run *do* in a forked process of another user; what it returns goes through JSON.

    Raises:
        RuntimeError: It raised, or ended otherwise than by returning.
    """
    return await asyncio.to_thread(_fork, do)


def _fork(do: Callable[[], T]) -> T:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.chdir("/")
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            answer = json.dumps({"result": do()})
        except BaseException as error:
            answer = json.dumps({"error": repr(error)})
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        content = file.read()
    os.waitpid(pid, 0)
    found = json.loads(content or '{"error": "it ended without a word"}')
    if "error" in found:
        raise RuntimeError(f"as another user: {found['error']}")
    result: T = found["result"]
    return result


def attempt(do: Callable[[], object]) -> str:
    """What becomes of an attempt: ``ok``, or the name of the error that the system gives."""
    try:
        do()
    except OSError as error:
        return type(error).__name__
    return "ok"
