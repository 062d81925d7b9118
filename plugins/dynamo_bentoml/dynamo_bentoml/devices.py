"""Which graphics processors a service's workers see, as BentoML's allocator decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_bentoml.plan import RunPlan


def assign_devices(plan: RunPlan, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Variables that name the devices of each service that asks for some.

    BentoML is imported only if one does. Workers of one service share what it is given, as in BentoML; nothing is
    assigned where ``CUDA_VISIBLE_DEVICES`` or ``BENTOML_DISABLE_GPU_ALLOCATION`` is set.

    Args:
        plan: The run.
        environ: The caller's environment.
    """
    wanted = {service.name: gpu for service in plan.services if (gpu := service.config.resources.gpu)}
    if not wanted or "CUDA_VISIBLE_DEVICES" in environ or "BENTOML_DISABLE_GPU_ALLOCATION" in environ:
        return {}
    from dynamo_bentoml.serving import assign_gpus

    return {
        name: {"CUDA_VISIBLE_DEVICES": ",".join(map(str, devices))}
        for name, devices in assign_gpus(wanted).items()
    }
