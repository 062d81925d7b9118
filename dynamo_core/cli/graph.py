"""``dynamo graph``: the services of a graph, what they offer and what they depend on, without running them."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from dynamo_core import environment
from dynamo_core.cli.completing import complete_target
from dynamo_core.cli.console import printable, write, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynamo_core.definition import DependencyDefinition, EndpointDefinition, ServiceDefinition
    from dynamo_core.graph import ServiceGraph

FORMATS: Final = ("text", "mermaid", "json")

_BRANCHES: Final = ("├── ", "└── ", "│   ", "    ")
_PLAIN_BRANCHES: Final = ("|-- ", "`-- ", "|   ", "    ")


@click.command(short_help="Show the services of a graph, without running them.")
@click.argument("target", shell_complete=complete_target)
@click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar=environment.CONFIG,
    show_envvar=True,
    help="Settings of the services, as YAML; they may bind abstract dependencies.",
)
@click.option(
    "--format",
    "chosen",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="A tree, a Mermaid flowchart, or JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def graph(ctx: click.Context, target: str, file: Path | None, chosen: str, as_json: bool) -> None:
    """Show the services of the graph TARGET, what each offers, and what it depends on.

    TARGET is package.module:Class, path/to/file.py:Class, or either with the name of what link() returned. Its
    module is imported and the whole graph is checked; nothing is run.
    """
    from dynamo_core.config import load_graph_settings
    from dynamo_core.loader import load_graph

    is_from_line = ctx.get_parameter_source("file") is ParameterSource.COMMANDLINE
    settings = load_graph_settings(file if is_from_line else None, (), os.environ)
    with contextlib.redirect_stdout(sys.stderr):  # what modules print while they are imported is no data
        loaded = settings.apply(load_graph(target, bindings=settings.bindings()))
    if as_json or chosen == "json":
        write_json(_describe_graph(loaded))
    else:
        lines = _draw_chart(loaded) if chosen == "mermaid" else _draw_tree(loaded)
        write("\n".join(printable(line) for line in lines))


# --- text -------------------------------------------------------------------------------------------------


def _draw_tree(loaded: ServiceGraph) -> list[str]:
    drawing = _Tree(loaded, _branches())
    lines = list(drawing.draw(loaded.entry))
    for service in reversed(loaded.services):  # those that the entry does not lead to
        if service.name not in drawing.drawn:
            lines += drawing.draw(service)
    return lines


def _branches() -> tuple[str, ...]:
    try:
        "".join(_BRANCHES).encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return _PLAIN_BRANCHES
    return _BRANCHES


class _Tree:
    """Lines of a tree; a service that several depend on is drawn in full once.

    Args:
        loaded: The graph.
        branches: What leads to a line, to the last line, and what stands before the lines below each.
    """

    def __init__(self, loaded: ServiceGraph, branches: Sequence[str]) -> None:
        self._graph = loaded
        self._branches = branches
        self.drawn: set[str] = set()

    def draw(self, service: ServiceDefinition, label: str = "") -> Iterator[str]:
        """The lines of one service, the first one with *label* before its name."""
        if service.name in self.drawn:
            yield f"{label}{service.name} (see above)"
            return
        self.drawn.add(service.name)
        workers = service.config.workers
        yield f"{label}{service.name}" + (f" ({workers} workers)" if workers != 1 else "")
        parts: list[list[str]] = [[_shown_endpoint(endpoint)] for endpoint in service.endpoints.values()]
        parts += [list(self._draw_edge(edge)) for edge in service.dependencies.values()]
        for number, lines in enumerate(parts, 1):
            is_last = number == len(parts)
            yield self._branches[is_last] + lines[0]
            yield from (self._branches[2 + is_last] + line for line in lines[1:])

    def _draw_edge(self, edge: DependencyDefinition) -> Iterator[str]:
        if edge.service_name is not None:
            service = self._graph.find_service(edge.service_name)
            bound = "" if service.inner is edge.on else f" (for {edge.on.__name__})"
            first, *rest = self.draw(service, f"{edge.attribute} = ")
            yield first + bound
            yield from rest
        elif edge.url is not None:
            yield f"{edge.attribute} = {edge.on.__name__} at {edge.url}"
        else:
            yield f"{edge.attribute} = {edge.on.__name__} (left out)"


def _shown_endpoint(endpoint: EndpointDefinition) -> str:
    from dynamo_core.values.forms import describe

    parameters = [
        f"{each.name}: {describe(each.annotation)}" + ("" if each.is_required else " = ...")
        for each in endpoint.parameters
    ]
    items = "stream of " if endpoint.kind.is_stream else ""
    call = f"{endpoint.name}({', '.join(parameters)}) -> {items}{describe(endpoint.result)}"
    return call if endpoint.api is None else f"{call}  [{endpoint.api.method} {endpoint.api.path}]"


# --- mermaid ----------------------------------------------------------------------------------------------


def _draw_chart(loaded: ServiceGraph) -> Iterator[str]:
    ids = {service.name: f"s{number}" for number, service in enumerate(reversed(loaded.services))}
    yield "flowchart LR"
    for name, node in ids.items():
        yield f'    {node}(["{name}"])' if name == loaded.entry.name else f'    {node}["{name}"]'
    outside = 0
    for service in reversed(loaded.services):
        node = ids[service.name]
        for edge in service.dependencies.values():
            if edge.service_name is not None:
                yield f"    {node} -->|{edge.attribute}| {ids[edge.service_name]}"
            elif edge.url is not None:
                address = edge.url.replace('"', "#quot;")
                yield f'    {node} -.->|{edge.attribute}| x{outside}["{edge.on.__name__}<br>{address}"]'
                outside += 1


# --- JSON -------------------------------------------------------------------------------------------------


def _describe_graph(loaded: ServiceGraph) -> dict[str, Any]:
    return {
        "name": loaded.name,
        "entry": loaded.entry.name,
        "services": [_describe_service(service) for service in loaded.services],
    }


def _describe_service(service: ServiceDefinition) -> dict[str, Any]:
    return {
        "name": service.name,
        "class": str(service.target),
        "not_importable": service.target.problem,
        "location": str(service.location),
        "workers": service.config.workers,
        "serves_http": service.serves_http,
        "endpoints": [_describe_endpoint(endpoint) for endpoint in service.endpoints.values()],
        "dependencies": [
            {
                "attribute": edge.attribute,
                "on": edge.on.__qualname__,
                "service": edge.service_name,
                "url": edge.url,
            }
            for edge in service.dependencies.values()
        ],
    }


def _describe_endpoint(endpoint: EndpointDefinition) -> dict[str, Any]:
    from dynamo_core.values.forms import describe

    return {
        "name": endpoint.name,
        "kind": endpoint.kind.value,
        "parameters": [
            {"name": each.name, "type": describe(each.annotation), "required": each.is_required}
            for each in endpoint.parameters
        ],
        "result": describe(endpoint.result),
        "http": None if endpoint.api is None else {"method": endpoint.api.method, "path": endpoint.api.path},
        "idempotent": endpoint.idempotent,
        "batchable": endpoint.batchable,
        "timeout_s": endpoint.timeout_s,
        "max_concurrency": endpoint.max_concurrency,
        "location": str(endpoint.location),
    }
