"""A closer look at one provider that has been loaded: its hooks, its options, and what its manifest says of them.

It runs in the process in which the provider is tried out.
Nothing is started: by the contract, binding starts nothing, and ``run_services`` only gives a context manager.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from dynamo_core.definition import DependencyDefinition
from dynamo_core.dependency import depends
from dynamo_core.endpoint_mark import endpoint
from dynamo_core.errors import DynamoError, Location
from dynamo_core.graph import collect
from dynamo_core.provider.binding import bind_graph
from dynamo_core.provider.checking import Finding
from dynamo_core.provider.hookspecs import HOOK_NAMES, PROJECT
from dynamo_core.provider.importing import describe
from dynamo_core.provider.manager import HookManager
from dynamo_core.service_mark import service

if TYPE_CHECKING:
    from dynamo_core.provider.manifest import Manifest
    from dynamo_core.provider.option_schema import OptionSchema
    from dynamo_core.provider.target import DeploymentTarget

NEAR: Final = 0.8
"""How alike a method and a hook are that are taken for each other."""

_TYPE_NAMES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    Path: "string",
    list: "array",
    tuple: "array",
    Sequence: "array",
    dict: "object",
    Mapping: "object",
}


@service
class ProbeBackend:
    """Bound, and never run."""

    @endpoint
    async def echo(self, text: str) -> str:
        """Give back what came."""
        return text


@service
class ProbeFrontend:
    """Bound, and never run."""

    backend = depends(ProbeBackend)

    @endpoint
    async def echo(self, text: str) -> str:
        """Pass on."""
        return await self.backend.echo(text)


def examine(target: DeploymentTarget, manifest: Manifest) -> list[Finding]:
    """Everything that is wrong with a loaded provider, errors first.

    Args:
        target: The provider.
        manifest: What it says of itself.
    """
    hooks = target.hooks()
    found = [
        *_find_unmarked(hooks),
        *_compare_options(target.options_type, manifest),
        *(Finding("warning", f"{manifest.path.name}: {note}") for note in manifest.notes),
        *_try_binding(target, hooks),
    ]
    return sorted(found, key=lambda finding: finding.severity)


def _find_unmarked(hooks: object) -> list[Finding]:
    """Methods that look like hooks, and that nobody will ever call."""
    found = []
    for name in dir(hooks):
        method = getattr(hooks, name, None)
        if name.startswith("_") or not callable(method) or hasattr(method, f"{PROJECT}_impl"):
            continue
        nearest = difflib.get_close_matches(name, HOOK_NAMES, 1, NEAR)
        if nearest:
            what = f"method {name!r} looks like the hook {nearest[0]!r}, and is not marked with @hookimpl"
            found.append(Finding("warning", what, "mark it, or give it another name"))
    return found


def _compare_options(options_type: type[Any], manifest: Manifest) -> list[Finding]:
    fields = {field.alias or field.name: field for field in attrs.fields(options_type) if field.init}
    if manifest.options is None:
        if not fields:
            return []
        what = f"{manifest.path.name} has no table [options], the provider has: {', '.join(fields)}"
        return [Finding("warning", what, "state them, so that 'dynamo providers show' can")]
    file = manifest.path.name
    found = [
        Finding("error", f"option {name!r} is not in {file}", "state it there")
        for name in fields.keys() - manifest.options.keys()
    ]
    found += [
        Finding("error", f"{file} states an option {name!r}, which options_type does not have", "take it out")
        for name in manifest.options.keys() - fields.keys()
    ]
    hints = _hints(options_type)
    for name in fields.keys() & manifest.options.keys():
        found += _compare_option(manifest.options[name], fields[name], hints.get(fields[name].name))
    return sorted(found)


def _compare_option(stated: OptionSchema, field: attrs.Attribute[Any], annotation: object) -> list[Finding]:
    found = []
    type_name = _type_name(annotation)
    if type_name is not None and type_name != stated.type:
        what = (
            f"option {stated.name!r} is stated to be of type {stated.type}, and is annotated as {annotation}"
        )
        found.append(Finding("error", what, "make them agree"))
    default = field.default
    if isinstance(default, Path):
        default = str(default)
    is_plain = default is None or isinstance(default, (bool, int, float, str))
    if is_plain and stated.default != default and not (default in {None, ""} and not stated.default):
        what = (
            f"option {stated.name!r} is stated to default to {stated.default!r}, and defaults to {default!r}"
        )
        found.append(Finding("error", what, "make them agree"))
    return found


def _hints(options_type: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(options_type)
    except Exception:  # noqa: BLE001  # names that are only there for type checkers
        return {}


def _type_name(annotation: object) -> str | None:
    """The name that a manifest has for a type; None where it has none."""
    if get_origin(annotation) in {Union, UnionType}:
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _type_name(inner[0]) if len(inner) == 1 else None
    if get_origin(annotation) is Literal:
        return _type_name(type(get_args(annotation)[0]))
    plain = get_origin(annotation) or annotation
    return _TYPE_NAMES.get(plain) if isinstance(plain, type) else None


def _try_binding(target: DeploymentTarget, hooks: object) -> list[Finding]:
    """Call each hook that starts nothing, and look at what comes back."""
    try:
        options = target.read_options({})
        manager = HookManager(target.name, hooks)
        graph = bind_graph(manager, collect(ProbeFrontend), options)
        backend = graph.find_service(ProbeBackend)
        edge = DependencyDefinition(
            attribute="", on=ProbeBackend, location=Location("<check>", 0), service_name=backend.name
        )
        manager.create_dependency(edge, backend, options)
        manager.run_services(graph, options)
    except DynamoError as exc:
        return [Finding("error", f"a small graph cannot be bound: {exc}")]
    except Exception as exc:  # noqa: BLE001  # the hooks are the provider's code
        return [Finding("error", f"a small graph cannot be bound: a hook raised {describe(exc)}")]
    return []
