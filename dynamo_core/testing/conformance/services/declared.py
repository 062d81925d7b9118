"""Services declared in less usual ways."""

from __future__ import annotations

from typing import Protocol

from dynamo_core import depends, endpoint, service


class Plain:
    """Not decorated; a program may name it all the same."""

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


@service(name="other-name", workers=2, envs={"KIT_VARIABLE": "from the decorator"})
class Renamed:
    """Known by another name than its class, with defaults of its own."""

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


class Store(Protocol):
    """What a shop needs."""

    @endpoint
    async def take(self, what: str) -> str:
        """Take something out."""
        ...


@service
class Warehouse:
    """One store."""

    @endpoint
    async def take(self, what: str) -> str:
        """Take something out."""
        return f"{what} from the warehouse"


@service
class Shop:
    """Depends on whatever is a store."""

    store = depends(Store)

    @endpoint
    async def sell(self, what: str) -> str:
        """Take it out and give it."""
        return await self.store.take(what)
