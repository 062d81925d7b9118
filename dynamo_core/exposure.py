"""Who can reach a graph over HTTP: this machine only, unless somebody says otherwise, and then it is said."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynamo_core.config import ServiceConfig
    from dynamo_core.definition import ServiceDefinition


def describe_exposure(services: Iterable[tuple[ServiceDefinition, ServiceConfig]]) -> str | None:
    """What to warn of before services that other machines can reach are started; None when they cannot.

    Args:
        services: Each with the settings it runs with.
    """
    wide = [
        f"{definition.name} ({config.http.host})"
        for definition, config in services
        if definition.serves_http and not is_loopback(config.http.host)
    ]
    if not wide:
        return None
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    root = ", and this process runs as root" if is_root else ""
    return f"other machines can reach {', '.join(wide)} over HTTP{root}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches *host*."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
