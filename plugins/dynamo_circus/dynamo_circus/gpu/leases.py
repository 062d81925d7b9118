"""Who holds which device. Pure: no processes, no environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core.errors import EXIT_NOT_STARTED, ConfigError, DynamoError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDING: Final = 1e-9

Holder = tuple[str, int]
"""Service and slot."""


@attrs.frozen
class Lease:
    """What one slot holds.

    Attributes:
        devices: Names of the devices.
        share: Of each of them, above 0 and at most 1.
    """

    devices: tuple[str, ...]
    share: float


class TooFewDevicesError(DynamoError):
    """The devices do not suffice for what the services ask for; has a table of who holds what.

    Attributes:
        service: Whose worker gets none.
        slot: Its slot.
        wanted: Devices it asks for; a fraction means a share of one.
        holders: What each slot holds, by device.
    """

    exit_code = EXIT_NOT_STARTED

    def __init__(self, service: str, slot: int, wanted: float, pool: DevicePool) -> None:
        free = sum(pool.free(device) >= 1 - _ROUNDING for device in pool.devices)
        super().__init__(
            f"worker {service}/{slot} asks for {wanted:g} GPU (resources.gpu), "
            f"{free} of {len(pool.devices)} visible devices are free; "
            f"lower resources.gpu or workers, or widen CUDA_VISIBLE_DEVICES\n{pool.describe()}"
        )
        self.service = service
        self.slot = slot
        self.wanted = wanted
        self.holders = pool.holders()


class DevicePool:
    """The visible devices of a run.

    A worker that asks for whole devices gets devices that nobody else holds; one that asks for a fraction shares a
    device with others as long as their shares fit, the fullest such device first.

    Args:
        devices: Names of the devices, in order.
    """

    def __init__(self, devices: Sequence[str]) -> None:
        self.devices = tuple(devices)
        self._leases: dict[Holder, Lease] = {}

    def lease(self, holder: Holder, amount: float) -> Lease:
        """Give devices to a slot; what it holds already is given again.

        Raises:
            TooFewDevicesError: There are not enough.
            ConfigError: *amount* is above 1 and not whole.
        """
        held = self._leases.get(holder)
        if held is not None:
            return held
        if amount > 1 and amount != int(amount):
            raise ConfigError(f"services.{holder[0]}.resources.gpu must be below 1 or whole, got {amount:g}")
        found = self._find(amount)
        if found is None:
            raise TooFewDevicesError(*holder, amount, self)
        self._leases[holder] = found
        return found

    def give_back(self, holder: Holder) -> None:
        """Take back what a slot holds; nothing happens when it holds nothing."""
        self._leases.pop(holder, None)

    def free(self, device: str) -> float:
        """What is left of a device, from 0 to 1."""
        return 1.0 - sum(lease.share for lease in self._leases.values() if device in lease.devices)

    def holders(self) -> dict[str, list[tuple[Holder, float]]]:
        """Who holds what share of each device."""
        return {
            device: [
                (holder, lease.share) for holder, lease in self._leases.items() if device in lease.devices
            ]
            for device in self.devices
        }

    def describe(self) -> str:
        """A table of the devices and their holders, a line each."""
        lines = []
        for device, holders in self.holders().items():
            held = ", ".join(
                f"{service}/{slot}" + ("" if share == 1 else f" ({share:g})")
                for (service, slot), share in holders
            )
            lines.append(f"  {device}: {held or 'free'}")
        return "\n".join(lines) or "  no device is visible"

    def _find(self, amount: float) -> Lease | None:
        if amount >= 1:
            free = [device for device in self.devices if self.free(device) >= 1 - _ROUNDING]
            count = int(amount)
            return Lease(tuple(free[:count]), 1.0) if len(free) >= count else None
        fitting = [device for device in self.devices if self.free(device) >= amount - _ROUNDING]
        return Lease((min(fitting, key=self.free),), amount) if fitting else None
