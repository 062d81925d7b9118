"""Decorators and ``depends`` with what they do not take."""

from __future__ import annotations

from dynamo_core import api, depends, endpoint, link, on_start, service


@service(workers="2")  # error: call-overload
class Wrong:
    @endpoint(timeout="2")  # error: call-overload
    async def say(self) -> None: ...

    @api(max_concurrency="2")  # error: call-overload
    async def tell(self) -> None: ...

    number = depends(3)  # error: call-overload
    nothing = depends()  # error: call-overload
    address = depends("Wrong", url=3)  # error: call-overload


@service  # error: call-overload
def function() -> None: ...


on_start(3)  # error: type-var
endpoint("name")  # error: call-overload
link("Wrong")  # error: arg-type
