"""``dynamo serve``: run a graph as the whole purpose of this process."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs
import click
from click.core import ParameterSource

from dynamo_core import environment
from dynamo_core.cli.completing import complete_target
from dynamo_core.cli.console import message
from dynamo_core.cli.line_writer import LineWriter, RecordHandler
from dynamo_core.cli.progress import ExpectedService, ServeProgress, SlowStartReminder
from dynamo_core.cli.provider_option import choose_provider, provider_option
from dynamo_core.cli.record_stream import show_errors_through, turn_into_records
from dynamo_core.cli.serve_options import log_options, read_provider_options
from dynamo_core.errors import EXIT_OK, ConfigError, StartError
from dynamo_core.exposure import describe_exposure
from dynamo_core.startup import without_collection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynamo_core.graph import ServiceGraph
    from dynamo_core.provider.target import DeploymentTarget

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
NEEDED: Final = (
    "dynamo_core.loader",
    "dynamo_core.config",
    "dynamo_core.provider.selection",
    "dynamo_core.provider.loading",
    "dynamo_core.provider.binding",
)
"""Imported before anything of the user's is, and only when it is served."""


class ServeCommand(click.Command):
    """A command that takes ``--Service.key=value`` beside its own options, as its argument ``overrides``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the overrides out, wherever they stand before ``--``, and read the rest as usual."""
        from dynamo_core.config.overrides import is_override

        if any(arg in {"--log-format=json", "--log-format json"} for arg in [*args, *_pairs(args)]):
            turn_into_records()  # even for what is wrong with the rest of the line
        end = args.index("--") if "--" in args else len(args)
        overrides = [arg for arg in args[:end] if is_override(arg)]
        rest = [arg for arg in args[:end] if not is_override(arg)]
        try:
            left = super().parse_args(ctx, [*rest, *args[end:]])
        except click.UsageError as exc:
            hints = [
                f"; a value is given with '=': {arg}={following}"
                for arg, following in itertools.pairwise(args[:end])
                if is_override(arg) and "=" not in arg and not following.startswith("-")
            ]
            if not hints:
                raise
            raise click.UsageError(f"{exc.message}{''.join(hints)}", ctx) from exc
        ctx.params["overrides"] = tuple(overrides)
        return left


def _pairs(args: list[str]) -> list[str]:
    return [" ".join(pair) for pair in itertools.pairwise(args)]


class ServeRequest(NamedTuple):
    """The command line of ``dynamo serve``."""

    target: str
    file: Path | None
    provider: str | None
    host: str | None
    port: int | None
    service_name: str | None
    depends: tuple[str, ...]
    quiet: bool
    plan: bool
    as_json: bool
    reload: bool
    strict: bool
    options: tuple[str, ...]
    log_format: str
    log_dir: Path | None
    log_max_bytes: int | None
    log_keep: int | None
    overrides: tuple[str, ...]


HELP: Final = """Run the graph TARGET until Ctrl-C, SIGTERM or 'dynamo stop'.

TARGET is package.module:Class, path/to/file.py:Class, or either with the name of what link() returned; the name
may be left out where there is only one.

Settings of any service are overridden by --Service.key=value, and those of what runs it by
--Service.ServiceArgs.key=value:

\b
dynamo serve app.py:Frontend -f config.yaml --Backend.ServiceArgs.workers=2 --Backend.model=small
"""


@click.command(cls=ServeCommand, short_help="Run a graph of services until it is stopped.", help=HELP)
@click.argument("target", shell_complete=complete_target)
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar=environment.CONFIG,
    show_envvar=True,
    help="Settings of the services, as YAML.",
)
@provider_option
@click.option(
    "--host", metavar="HOST", show_default="127.0.0.1", help="Address that the entry service listens on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    show_default="8000",
    help="TCP port that it listens on; 0 takes a free one.",
)
@click.option("--service-name", metavar="NAME", help="Run this service of the graph alone.")
@click.option(
    "--depends",
    multiple=True,
    metavar="NAME=ADDRESS",
    help="With --service-name: where a service it depends on is reached, such as Backend=unix:/path.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show only what goes wrong, and what workers write.")
@click.option(
    "--plan",
    is_flag=True,
    help="Start nothing: show each process, its devices, and a command to start it alone.",
)
@click.option("--json", "as_json", is_flag=True, help="With --plan: write JSON.")
@click.option(
    "--strict",
    is_flag=True,
    envvar=environment.STRICT,
    show_envvar=True,
    help="Refuse what the provider would ignore of this graph, and broken extensions.",
)
@log_options
@click.pass_context
def serve(ctx: click.Context, /, **params: Any) -> int:
    """Run a graph, chosen provider and all, until it is stopped."""
    request = ServeRequest(**params)
    with without_collection():
        for module in NEEDED:
            importlib.import_module(module)
    selection = choose_provider(ctx, request.provider)
    if selection.notice is not None:
        message(selection.notice, kind="note")
    graph = _prepare(ctx, request)
    _warn_of_wide_http(graph)
    from dynamo_core.provider.loading import load_provider  # pluggy, and the provider itself

    assert selection.candidate is not None, "choose_provider() raises otherwise"
    if request.strict:
        from dynamo_core.cli.strictness import refuse_losses  # as asked

        refuse_losses(selection.candidate, graph)
    target = load_provider(selection.candidate)
    options = read_provider_options(ctx, target)
    if request.plan:
        from dynamo_core.cli.plan import show_plan

        target.hook_manager(is_strict=request.strict)
        show_plan(target, graph, options=options, as_json=request.as_json)
        return EXIT_OK
    return _run(target, graph, options, request)


def _prepare(ctx: click.Context, request: ServeRequest) -> ServiceGraph:
    """The graph as it is to run: loaded, with every source of settings applied, perhaps reduced."""
    from dynamo_core.cli.reduced_graph import read_addresses, reduce_graph
    from dynamo_core.config import load_graph_settings
    from dynamo_core.loader import load_graph

    addresses = read_addresses(ctx, request.depends)
    if addresses and request.service_name is None:
        raise click.UsageError("--depends goes with --service-name", ctx)
    # click reads the variable too, for the sake of --help; the settings read it themselves, and can then name it
    is_from_line = ctx.get_parameter_source("file") is ParameterSource.COMMANDLINE
    settings = load_graph_settings(request.file if is_from_line else None, request.overrides, os.environ)
    graph = settings.apply(load_graph(request.target, bindings=settings.bindings()))
    if request.service_name is not None:
        graph = reduce_graph(ctx, graph, request.service_name, addresses)
    return _listen_where_told(ctx, graph, request)


def _listen_where_told(ctx: click.Context, graph: ServiceGraph, request: ServeRequest) -> ServiceGraph:
    """Apply ``--host`` and ``--port`` to the entry service."""
    entry = graph.entry
    given = [name for name in ("host", "port") if getattr(request, name) is not None]
    if given and not entry.serves_http:
        options = " and ".join(f"--{name}" for name in given)
        raise click.UsageError(
            f"{options}: {entry.name} has no @api endpoint, so HTTP does not reach it", ctx
        )
    http = entry.config.http
    if request.host is not None:
        http = attrs.evolve(http, host=request.host)
    if request.port is not None:
        http = attrs.evolve(http, port=request.port)
    return graph.with_configs({entry.name: attrs.evolve(entry.config, http=http)})


def _warn_of_wide_http(graph: ServiceGraph) -> None:
    warning = describe_exposure((service, service.config) for service in graph.services)
    if warning is not None:
        message(warning, kind="warning")


def _run(
    target: DeploymentTarget, graph: ServiceGraph, options: Mapping[str, Any], request: ServeRequest
) -> int:
    from dynamo_core.provider.binding import serve_graph

    level = _log_level()
    with LineWriter() as lines, _records_shown(lines, level), show_errors_through(lines.show_lines):
        progress = ServeProgress(
            [_expect(service) for service in graph.services],
            entry=graph.entry.name,
            tell=lines.message_line,
            is_quiet=request.quiet,
        )
        target.hook_manager(is_strict=request.strict)  # here, so that extensions left out are told
        try:
            with SlowStartReminder(progress.remind):
                return serve_graph(
                    target, graph, options=options, listeners=[progress], show_lines=lines.show_lines
                )
        except StartError as exc:
            if exc.last_lines and lines.has_just_shown(exc.service, exc.slot, exc.last_lines):
                exc.last_lines = ()
            raise


def _expect(service: Any) -> ExpectedService:
    names = (edge.service_name for edge in service.dependencies.values())
    return ExpectedService(
        name=service.name,
        workers=service.config.workers,
        serves_http=service.serves_http,
        dependencies=tuple(name for name in names if name is not None),
    )


def _log_level() -> int:
    """The level that ``DYNAMO_LOG_LEVEL`` names."""
    text = os.environ.get(environment.LOG_LEVEL) or "warning"
    if text.lower() not in LOG_LEVELS:
        raise ConfigError(f"{environment.LOG_LEVEL} must be one of {', '.join(LOG_LEVELS)}, got {text!r}")
    return logging.getLevelNamesMapping()[text.upper()]


@contextlib.contextmanager
def _records_shown(lines: LineWriter, level: int) -> Iterator[None]:
    """Show log records as messages while the block lasts."""
    root, handler = logging.getLogger(), RecordHandler(lines.message, level)
    before = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
