"""A service that is given a secret, and one beside it; workers import this file by its path."""

from __future__ import annotations

import hashlib
import os

from services import SUPERVISION, noted

from dynamo_core import ServiceContext, api, depends, service

SECRET = "FAULTS_CANARY"


@service(secrets=[SECRET], supervision=SUPERVISION, http={"port": 0})
class Keeper:
    """Needs the secret."""

    context: ServiceContext

    @api
    async def digest(self, call_id: str) -> str:
        with noted(call_id, self.context):
            secret = self.context.secret(SECRET)
            assert secret == os.environ[SECRET]
            return hashlib.sha256(secret.encode()).hexdigest()

    @api
    async def fail(self, call_id: str) -> None:
        with noted(call_id, self.context):
            secret = self.context.secret(SECRET)
            raise RuntimeError(f"cannot log in with {len(secret)} characters")

    @api
    async def crash(self, call_id: str) -> None:
        with noted(call_id, self.context):
            secret = self.context.secret(SECRET)
            os.abort()
            print(secret)


@service(supervision=SUPERVISION, http={"port": 0})
class Neighbour:
    """Has nothing to do with it."""

    context: ServiceContext
    keeper = depends(Keeper)

    @api
    async def pass_on(self, call_id: str) -> str:
        return await self.keeper.digest(call_id)

    @api
    async def fail(self, call_id: str) -> None:
        await self.keeper.fail(call_id)
