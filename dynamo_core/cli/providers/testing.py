"""``dynamo providers test``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dynamo_core.cli.console import message, write, write_json, write_table
from dynamo_core.cli.providers.naming import find_sound, name_argument
from dynamo_core.cli.providers.states import json_option
from dynamo_core.errors import EXIT_CHECK_FAILED, EXIT_OK, ConfigError
from dynamo_core.provider.grade import REPORT_FILE
from dynamo_core.testing.conformance.report import UNTESTABLE, make_report
from dynamo_core.testing.conformance.runner import KIT_TIMEOUT_S, KitOptions, run_kit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.provider.discovery import ProviderCandidate

_file = click.Path(path_type=Path, dir_okay=False)


class TestRequest(NamedTuple):
    """The command line of ``dynamo providers test``."""

    name: str
    junit: Path | None
    report: Path | None
    record: bool
    keyword: str
    timeout_s: float
    verbose: bool
    as_json: bool


@click.command(short_help="Run the conformance kit on one provider, and grade it.")
@click.option("--junit", type=_file, metavar="FILE", help="Write the results as JUnit XML.")
@click.option("--report", type=_file, metavar="FILE", help="Write the report as JSON.")
@click.option(
    "--record", is_flag=True, help=f"Write the report into the provider's package, as {REPORT_FILE}."
)
@click.option("-k", "keyword", default="", metavar="EXPRESSION", help="Run only some tests; gives no grade.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=KIT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Seconds that the whole kit may take.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show what pytest writes, on standard error.")
@json_option
@name_argument
def test(**params: Any) -> int:
    """Run the conformance kit on the provider NAME, in a process of its own, and grade it.

    The provider is imported and runs services. A test that needs what its manifest does not claim is skipped with that
    reason. Needs pytest: pip install 'dynamo-core[testing]'.
    """
    request = TestRequest(**params)
    candidate = find_sound(request.name)
    targets = _find_targets(request, candidate)
    message(f"testing {candidate.name} ({candidate.distribution} {candidate.version})", kind="note")
    run = run_kit(
        candidate.qualified_name,
        KitOptions(
            keyword=request.keyword,
            junit=request.junit,
            is_verbose=request.verbose,
            timeout_s=request.timeout_s,
        ),
    )
    report = make_report(candidate, run.outcomes, is_whole=not request.keyword)
    for target in targets:
        _write_report(target, report)
    if request.as_json:
        write_json(report)
    else:
        _show(report, is_whole=not request.keyword)
    return EXIT_CHECK_FAILED if report["failures"] else EXIT_OK


def _find_targets(request: TestRequest, candidate: ProviderCandidate) -> list[Path]:
    """Files for the report, of which it is known that they can be written, before the kit takes its minutes.

    Raises:
        click.UsageError: A part of the kit is to be recorded.
        ConfigError: A file cannot be written.
    """
    if request.record and request.keyword:
        raise click.UsageError("--record needs the whole kit: leave out -k")
    targets = [] if request.report is None else [request.report]
    if request.record:
        assert candidate.manifest is not None, "find_sound() gives none without"
        targets.append(candidate.manifest.path.with_name(REPORT_FILE))
    for path in [*targets, *([] if request.junit is None else [request.junit])]:
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise ConfigError(f"{path} cannot be written: its folder is missing, or is not yours to write in")
    return targets


def _write_report(path: Path, report: Mapping[str, Any]) -> None:
    try:
        path.write_text(f"{json.dumps(report, indent=2)}\n", "utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def _show(report: Mapping[str, Any], *, is_whole: bool) -> None:
    rows = [
        (part, *(str(count[outcome]) for outcome in ("passed", "failed", "skipped")))
        for part, count in report["parts"].items()
    ]
    write_table(("PART", "PASSED", "FAILED", "SKIPPED"), rows)
    for failure in report["failures"]:
        first = str(failure["message"]).partition("\n")[0]
        write(f"\n{failure['part']}.{failure['test']} failed: {first}")
    for skipped in report["skipped_otherwise"]:
        write(f"\n{skipped['part']}.{skipped['test']} did not run: {skipped['message']}")
    if not is_whole:
        write("\ngrade: not given, since only some tests were run")
        return
    write(f"\ngrade: {report['grade']}")
    if report["missing"] and not report["failures"]:
        write(f"the next one needs more: {', '.join(report['missing'])}")
    if report["claimed_untested"]:
        told = [f"{name} ({UNTESTABLE[name]})" for name in report["claimed_untested"]]
        write(f"claimed, and not tested: {', '.join(told)}")
