"""What a shell proposes for arguments: runs and services that are there, graphs in files, installed providers.

Nothing of the user's is imported: a file is parsed, and what it does not say plainly is not proposed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    import click

_LARGEST_FILE_BYTES: Final = 256 * 1024
_MOST_FILES: Final = 100
_MAKES_GRAPHS: Final = ("link", "collect")


def complete_run(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Graphs of live runs by name where that is enough, and ids."""
    from dynamo_core.control import list_runs  # as asked

    live = [run for run in list_runs() if run.is_alive]
    names = [run.state.graph for run in live if run.state is not None]
    plain = [name for name in names if names.count(name) == 1]
    return [text for text in (*plain, *(run.run_id for run in live)) if text.startswith(incomplete)]


def complete_service(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Services of the run that the command is about, or of all live ones."""
    from dynamo_core.control import list_runs  # as asked

    wanted = str(ctx.params.get("run") or "")
    states = [run.state for run in list_runs() if run.is_alive and run.state is not None]
    if wanted:
        states = [each for each in states if each.graph == wanted or each.run_id.startswith(wanted)]
    names = dict.fromkeys(service.name for state in states for service in state.services)
    return [name for name in names if name.startswith(incomplete)]


def complete_endpoint(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The same, for what is followed by an endpoint."""
    return [f"{name}." for name in complete_service(ctx, param, incomplete)]


def complete_target(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Folders, and in files of Python what is a service or a graph."""
    path, _, name = incomplete.partition(":")
    folder = Path(path).parent if not path.endswith("/") else Path(path)
    found: list[str] = []
    for entry in sorted(folder.glob("[!.]*"))[:_MOST_FILES] if folder.is_dir() else ():
        shown = f"./{entry}" if path.startswith("./") else str(entry)
        if not shown.startswith(path):
            continue
        if entry.is_dir() and not name:
            found.append(f"{shown}/")
        elif entry.suffix == ".py":
            found += [f"{shown}:{each}" for each in _graphs_in(entry) if each.startswith(name)]
    return found


def complete_provider(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Installed providers."""
    from dynamo_core.provider.discovery import discover_providers  # as asked

    names = dict.fromkeys(each.name for each in discover_providers())
    return [name for name in names if name.startswith(incomplete)]


def _graphs_in(path: Path) -> Iterator[str]:
    """Names of what can be run, as far as the text of a file shows it."""
    import ast  # as asked

    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            return
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return
    for part in body:
        if isinstance(part, ast.ClassDef) and any(_called(each) == "service" for each in part.decorator_list):
            yield part.name
        elif isinstance(part, ast.Assign) and _called(part.value) in _MAKES_GRAPHS:
            yield from (each.id for each in part.targets if isinstance(each, ast.Name))


def _called(node: ast.expr) -> str:
    """The last name of ``name``, ``module.name`` or a call of either."""
    import ast  # as asked

    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
