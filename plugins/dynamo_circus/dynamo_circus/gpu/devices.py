"""The devices a run may use: those of the mask the user has set, else those the machine has.

A device is named as ``CUDA_VISIBLE_DEVICES`` names it: an index, ``GPU-<uuid>`` or ``MIG-<uuid>``, and is passed on
under that name.
See "CUDA environment variables" in NVIDIA's CUDA C++ programming guide for the variable's grammar.
"""

from __future__ import annotations

import importlib
import logging
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

logger = logging.getLogger(__name__)

MASK: Final = "CUDA_VISIBLE_DEVICES"
NVIDIA_SMI_TIMEOUT_S: Final = 10.0

_DEVICE: Final = re.compile(r"[0-9]{1,4}|GPU-[0-9A-Fa-f-]+|MIG-[0-9A-Za-z/-]+")
_NONE: Final = frozenset({"", "-1", "none", "void", "NoDevFiles"})


def visible_devices(environ: Mapping[str, str], given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the devices that a run may use, in the order of the mask.

    Args:
        environ: The caller's environment; a mask there is never left.
        given: The machine's devices, when somebody has listed them; None asks the machine.

    Raises:
        ConfigError: The mask, or the list, names something that can be no device, or a device twice.
    """
    mask = environ.get(MASK)
    if mask is not None:
        if mask.strip() in _NONE:
            return ()
        devices = parse_devices(mask.split(","), source=MASK)
        _check_indices([device for device in devices if device.isdecimal()], given)
        return devices
    if given is not None:
        return parse_devices(given, source="the option devices")
    return detect_devices()


def _check_indices(indices: Sequence[str], given: Sequence[str] | None) -> None:
    """Refuse indices that the machine does not have, as far as that can be told; CUDA would pass over them."""
    if not indices:
        return
    if given is not None:
        known, whose = given, "the list of devices is"
    else:
        known, whose = detect_devices(), "this machine has"
        if not known:
            return  # or nobody can tell
    unknown = [index for index in indices if index not in known]
    if unknown:
        raise ConfigError(f"{MASK} names device {unknown[0]!r}, {whose} {', '.join(known) or 'empty'}")


def parse_devices(names: Sequence[str], *, source: str) -> tuple[str, ...]:
    """Check names of devices.

    Raises:
        ConfigError: One can be no device's, or stands there twice.
    """
    found: list[str] = []
    for name in (each.strip() for each in names):
        if name == "-1":
            break  # by the grammar of the variable, what follows is not visible
        if _DEVICE.fullmatch(name) is None:
            raise ConfigError(f"{source} names {name!r}: wanted an index, GPU-<uuid> or MIG-<uuid>")
        if name in found:
            raise ConfigError(f"{source} names device {name!r} twice")
        found.append(name)
    return tuple(found)


def detect_devices() -> tuple[str, ...]:
    """Indices of the machine's devices: by nvidia-ml-py if it is installed, else by nvidia-smi; empty without both."""
    count = _count_by_library()
    if count is None:
        count = _count_by_program()
    return tuple(str(index) for index in range(count))


def _count_by_library() -> int | None:
    try:
        pynvml: Any = importlib.import_module("pynvml")  # optional: the distribution nvidia-ml-py
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            return int(pynvml.nvmlDeviceGetCount())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError as exc:
        logger.debug("NVML cannot be asked: %s", exc)
        return None


def _count_by_program() -> int:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        done = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NVIDIA_SMI_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        logger.warning("nvidia-smi cannot be asked: %s", exc)
        return 0
    return sum(line.strip().isdecimal() for line in done.stdout.splitlines())
