"""Endpoints that fail in every way, and one service that calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from dynamo_core import RemoteCallError, depends, endpoint, service
from dynamo_core.testing.conformance.ledger import note


class PeculiarError(Exception):
    """Cannot be built from its message alone, so that nothing could rebuild it elsewhere."""

    def __init__(self, code: int, *, where: object) -> None:
        super().__init__(f"code {code} at {where}")
        self.code = code
        self.where = where


@service
class Failing:
    """Fails when asked to."""

    @endpoint
    async def fail(self, message: str) -> str:
        """Raise an everyday error."""
        raise ValueError(message)

    @endpoint
    def fail_in_thread(self, message: str) -> str:
        """Raise in a thread."""
        raise LookupError(message)

    @endpoint
    async def fail_peculiarly(self) -> None:
        """Raise an error of a class that the caller does not have."""
        raise PeculiarError(7, where=object)

    @endpoint
    async def fail_after(self, count: int) -> AsyncIterator[int]:
        """Raise after some items."""
        for number in range(count):
            yield number
        raise RuntimeError(f"after {count}")

    @endpoint
    def fail_in_thread_after(self, count: int) -> Iterator[int]:
        """Raise in a thread, after some items."""
        yield from range(count)
        raise RuntimeError(f"after {count}")

    @endpoint
    async def exit(self) -> None:
        """Try to end the worker."""
        raise SystemExit(3)

    @endpoint
    async def lie(self) -> int:
        """Give something else than declared."""
        return "not a number"  # type: ignore[return-value]  # on purpose

    @endpoint
    async def unsendable(self) -> Any:
        """Give something that cannot be sent."""
        return object()

    @endpoint
    async def strict(self, ledger: str, number: int, text: str, *, ratio: float = 1.0) -> str:
        """Note that it ran."""
        note(ledger, "ran")
        return f"{number}{text}{ratio}"

    @endpoint
    async def works(self) -> str:
        """Show that the worker is still there."""
        return "works"


@service
class Careful:
    """Calls what fails."""

    failing = depends(Failing)

    @endpoint
    async def let_through(self, message: str) -> str:
        """Do not catch it."""
        return await self.failing.fail(message)

    @endpoint
    async def catch(self, message: str) -> dict[str, Any]:
        """Catch it and tell what it was."""
        try:
            await self.failing.fail(message)
        except RemoteCallError as exc:
            return {"type_name": exc.type_name, "message": exc.message, "service": exc.service}
        return {}

    @endpoint
    async def translate(self, message: str) -> str:
        """Raise another error because of it."""
        try:
            return await self.failing.fail(message)
        except RemoteCallError as exc:
            raise KeyError("translated") from exc

    @endpoint
    def let_through_in_thread(self, message: str) -> str:
        """Do not catch it in a thread."""
        return self.failing.fail_in_thread(message)

    @endpoint
    async def stream_through(self, count: int) -> AsyncIterator[int]:
        """Pass on a stream that fails."""
        async for number in self.failing.fail_after(count):
            yield number
