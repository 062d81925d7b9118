"""A service that needs devices."""

from __future__ import annotations

import os

from dynamo_core import endpoint, service


@service(workers=2, resources={"gpu": 1})
class Trainer:
    @endpoint
    async def mask(self) -> str | None:
        return os.environ.get("CUDA_VISIBLE_DEVICES")
