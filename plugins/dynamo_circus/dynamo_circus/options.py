"""What callers may say to this provider beyond what every provider understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping  # 'dynamo serve -o' reads the annotations
from pathlib import Path
from types import MappingProxyType

import attrs
from attrs.validators import ge, gt, in_, instance_of

from dynamo_core.logs.settings import DEFAULT_KEEP, DEFAULT_MAX_BYTES, LOWEST_LIMIT


def _texts(values: Iterable[object] | None) -> tuple[str, ...] | None:
    if values is None:
        return None
    if isinstance(values, str | bytes):
        raise TypeError(f"a list of texts is wanted, one per argument, got the single text {values!r}")
    return tuple(str(value) for value in values)


def _variables(values: Mapping[str, object] | None) -> Mapping[str, str]:
    return MappingProxyType({str(name): str(value) for name, value in (values or {}).items()})


def _check_one_command(instance: CircusOptions, _: object, command: tuple[str, ...] | None) -> None:
    if command is not None and instance.args is not None:
        raise ValueError(
            "args and command exclude each other: args are for this interpreter, command is a program"
        )
    if command is not None and not command:
        raise ValueError("command must name a program")


@attrs.frozen(kw_only=True)
class CircusOptions:
    """Options of ``create_service`` and ``run_services``.

    Attributes:
        args: Arguments of this interpreter that start a worker of the service, instead of the built-in worker;
            passed on byte for byte.
        command: A program and its arguments, likewise.
        env_vars: Variables for the service's workers, above everything else; passed on byte for byte.
        check_delay_s: Seconds between two rounds of housekeeping when nothing happens, above 0.
        working_dir: Where workers run; default is where the caller is.
        devices: Names of the machine's GPUs, as ``CUDA_VISIBLE_DEVICES`` has them; None finds them out. A mask that is
            set in the environment is kept within.
        startup_timeout_s: Seconds that ``run_services`` waits for the whole graph to be ready;
            None leaves it to the services' own limits.
        log_format: How the lines of workers are shown: ``text``, or ``json`` for one object a line.
        log_dir: Directory for log files, one per service, beside what is shown; None for none.
        log_max_bytes: Bytes that a log file may have before the next one is begun.
        log_keep: How many log files before the present one are kept.
        reload: Whether services are restarted when files that they have imported change.
    """

    args: tuple[str, ...] | None = attrs.field(default=None, converter=_texts)
    command: tuple[str, ...] | None = attrs.field(
        default=None, converter=_texts, validator=_check_one_command
    )
    env_vars: Mapping[str, str] = attrs.field(default=None, converter=_variables)
    check_delay_s: float = attrs.field(default=1.0, converter=float, validator=gt(0))
    working_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    devices: tuple[str, ...] | None = attrs.field(default=None, converter=_texts)
    startup_timeout_s: float | None = attrs.field(
        default=None, converter=attrs.converters.optional(float), validator=attrs.validators.optional(gt(0))
    )
    log_format: str = attrs.field(default="text", validator=in_(("text", "json")))
    log_dir: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    log_max_bytes: int = attrs.field(
        default=DEFAULT_MAX_BYTES, validator=[instance_of(int), ge(LOWEST_LIMIT)]
    )
    log_keep: int = attrs.field(default=DEFAULT_KEEP, validator=[instance_of(int), ge(0)])
    reload: bool = attrs.field(default=False, validator=instance_of(bool))
