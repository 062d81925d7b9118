"""The circus provider: a service graph as processes on one machine, supervised by Circus.

Names are imported when they are first used: Circus itself only ever runs in the supervisor's process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.lazy_names import lazy_names

if TYPE_CHECKING:
    from dynamo_circus.arbiter_handle import ArbiterHandle
    from dynamo_circus.dependency import CircusDependency
    from dynamo_circus.options import CircusOptions
    from dynamo_circus.service import CircusService
    from dynamo_circus.target import CircusDeploymentTarget

_MODULES = {
    "ArbiterHandle": "dynamo_circus.arbiter_handle",
    "CircusDependency": "dynamo_circus.dependency",
    "CircusDeploymentTarget": "dynamo_circus.target",
    "CircusOptions": "dynamo_circus.options",
    "CircusService": "dynamo_circus.service",
}

__all__ = ["ArbiterHandle", "CircusDependency", "CircusDeploymentTarget", "CircusOptions", "CircusService"]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
