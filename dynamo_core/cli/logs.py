"""``dynamo logs``: what the workers of a run wrote, whatever provider runs it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs
import click

from dynamo_core.cli.completing import complete_run, complete_service
from dynamo_core.cli.console import printable
from dynamo_core.cli.run_option import ask_run

if TYPE_CHECKING:
    from dynamo_core.control.client import ControlClient
    from dynamo_core.provider.status import LogLine

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def read_since(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    """Read a time: so long ago (``90s``, ``5m``, ``1h30m``), or ISO 8601, which is local without an offset.

    Raises:
        click.BadParameter: It is neither.
    """
    if text is None:
        return None
    ages = _AGE.findall(text)
    try:
        if ages and "".join(number + unit for number, unit in ages) == text:
            return datetime.now(UTC) - timedelta(**_add_up(ages))
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"wanted an age such as 5m, or a time such as 2026-11-23T10:00, got {text!r}"
        ) from None


def _add_up(ages: list[tuple[str, str]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for number, unit in ages:
        total[_UNITS[unit]] = total.get(_UNITS[unit], 0.0) + float(number)
    return total


class LogsRequest(NamedTuple):
    """The command line of ``dynamo logs``."""

    run: str | None
    service: str | None
    since: datetime | None
    follow: bool
    timestamps: bool
    as_json: bool


@click.command(short_help="Show what the workers of a run wrote.")
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--service", metavar="NAME", shell_complete=complete_service, help="One service; all when left out."
)
@click.option(
    "--since", callback=read_since, metavar="TIME", help="Only lines since then: 5m, 1h30m, or ISO 8601."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what they write, until the run is over.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was read.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object per line.")
def logs(**params: Any) -> None:
    """Show the last lines that the workers of RUN wrote.

    RUN may be left out when one run is alive.
    """
    from dynamo_core.control import find_run

    request = LogsRequest(**params)
    show = _json_writer() if request.as_json else _text_writer(timestamps=request.timestamps)

    async def read(client: ControlClient) -> None:
        async for line in client.logs(request.service, follow=request.follow):
            if request.since is None or _is_since(line, request.since):
                show(line)

    ask_run(find_run(request.run), read)


def _is_since(line: LogLine, since: datetime) -> bool:
    """Whether a line was written since then; one whose time is not known is not left out."""
    try:
        return datetime.fromisoformat(line.time) >= since
    except (ValueError, TypeError):
        return True


def _json_writer() -> Callable[[LogLine], None]:
    from dynamo_core.logs.rendering import as_json

    return lambda line: _write(as_json(line))


def _text_writer(*, timestamps: bool) -> Callable[[LogLine], None]:
    from dynamo_core.cli.line_writer import stream_has_colours
    from dynamo_core.logs.rendering import as_text

    in_colour = stream_has_colours(sys.stdout)

    def show(line: LogLine) -> None:
        safe = attrs.evolve(line, text=printable(line.text), service=printable(line.service))
        time = f"{printable(line.time) or '-'} " if timestamps else ""
        _write(time + as_text(safe, in_colour=in_colour))

    return show


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
