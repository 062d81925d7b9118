"""Services that tell what their workers have imported."""

from __future__ import annotations

import sys

from dynamo_core import api, depends, endpoint, service


@service
class Backend:
    @endpoint
    async def modules(self) -> list[str]:
        return sorted(sys.modules)


@service
class Frontend:
    backend = depends(Backend)

    @api
    async def modules(self) -> list[str]:
        return sorted(sys.modules)
