"""``bentoml_service``: what a file for ``bentoml serve`` and ``bentoml build`` contains."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamo_core.config import load_graph_settings
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.loader import load_graph

if TYPE_CHECKING:
    import bentoml


def bentoml_service(
    graph: type | ServiceGraph | str,
    *,
    config_file: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
) -> bentoml.Service[Any]:
    """Make the BentoML service of a graph, to be given a name in a module.

    Such a module is all that BentoML's commands need::

        from dynamo_bentoml import bentoml_service
        from graph import Frontend

        service = bentoml_service(Frontend)

    ``bentoml serve`` and ``bentoml build`` then take that module and name. Workers load it again, so that the call
    stands at the top level of a module.

    Args:
        graph: The entry service's class, a graph made by ``link``, or a target such as ``module:Frontend``.
        config_file: Settings of the services, as ``dynamo serve -f`` takes them; a relative path is one beside the
            calling module. Without it, ``DYNAMO_CONFIG`` names one.
        overrides: ``--Service.key=value`` each.

    Raises:
        GraphError: The declarations have mistakes.
        ConfigError: The configuration has.
    """
    caller = sys._getframe(1).f_globals
    settings = load_graph_settings(_beside(caller, config_file), overrides, os.environ)
    found = settings.apply(_find_graph(graph, settings.bindings()))
    return make_entry_service(found, module=caller["__name__"])


def make_entry_service(
    graph: ServiceGraph, *, module: str, packed: Sequence[str] = ()
) -> bentoml.Service[Any]:
    """Make the BentoML service of a graph that has its whole configuration.

    Args:
        graph: The graph.
        module: Name of the module in which the service gets its name.
        packed: Folders that an image needs before it installs packages.
    """
    from dynamo_bentoml.bento_server import prepare_to_serve  # imports BentoML
    from dynamo_bentoml.bento_service import make_graph_service  # as above
    from dynamo_bentoml.serving import note_origin, turn_usage_reporting_off  # as above

    turn_usage_reporting_off()
    service = make_graph_service(graph, packed=packed, on_deployment=lambda: prepare_to_serve(graph))
    note_origin(service, module)
    return service


def _find_graph(graph: type | ServiceGraph | str, bindings: Mapping[tuple[str, str], str]) -> ServiceGraph:
    if isinstance(graph, str):
        return load_graph(graph, bindings=bindings)
    if isinstance(graph, ServiceGraph):
        return graph.rebound(bindings)
    return collect(graph, bindings=bindings)


def _beside(caller: Mapping[str, Any], path: str | os.PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    file = caller.get("__file__")
    return Path(path) if file is None else Path(file).parent / path
