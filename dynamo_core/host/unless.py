"""Work that is given up once something else has happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> bool:
    """Do *work* to its end, or cancel it once *stop* is set, and wait for it to clean up.

    Returns:
        Whether it was done.

    Raises:
        Exception: What *work* raised.
    """
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.wait([doing])
    if doing.cancelled():
        return False
    doing.result()
    return True
