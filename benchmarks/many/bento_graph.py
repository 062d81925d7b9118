"""One service that depends on many, for BentoML; workers of the first are as many as a variable says."""

from __future__ import annotations

import os
from typing import Any

import bentoml

from benchmarks.many.load import WORKERS_VARIABLE, how_many, load
from benchmarks.sides.bento_options import OPTIONS
from benchmarks.work import ARGUMENT


class _Echo:
    @bentoml.api
    async def echo(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


def _workers_of(number: int) -> int:
    return int(os.environ.get(WORKERS_VARIABLE, "1")) if number == 0 else 1


BACKENDS = [
    bentoml.service(
        type(f"Backend{number}", (_Echo,), {"__module__": __name__}), workers=_workers_of(number), **OPTIONS
    )
    for number in range(how_many())
]
globals().update({backend.name: backend for backend in BACKENDS})


class _Caller:
    backend0: Any

    @bentoml.api
    async def load(self) -> dict[str, Any]:
        """Put the first backend under load."""
        return await load(lambda: self.backend0.to_async.echo(value=ARGUMENT))

    @bentoml.api
    async def ask(self) -> bool:
        """Call the first backend once."""
        return bool(await self.backend0.to_async.echo(value=ARGUMENT) == ARGUMENT)


Frontend = bentoml.service(
    type(
        "Frontend",
        (_Caller,),
        {
            "__module__": __name__,
            **{f"backend{n}": bentoml.depends(backend) for n, backend in enumerate(BACKENDS)},
        },
    ),
    workers=1,
    **OPTIONS,
)
