"""The provider ``bentoml``: a service graph as BentoML services.

Names are imported when they are first used: BentoML itself is imported in its own processes only, and by
:func:`bentoml_service`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_bentoml.dependency import BentoMLDependency
    from dynamo_bentoml.entry import bentoml_service
    from dynamo_bentoml.options import BentoMLOptions
    from dynamo_bentoml.run_handle import BentoMLRun
    from dynamo_bentoml.service import BentoMLService
    from dynamo_bentoml.target import BentoMLDeploymentTarget

_MODULES = {
    "BentoMLDependency": "dynamo_bentoml.dependency",
    "BentoMLDeploymentTarget": "dynamo_bentoml.target",
    "BentoMLOptions": "dynamo_bentoml.options",
    "BentoMLRun": "dynamo_bentoml.run_handle",
    "BentoMLService": "dynamo_bentoml.service",
    "bentoml_service": "dynamo_bentoml.entry",
}

__all__ = [
    "BentoMLDependency",
    "BentoMLDeploymentTarget",
    "BentoMLOptions",
    "BentoMLRun",
    "BentoMLService",
    "bentoml_service",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
