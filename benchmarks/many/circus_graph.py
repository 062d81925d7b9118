"""One service that depends on many, for the circus provider."""

from __future__ import annotations

from typing import Any

from benchmarks.many.load import how_many, load
from benchmarks.work import ARGUMENT
from dynamo_core import api, depends, endpoint, service


class _Echo:
    @endpoint
    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


BACKENDS = [
    service(type(f"Backend{number}", (_Echo,), {"__module__": __name__})) for number in range(how_many())
]
globals().update({backend.__name__: backend for backend in BACKENDS})


class _Caller:
    backend0: Any

    @api
    async def load(self) -> dict[str, Any]:
        """Put the first backend under load."""
        return await load(lambda: self.backend0.echo(ARGUMENT))

    @api
    async def ask(self) -> bool:
        """Call the first backend once."""
        return bool(await self.backend0.echo(ARGUMENT) == ARGUMENT)


Frontend = service(
    type(
        "Frontend",
        (_Caller,),
        {"__module__": __name__, **{f"backend{n}": depends(backend) for n, backend in enumerate(BACKENDS)}},
    )
)
