"""Building codecs without a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dynamo_core.definition import REQUIRED, EndpointDefinition, EndpointKind, ParameterDefinition
from dynamo_core.values import EndpointCodec

MakeCodec = Callable[..., EndpointCodec]


@pytest.fixture(name="make_codec")
def make_codec_fixture() -> MakeCodec:
    """Build a codec: ``make_codec(result, a=int, b=(int, 3))``; a pair is type and default."""

    def make(result: Any = Any, /, *, keyword_only: tuple[str, ...] = (), **parameters: Any) -> EndpointCodec:
        definitions = []
        for name, given in parameters.items():
            annotation, default = given if isinstance(given, tuple) else (given, REQUIRED)
            definitions.append(
                ParameterDefinition(
                    name=name, annotation=annotation, default=default, keyword_only=name in keyword_only
                )
            )
        endpoint = EndpointDefinition(
            name="run", attribute="run", kind=EndpointKind.UNARY, parameters=tuple(definitions), result=result
        )
        return EndpointCodec("Backend", endpoint)

    return make
