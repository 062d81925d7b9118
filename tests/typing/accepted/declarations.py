"""What the decorators give back: what they were given, and nothing less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_type

from dynamo_core import (
    DynamoConfig,
    HttpConfig,
    ResourceConfig,
    ServiceConfig,
    ServiceContext,
    api,
    async_on_start,
    endpoint,
    liveness,
    on_shutdown,
    on_start,
    readiness,
    service,
)


@service(
    name="full",
    workers=2,
    resources=ResourceConfig(cpu=1),
    dynamo=DynamoConfig(enabled=True, namespace="space"),
    http=HttpConfig({"port": 9000}),
    traffic={"max_concurrency": 4},
    secrets=["TOKEN"],
    inherit_env=["PATH"],
    settings={"model": "small"},
)
@dataclass
class Full:
    context: ServiceContext
    size: int = 1

    @on_start
    def load(self) -> None:
        self.size = 2

    @async_on_start
    async def connect(self) -> None: ...

    @liveness
    @readiness
    async def is_well(self) -> bool:
        return self.size > 1

    @on_shutdown
    def close(self) -> None: ...

    @endpoint
    @api
    def grow(self, by: int) -> int:
        return self.size + by

    @api(timeout_s=1.5)
    async def name(self) -> str:
        return assert_type(self.context.service, str)


class Child(Full):
    @endpoint(max_concurrency=2)
    def grow(self, by: int, twice: bool = False) -> int:
        return super().grow(by) + twice


def use(full: Full, child: Child) -> None:
    assert_type(full.grow(1), int)
    assert_type(child.grow(1, twice=True), int)
    assert_type(full.load(), None)
    assert_type(ServiceConfig({"workers": 1}).workers, int)
    assert_type(ServiceConfig(workers=1).http, HttpConfig)
