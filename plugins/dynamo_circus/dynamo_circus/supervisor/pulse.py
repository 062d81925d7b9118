"""An event that happens again and again."""

from __future__ import annotations

import asyncio


class Pulse:
    """Wakes everybody who waits, each time something happens."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next beat."""
        await self._event.wait()

    def beat(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()
