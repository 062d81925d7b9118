"""What BentoML serves over HTTP beside our ingress: one service, as its users write it."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.models import Prompt


@bentoml.service(workers=1, traffic={"timeout": 120}, logging={"access": {"enabled": False}})
class Ingress:
    @bentoml.api
    async def parameters(self, prompt: str, max_tokens: int, stop: list[str]) -> dict[str, Any]:
        return {"prompt": prompt, "max_tokens": max_tokens, "stop": stop}

    @bentoml.api
    async def model(self, value: Prompt, /) -> Prompt:
        return value
