"""``bentoml_service``: what a file for ``bentoml serve`` and ``bentoml build`` contains."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamo_core.config import ServiceConfig, load_graph_settings
from dynamo_core.graph import ServiceGraph, collect
from dynamo_core.loader import load_graph

if TYPE_CHECKING:
    import bentoml


def bentoml_service(
    graph: type | ServiceGraph | str,
    *,
    config_file: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    configs: Mapping[str, Mapping[str, Any]] | None = None,
) -> bentoml.Service[Any]:
    """Make the BentoML service of a graph, to be given a name in a module::

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
        configs: Whole configurations by service (``ServiceConfig.to_data``), in place of the decorators' ones.

    Raises:
        GraphError: The declarations have mistakes.
        ConfigError: The configuration has.
    """
    from dynamo_bentoml.bento_service import make_graph_service  # imports BentoML
    from dynamo_bentoml.bento_server import prepare_to_serve  # as above
    from dynamo_bentoml.serving import note_origin, turn_usage_reporting_off  # as above

    caller = sys._getframe(1).f_globals
    settings = load_graph_settings(_beside(caller, config_file), overrides, os.environ)
    found = _find_graph(graph, settings.bindings())
    if configs is not None:
        found = found.with_configs({name: ServiceConfig.from_data(data) for name, data in configs.items()})
    found = settings.apply(found)
    turn_usage_reporting_off()
    service = make_graph_service(found, on_deployment=lambda: prepare_to_serve(found))
    note_origin(service, caller["__name__"])
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
