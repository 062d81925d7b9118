"""From a text such as ``package.module:Frontend`` to a checked graph."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import GraphLoadError
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.inspection import NO_SERVICE, Problems, inspect_service, is_service, short_name
from dynamo_core.module_loading import find_attribute, import_file, import_name, place_of, put_first
from dynamo_core.service_mark import service_mark
from dynamo_core.source_location import locate_class

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_NO_BINDINGS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})


def load_graph(target: str, *, bindings: Mapping[tuple[str, str], str] = _NO_BINDINGS) -> ServiceGraph:
    """Import what *target* names and collect its graph.

    The current folder, or that of the file, is put first on the import path, as when Python is run there.
    What the module prints goes through.

    Args:
        target: ``package.module:Class``, ``path/to/file.py:Class``, or either with the name of a graph that
            :func:`dynamo_core.link` made; the name may be left out when the module has one graph or one service
            that no other depends on.
        bindings: Services for edges that name an abstract class, by name and attribute of the edge's owner.

    Raises:
        GraphLoadError: The target leads nowhere, or its module raised; the message has the place.
        DeclarationError: A decorator in the module was used wrongly.
        GraphError: The declarations have mistakes; all of them are in it.
    """
    source, name = _split(target)
    module = _import(source, target)
    found = _only_root(module, target) if name is None else find_attribute(module, name, target=target)
    if isinstance(found, ServiceGraph):
        return found.rebound(bindings)
    if not isinstance(found, type):
        raise GraphLoadError(
            target,
            f"{name} is {_described(found)}; wanted a class that is a service, or a graph made by link()",
            place_of(module),
        )
    if not is_service(found):
        raise GraphLoadError(target, f"{short_name(found)} is no service: {NO_SERVICE}", locate_class(found))
    return collect(found, bindings=bindings)


def _split(target: str) -> tuple[str, str | None]:
    """The module or path, and the name in it; None for a target without one."""
    source, colon, name = target.rpartition(":")
    if not colon or "/" in name or os.sep in name:  # no colon, or that of a drive
        source, name = target, ""
    elif not all(part.isidentifier() for part in name.split(".")):
        raise GraphLoadError(target, f"{name!r} is no name of a class; wanted 'module:Class'")
    if not source:
        raise GraphLoadError(target, "it names no module; wanted 'module:Class' or 'path/to/file.py:Class'")
    return source, name or None


def _import(source: str, target: str) -> ModuleType:
    if source.endswith(".py") or "/" in source or os.sep in source:
        return import_file(Path(source), target=target)
    if not sys.flags.safe_path:
        with contextlib.suppress(OSError):  # the current folder may be gone
            put_first(Path.cwd())
    return import_name(source, target=target)


def _only_root(module: ModuleType, target: str) -> object:
    """The one graph of *module*, or the one service of it that no other one depends on."""
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    graphs = {name: value for name, value in own.items() if isinstance(value, ServiceGraph)}
    services = {
        name: value
        for name, value in own.items()
        if isinstance(value, type) and value.__module__ == module.__name__ and service_mark(value) is not None
    }
    found: dict[str, Any] = graphs or _roots(services)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise GraphLoadError(target, "its module has no graph and no class with @service", place_of(module))
    names = ", ".join(f"'{target}:{name}'" for name in found)
    raise GraphLoadError(target, f"its module has several; name one: {names}", place_of(module))


def _roots(services: Mapping[str, type]) -> dict[str, type]:
    read = [inspect_service(cls, Problems()) for cls in services.values()]
    needed = {edge.on for definition in read for edge in definition.dependencies.values()}
    return {name: cls for name, cls in services.items() if cls not in needed} or dict(services)


def _described(value: object) -> str:
    return f"an instance of {type(value).__name__}" if not callable(value) else f"a {type(value).__name__}"
