"""What a Bento of ``dynamo build`` loads: the graph that was built, with the configuration that it was built with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.config import ServiceConfig, load_graph_settings
from dynamo_core.loader import load_graph

if TYPE_CHECKING:
    import bentoml

MODULE: Final = "dynamo_service"
"""Name of the module in a Bento that has the BentoML service."""

DESCRIPTION_FILE: Final = "dynamo_service.json"


def load_built(file: str) -> bentoml.Service[Any]:
    """Make the BentoML service of a Bento; ``DYNAMO_CONFIG`` may name settings above those it was built with.

    Args:
        file: The module that calls.

    Raises:
        DynamoError: What was built does not load here.
    """
    from dynamo_bentoml.entry import make_entry_service  # imports BentoML

    folder = Path(file).parent
    made = json.loads((folder / DESCRIPTION_FILE).read_text("utf-8"))
    bindings = {(owner, edge): bound for owner, edge, bound in made["bindings"]}
    graph = load_graph(_absolute(made["target"], folder), bindings=bindings)
    graph = graph.with_configs(
        {name: ServiceConfig.from_data(data) for name, data in made["configs"].items()}
    )
    graph = load_graph_settings(None, (), os.environ).apply(graph)
    return make_entry_service(graph, module=MODULE, packed=("wheels",) if made["has_wheels"] else ())


def _absolute(target: str, folder: Path) -> str:
    source, colon, name = target.partition(":")
    return f"{folder / source}{colon}{name}" if source.endswith(".py") or "/" in source else target
