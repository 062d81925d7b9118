"""What callers may say to this provider beyond what every provider understands."""

from __future__ import annotations

from collections.abc import Mapping  # 'dynamo serve -o' reads the annotations
from pathlib import Path
from types import MappingProxyType

import attrs
from attrs.validators import ge, gt, in_, instance_of, optional

from dynamo_core.logs.settings import DEFAULT_KEEP, DEFAULT_MAX_BYTES, LOWEST_LIMIT, LogFileSettings


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
        log_format: How the lines of workers are shown: ``text``, or ``json`` for one object a line.
        log_dir: Directory for log files, one per service, beside what is shown; None for none.
        log_max_bytes: Bytes that a log file may have before the next one is begun.
        log_keep: How many log files before the present one are kept.
    """

    env_vars: Mapping[str, str] = attrs.field(default=None, converter=_variables)
    working_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    startup_timeout_s: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(float), validator=optional(gt(0))
    )
    access_log: bool = attrs.field(default=False, validator=instance_of(bool))
    log_format: str = attrs.field(default="text", validator=in_(("text", "json")))
    log_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    log_max_bytes: int = attrs.field(
        default=DEFAULT_MAX_BYTES, validator=[instance_of(int), ge(LOWEST_LIMIT)]
    )
    log_keep: int = attrs.field(default=DEFAULT_KEEP, validator=[instance_of(int), ge(0)])

    @property
    def log_files(self) -> LogFileSettings | None:
        """Where lines are written to besides; None for nowhere."""
        if self.log_dir is None:
            return None
        return LogFileSettings(
            directory=str(self.log_dir),
            max_bytes=self.log_max_bytes,
            keep=self.log_keep,
            as_json=self.log_format == "json",
        )
