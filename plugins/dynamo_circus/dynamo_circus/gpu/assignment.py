"""The devices of each worker of a run, as variables of its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_circus.gpu.devices import MASK, visible_devices
from dynamo_circus.gpu.leases import DevicePool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_circus.plan import RunPlan, ServicePlan


class DeviceAssignment:
    """Leases devices to the slots of a run, which keep them whoever fills the slot.

    A service that sets the mask itself, or asks for no device, holds none and keeps what it has set or inherits.

    Args:
        plan: The run.
        environ: The caller's environment.

    Raises:
        TooFewDevicesError: Not every slot can have what its service asks for.
        ConfigError: The mask, or what a service asks for, is wrong.
    """

    def __init__(self, plan: RunPlan, environ: Mapping[str, str]) -> None:
        asking = [service for service in plan.services if _asks(service)]
        self._pool = DevicePool(visible_devices(environ, plan.devices) if asking else ())
        for service in sorted(asking, key=lambda each: each.config.resources.gpu, reverse=True):
            for slot in range(service.config.workers):  # whole devices first: fractions fit where they can
                self._pool.lease((service.name, slot), service.config.resources.gpu)

    def variables(self, service: ServicePlan, slot: int) -> dict[str, str]:
        """Variables that show a worker its devices, and no others.

        Raises:
            TooFewDevicesError: The slot was added, and there is nothing left for it.
        """
        devices = self.devices(service, slot)
        return {MASK: ",".join(devices)} if devices else {}

    def devices(self, service: ServicePlan, slot: int) -> tuple[str, ...]:
        """Names of the devices that a slot holds; empty when it needs none.

        Raises:
            TooFewDevicesError: The slot was added, and there is nothing left for it.
        """
        if not _asks(service):
            return ()
        return self._pool.lease((service.name, slot), service.config.resources.gpu).devices

    def give_back(self, service: str, slot: int) -> None:
        """Take back what a slot that gets no further worker holds."""
        self._pool.give_back((service, slot))

    def describe(self) -> str:
        """A table of the devices and who holds them."""
        return self._pool.describe()


def _asks(service: ServicePlan) -> bool:
    has_own = MASK in service.config.envs or MASK in service.env_vars
    return service.config.resources.gpu > 0 and not has_own
