"""The endpoints of ``docs/reference/http-contract.md``."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator  # read at run time, as annotations of endpoints are

from .serving_for_tests import route


@dataclasses.dataclass
class Prompt:
    text: str
    count: int = 1


async def add(a: int, b: int = 2) -> int:
    return a + b


async def repeat(prompt: Prompt) -> Prompt:
    return Prompt(text=prompt.text * prompt.count)


async def reverse(data: bytes) -> bytes:
    return data[::-1]


@route("GET", "/search")
async def search(q: str, limit: int = 2) -> list[str]:
    return [q] * limit


async def words(text: str) -> AsyncIterator[str]:
    for word in text.split():
        yield word


async def breaking(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    raise ValueError("only the log says this")


FUNCTIONS = (add, repeat, reverse, search, words, breaking)
