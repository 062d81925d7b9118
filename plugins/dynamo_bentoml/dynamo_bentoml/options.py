"""What callers may say to this provider beyond what every provider understands."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
from attrs.validators import gt, optional

if TYPE_CHECKING:
    from collections.abc import Mapping


def _variables(values: Mapping[str, object] | None) -> Mapping[str, str]:
    return MappingProxyType({str(name): str(value) for name, value in (values or {}).items()})


@attrs.frozen(kw_only=True)
class BentoMLOptions:
    """Options of ``create_service`` and ``run_services``.

    Attributes:
        env_vars: Variables for the service's workers, above everything else; passed on byte for byte.
        working_dir: Where workers run; default is where the caller is.
        startup_timeout_s: Seconds that ``run_services`` waits for the whole graph to be ready;
            None leaves it to the services' own limits.
        access_log: Whether workers log every HTTP request as BentoML does.
    """

    env_vars: Mapping[str, str] = attrs.field(default=None, converter=_variables)
    working_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    startup_timeout_s: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(float), validator=optional(gt(0))
    )
    access_log: bool = attrs.field(default=False, validator=attrs.validators.instance_of(bool))
